package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/raftminer/raftminer/e2e/devnet/port"
	"github.com/raftminer/raftminer/raftfsm"
)

// startGroup runs a group in this process and returns its admin sockets.
func startGroup(t *testing.T, size int) []string {
	t.Helper()
	var sockets []string
	for _, m := range startMembers(t, size) {
		sockets = append(sockets, m.socket)
	}
	return sockets
}

// testMember is a member of a group in this process.
type testMember struct {
	node   *raftfsm.Node
	dir    string
	socket string
	stop   func()
}

func startMembers(t *testing.T, size int) []testMember {
	t.Helper()
	return startMembersWith(t, size, func(*raftfsm.Config) {})
}

func startMembersWith(t *testing.T, size int, change func(*raftfsm.Config)) []testMember {
	t.Helper()
	addrs, err := port.Addrs(size)
	if err != nil {
		t.Fatal(err)
	}
	var peers []raftfsm.Peer
	for i, addr := range addrs {
		peers = append(peers, raftfsm.Peer{ID: fmt.Sprintf("m%d", i+1), Addr: addr})
	}
	var members []testMember
	for _, p := range peers {
		cfg := raftfsm.Config{
			NodeID: p.ID, Bind: p.Addr, ClusterID: "test", Partitions: 1, Peers: peers, BootstrapExpect: len(peers),
		}
		change(&cfg)
		members = append(members, startMember(t, cfg))
	}
	awaitLeader(t, members)
	return members
}

// startMember runs a node in a directory of its own.
func startMember(t *testing.T, cfg raftfsm.Config) testMember {
	t.Helper()
	cfg.DataDir = t.TempDir()
	node, err := raftfsm.Open(cfg, prometheus.NewRegistry(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	socket := filepath.Join(cfg.DataDir, "admin.sock")
	ended := make(chan error, 2)
	go func() {
		ended <- node.Run(ctx, func(ctx context.Context, _ raftfsm.Epoch) error { <-ctx.Done(); return nil })
	}()
	go func() { ended <- raftfsm.ServeAdmin(ctx, node, socket) }()
	stop := sync.OnceFunc(func() {
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				t.Errorf("member %s: %v", cfg.NodeID, err)
			}
		}
	})
	t.Cleanup(stop)
	poll(t, "answer at "+socket, func() bool {
		conn, err := net.Dial("unix", socket)
		return err == nil && conn.Close() == nil
	})
	return testMember{node: node, dir: cfg.DataDir, socket: socket, stop: stop}
}

// awaitLeader is the member that leads.
func awaitLeader(t *testing.T, members []testMember) *raftfsm.Node {
	t.Helper()
	var leader *raftfsm.Node
	poll(t, "a leader", func() bool {
		for _, m := range members {
			if m.node.Status().Leading {
				leader = m.node
			}
		}
		return leader != nil
	})
	return leader
}

// poll waits until done; there is nothing to wait on in another process.
func poll(t *testing.T, what string, done func() bool) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(30 * time.Second); !done(); <-ticker.C {
		if time.Now().After(end) {
			t.Fatalf("no %s", what)
		}
	}
}

func raftctl(sockets []string, args ...string) (code int, stdout, stderr string) {
	for _, s := range sockets {
		args = append(args, "--addr", "unix://"+s)
	}
	var out, errs bytes.Buffer
	code = execute(context.Background(), args, &out, &errs)
	return code, out.String(), errs.String()
}

func decodeMembers(t *testing.T, out string) []member {
	t.Helper()
	var members []member
	if err := json.Unmarshal([]byte(out), &members); err != nil {
		t.Fatalf("members: %q: %v", out, err)
	}
	return members
}

func TestThreeMembers(t *testing.T) {
	sockets := startGroup(t, 3)
	code, out, errs := raftctl(sockets, "members", "-o", "json")
	members := decodeMembers(t, out)
	if code != exitOK || len(members) != 3 {
		t.Fatalf("members: exit %d, %q %q", code, out, errs)
	}
	leader, successor := "", ""
	for _, m := range members {
		if m.Leader {
			leader = m.ID
		} else {
			successor = m.ID
		}
	}
	if code, out, errs := raftctl(sockets, "transfer-leader", successor); code != exitOK || !strings.Contains(out, "leader is "+successor) {
		t.Errorf("transfer from %s to %s: exit %d, %q %q", leader, successor, code, out, errs)
	}
	if code, out, _ := raftctl(sockets, "status"); code != exitOK || !strings.Contains(out, successor) {
		t.Errorf("status: exit %d, %q", code, out)
	}
	if code, _, errs := raftctl(sockets, "transfer-leader", "nobody"); code != exitNotFound {
		t.Errorf("transfer to nobody: exit %d, %q", code, errs)
	}
	if code, _, errs := raftctl(sockets, "transfer-leader", successor); code != exitRefused {
		t.Errorf("transfer to the leader: exit %d, %q", code, errs)
	}
}

func TestRefusals(t *testing.T) {
	alone := startGroup(t, 1)
	tests := map[string]struct {
		sockets []string
		args    []string
		want    int
	}{
		"unknown command":     {alone, []string{"frobnicate"}, exitUsage},
		"unknown flag":        {alone, []string{"status", "--frobnicate"}, exitUsage},
		"unknown format":      {alone, []string{"status", "-o", "xml"}, exitUsage},
		"no address":          {nil, []string{"status"}, exitUsage},
		"too many arguments":  {alone, []string{"members", "now"}, exitUsage},
		"nobody there":        {[]string{"/nonexistent/admin.sock"}, []string{"status"}, exitUnreachable},
		"one of two is there": {append([]string{"/nonexistent/admin.sock"}, alone...), []string{"status"}, exitOK},
		"no successor":        {alone, []string{"transfer-leader"}, exitRefused},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Setenv("RAFTCTL_ADDR", "")
			code, out, errs := raftctl(test.sockets, test.args...)
			if code != test.want {
				t.Errorf("exit %d, want %d; %q %q", code, test.want, out, errs)
			}
			if code != exitOK && errs == "" {
				t.Error("no word about what is wrong")
			}
		})
	}
}
