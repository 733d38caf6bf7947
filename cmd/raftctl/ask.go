package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/raftminer/raftminer/raftfsm"
	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

// ask puts a question to the addresses in turn, until one answers it.
func ask[T any](ctx context.Context, o *options, question func(context.Context, adminpb.AdminClient) (T, error)) (T, error) {
	return askAny(ctx, o, true, func(ctx context.Context, conn *grpc.ClientConn) (T, error) {
		return question(ctx, adminpb.NewAdminClient(conn))
	})
}

// act asks for a change. An address that was asked and did not answer in time ends
// it: the change may have been made.
func act[T any](ctx context.Context, o *options, change func(context.Context, adminpb.AdminClient) (T, error)) (T, error) {
	return askAny(ctx, o, false, func(ctx context.Context, conn *grpc.ClientConn) (T, error) {
		return change(ctx, adminpb.NewAdminClient(conn))
	})
}

// askInspect is ask for questions about the state and the log.
func askInspect[T any](ctx context.Context, o *options, question func(context.Context, adminpb.InspectClient) (T, error)) (T, error) {
	return askAny(ctx, o, true, func(ctx context.Context, conn *grpc.ClientConn) (T, error) {
		return question(ctx, adminpb.NewInspectClient(conn))
	})
}

func askAny[T any](ctx context.Context, o *options, repeatable bool, question func(context.Context, *grpc.ClientConn) (T, error)) (T, error) {
	var answer T
	if err := o.access(); err != nil {
		return answer, err
	}
	if len(o.addrs) == 0 {
		return answer, usageError{errors.New("which miner? give --addr unix:///data-dir/admin.sock, set RAFTCTL_ADDR, or name a --context")}
	}
	var last error
	for n, addr := range o.addrs {
		var err error
		answer, err = askOne(ctx, o, addr, question)
		if err == nil {
			o.prefer(n)
			return answer, nil
		}
		last = answerError{addr, err}
		if o.ca == "" && !strings.HasPrefix(addr, "unix:") && strings.Contains(addr, ":") {
			last = fmt.Errorf("%w (without --ca, --cert and --key)", last)
		}
		code := status.Code(err)
		if code != codes.Unavailable && code != codes.FailedPrecondition && (code != codes.DeadlineExceeded || !repeatable) {
			break
		}
	}
	return answer, last
}

// answerError is an error from one address, without gRPC's own words around it.
type answerError struct {
	addr string
	err  error
}

// Error implements error.
func (e answerError) Error() string { return e.addr + ": " + status.Convert(e.err).Message() }

// Unwrap keeps the code.
func (e answerError) Unwrap() error { return e.err }

// prefer lets the address that answered be the first to be asked next time.
func (o *options) prefer(n int) {
	good := o.addrs[n]
	o.addrs = append([]string{good}, slices.Delete(slices.Clone(o.addrs), n, n+1)...)
}

// skip lets the address that is asked first be the last.
func (o *options) skip() {
	if len(o.addrs) > 1 {
		o.addrs = append(slices.Clone(o.addrs[1:]), o.addrs[0])
	}
}

func askOne[T any](ctx context.Context, o *options, addr string, question func(context.Context, *grpc.ClientConn) (T, error)) (answer T, err error) {
	conn, err := o.dial(addr)
	if err != nil {
		return answer, err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	if o.stale {
		ctx = metadata.AppendToOutgoingContext(ctx, raftfsm.StaleKey, "1")
	}
	return question(ctx, conn)
}

// dial is the one place where connections are made.
func (o *options) dial(addr string) (*grpc.ClientConn, error) {
	var files *raftfsm.TLSFiles
	if o.ca+o.cert+o.key != "" {
		files = &raftfsm.TLSFiles{CA: o.ca, Cert: o.cert, Key: o.key}
		if o.ca == "" || o.cert == "" || o.key == "" {
			return nil, usageError{errors.New("--ca, --cert and --key go together")}
		}
	}
	conn, err := raftfsm.DialAdmin(addr, files)
	if errors.Is(err, raftfsm.ErrPlaintext) {
		return nil, usageError{fmt.Errorf("%w: give --ca, --cert and --key, or a --context that has them", err)}
	}
	return conn, err
}
