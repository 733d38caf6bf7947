package raftfsm

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

// serveAdmin serves the admin API of m and returns its socket.
func serveAdmin(t *testing.T, m *member) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "admin.sock")
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func(n *Node) { ended <- ServeAdmin(ctx, n, socket) }(m.node)
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("admin API of %s: %v", m.cfg.NodeID, err)
		}
	})
	waitFor(t, "the admin socket is there", func() bool { _, err := os.Stat(socket); return err == nil })
	return socket
}

// client asks the admin API at addr.
func client(t *testing.T, addr string, files *TLSFiles) adminpb.AdminClient {
	t.Helper()
	conn, err := DialAdmin(addr, files)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return adminpb.NewAdminClient(conn)
}

// Whichever member is asked, over the socket or with a certificate over the network,
// the leader answers.
func TestQuestionsReachTheLeader(t *testing.T) {
	ca := authority(t, "test", time.Now())
	c := startLoopbackWith(t, 3, func(cfg *Config) { cfg.TLS = issued(t, ca, ca, cfg.NodeID, time.Now()) })
	leader, epoch := c.leader()
	var follower *member
	sockets := make(map[*member]string)
	for _, m := range c.members {
		sockets[m] = serveAdmin(t, m)
		if m != leader {
			follower = m
		}
	}
	ask := client(t, sockets[follower], nil)
	waitFor(t, "the leader's view of its followers comes through a follower", func() bool {
		answer, err := ask.Members(t.Context(), &adminpb.MembersRequest{})
		return err == nil && len(answer.GetMembers()) == 3 && allKnown(answer.GetMembers())
	})
	stale := metadata.AppendToOutgoingContext(t.Context(), StaleKey, "1")
	answer, err := ask.Members(stale, &adminpb.MembersRequest{})
	if err != nil || allKnown(answer.GetMembers()) {
		t.Errorf("a stale read came from the leader: %v, %v", answer, err)
	}
	if _, err := ask.Promote(t.Context(), &adminpb.PromoteRequest{Id: "nobody"}); status.Code(err) != codes.NotFound {
		t.Errorf("promote nobody through a follower: %v", err)
	}
	operator := client(t, follower.cfg.Bind, issued(t, ca, ca, "operator", time.Now()))
	if _, err := operator.TransferLeader(t.Context(), &adminpb.TransferLeaderRequest{}); err != nil {
		t.Fatal(err)
	}
	if _, newer := c.leader(); newer.Compare(epoch) <= 0 {
		t.Errorf("epoch %s follows %s", newer, epoch)
	}
	rogue := client(t, follower.cfg.Bind, issued(t, authority(t, "test", time.Now()), ca, "operator", time.Now()))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if _, err := rogue.Status(ctx, &adminpb.StatusRequest{}); err == nil {
		t.Error("a certificate of another CA was let in")
	}
	if _, err := DialAdmin("10.0.0.1:7001", nil); !errors.Is(err, ErrPlaintext) {
		t.Errorf("in the clear off loopback: %v", err)
	}
}

func allKnown(members []*adminpb.Member) bool {
	for _, m := range members {
		if !m.GetKnown() {
			return false
		}
	}
	return true
}

func TestNoLeaderIsSaid(t *testing.T) {
	c := startLoopback(t, 3)
	leader, _ := c.leader()
	last := c.members[0]
	for _, m := range c.members[1:] {
		c.kill(m)
	}
	ask := client(t, serveAdmin(t, last), nil)
	waitFor(t, "the last one knows no leader", func() bool { return last.node.Status().LeaderID == "" })
	_, err := ask.Members(t.Context(), &adminpb.MembersRequest{})
	if status.Code(err) != codes.FailedPrecondition {
		t.Errorf("members without a leader (was %s): %v", leader.cfg.NodeID, err)
	}
	answer, err := ask.Health(t.Context(), &adminpb.HealthRequest{})
	if err != nil || answer.GetQuorum() || len(answer.GetWarnings()) < 3 {
		t.Errorf("health without a quorum: %v, %v", answer, err)
	}
}

// A snapshot goes out through any member, and in through any.
func TestSnapshotsTravel(t *testing.T) {
	c := startLoopback(t, 3)
	leader, epoch := c.leader()
	var follower *member
	for _, m := range c.members {
		if m != leader {
			follower = m
		}
		serveAdmin(t, m)
	}
	if _, err := leader.node.Apply(t.Context(), Seal{Epoch: epoch, Ref: ref("pokt1a", "s"), Root: root(1)}); err != nil {
		t.Fatal(err)
	}
	ask := client(t, follower.cfg.Bind, nil)
	waitFor(t, "the follower knows its leader", func() bool { return follower.node.Status().LeaderID != "" })
	out, err := ask.SaveSnapshot(t.Context(), &adminpb.SaveSnapshotRequest{})
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(&chunkReader{recv: out.Recv})
	if err != nil {
		t.Fatal(err)
	}
	in, err := ask.RestoreSnapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (chunkWriter{in.Send}).Write(content); err != nil {
		t.Fatal(err)
	}
	answer, err := in.CloseAndRecv()
	if err != nil || answer.GetSessions() != 1 {
		t.Errorf("restore: %v, %v", answer, err)
	}
	if _, newer := c.leader(); newer.Compare(epoch) <= 0 {
		t.Errorf("epoch %s follows %s", newer, epoch)
	}
}

// savedState saves the state of n; the result reads it from the start, each time.
func savedState(t *testing.T, n *Node) func() io.Reader {
	t.Helper()
	var content bytes.Buffer
	if err := n.SaveState(t.Context(), &content); err != nil {
		t.Fatal(err)
	}
	return func() io.Reader { return bytes.NewReader(content.Bytes()) }
}

func foreignState(t *testing.T) io.Reader {
	t.Helper()
	s := NewState()
	if _, err := s.Apply(Init{ClusterID: "other", Partitions: 4}); err != nil {
		t.Fatal(err)
	}
	var content bytes.Buffer
	if err := s.Encode(&content); err != nil {
		t.Fatal(err)
	}
	return &content
}

// damaged flips a bit in the middle.
func damaged(r io.Reader) io.Reader {
	content, err := io.ReadAll(r)
	if err != nil {
		panic(err) // a bytes.Reader
	}
	content[len(content)/2] ^= 1
	return bytes.NewReader(content)
}
