package main

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/raftminer/raftminer/raftfsm"
	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

// ask puts a question to the addresses in turn, until one can answer it.
func ask[T any](ctx context.Context, o *options, question func(context.Context, adminpb.AdminClient) (T, error)) (T, error) {
	var answer T
	if len(o.addrs) == 0 {
		return answer, usageError{errors.New("which miner? give --addr unix:///data-dir/admin.sock or set RAFTCTL_ADDR")}
	}
	var last error
	for _, addr := range o.addrs {
		var err error
		answer, err = askOne(ctx, o, addr, question)
		if err == nil {
			return answer, nil
		}
		last = fmt.Errorf("%s: %w", addr, err)
		if code := status.Code(err); code != codes.Unavailable && code != codes.FailedPrecondition {
			break
		}
	}
	return answer, last
}

func askOne[T any](ctx context.Context, o *options, addr string, question func(context.Context, adminpb.AdminClient) (T, error)) (answer T, err error) {
	conn, err := raftfsm.DialAdmin(addr, o.tls)
	if err != nil {
		return answer, usageError{err}
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	return question(ctx, adminpb.NewAdminClient(conn))
}
