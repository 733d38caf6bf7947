package raftfsm

import (
	"context"
	"errors"
	"io"

	"github.com/hashicorp/raft"
	"google.golang.org/grpc"

	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

// snapshotChunk is how much of a snapshot travels in one message.
const snapshotChunk = 256 << 10

func (a *admin) SaveSnapshot(request *adminpb.SaveSnapshotRequest, out grpc.ServerStreamingServer[adminpb.SnapshotChunk]) error {
	if a.node.raft.State() == raft.Leader {
		return adminError(a.node.SaveState(out.Context(), chunkWriter{out.Send}))
	}
	conn, ctx, err := a.toLeader(out.Context())
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	from, err := adminpb.NewAdminClient(conn).SaveSnapshot(ctx, request)
	if err != nil {
		return err
	}
	return relayChunks(from.Recv, out.Send)
}

func (a *admin) RestoreSnapshot(in grpc.ClientStreamingServer[adminpb.SnapshotChunk, adminpb.RestoreSnapshotResponse]) error {
	if a.node.raft.State() == raft.Leader {
		return a.restore(in)
	}
	conn, ctx, err := a.toLeader(in.Context())
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	to, err := adminpb.NewAdminClient(conn).RestoreSnapshot(ctx)
	if err != nil {
		return err
	}
	if err := relayChunks(in.Recv, to.Send); err != nil {
		return err
	}
	answer, err := to.CloseAndRecv()
	if err != nil {
		return err
	}
	return in.SendAndClose(answer)
}

func (a *admin) restore(in grpc.ClientStreamingServer[adminpb.SnapshotChunk, adminpb.RestoreSnapshotResponse]) error {
	first, err := in.Recv()
	if err != nil {
		return adminError(errors.Join(ErrInvalid, err))
	}
	state, err := a.node.RestoreState(context.WithoutCancel(in.Context()), &chunkReader{recv: in.Recv, rest: first.GetData()}, first.GetForce())
	if err != nil {
		return adminError(err)
	}
	intents := 0
	for range state.Intents() {
		intents++
	}
	return in.SendAndClose(&adminpb.RestoreSnapshotResponse{Sessions: uint64(state.SessionCount()), Intents: uint64(intents)})
}

// relayChunks passes messages on until the sender is done.
func relayChunks(recv func() (*adminpb.SnapshotChunk, error), send func(*adminpb.SnapshotChunk) error) error {
	for {
		chunk, err := recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := send(chunk); err != nil {
			if errors.Is(err, io.EOF) { // the receiver has made up its mind, and says so next
				return nil
			}
			return err
		}
	}
}

// chunkWriter sends what is written to it.
type chunkWriter struct {
	send func(*adminpb.SnapshotChunk) error
}

// Write implements io.Writer.
func (w chunkWriter) Write(b []byte) (int, error) {
	for from := 0; from < len(b); from += snapshotChunk {
		to := min(from+snapshotChunk, len(b))
		if err := w.send(&adminpb.SnapshotChunk{Data: b[from:to]}); err != nil {
			return from, err
		}
	}
	return len(b), nil
}

// chunkReader reads what is received.
type chunkReader struct {
	recv func() (*adminpb.SnapshotChunk, error)
	rest []byte
}

// Read implements io.Reader.
func (r *chunkReader) Read(b []byte) (int, error) {
	for len(r.rest) == 0 {
		chunk, err := r.recv()
		if err != nil {
			return 0, err
		}
		r.rest = chunk.GetData()
	}
	n := copy(b, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}
