package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/raftminer/raftminer/e2e/devnet/port"
	"github.com/raftminer/raftminer/raftfsm"
)

// asCommand has the test binary be raftminer itself.
const asCommand = "RAFTMINER_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	os.Exit(m.Run())
}

// A miner whose log says that the group has another state ends, and its exit code says
// why: a supervisor must not just start it again.
func TestExitCodeOfAMinerThatDiverged(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	dir := t.TempDir()
	addrs, err := port.Addrs(1)
	if err != nil {
		t.Fatal(err)
	}
	divergeIn(ctx, t, filepath.Join(dir, "data"), addrs[0])
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("keys.yaml", fmt.Sprintf("keys: [%q]\n", testSecret(0)))
	file := write("raftminer.yaml", fmt.Sprintf(`
chain: {id: test, nodes: [{rpc: "http://127.0.0.1:1", grpc: "http://127.0.0.1:1"}]}
redis: {url: "redis://127.0.0.1:1/0"}
keys: {keys_file: keys.yaml}
cluster: {id: test, partitions: 4}
miner: {node_id: miner-1, data_dir: data, raft: {bind: %q, bootstrap_expect: 1, peers: [{id: miner-1, addr: %q}]}}
metrics: {enabled: false}
`, addrs[0], addrs[0]))
	cmd := exec.CommandContext(ctx, os.Args[0], "miner", "--config", file)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != exitDiverged {
		t.Fatalf("ended with %v, want exit code %d\n%s", err, exitDiverged, out)
	}
	if !bytes.Contains(out, []byte(raftfsm.ErrDiverged.Error())) {
		t.Errorf("the reason is not in\n%s", out)
	}
}

// divergeIn leaves the log of a miner that was told of another state than its own.
func divergeIn(ctx context.Context, t *testing.T, dataDir, addr string) {
	node, err := raftfsm.Open(raftfsm.Config{
		NodeID: "miner-1", DataDir: dataDir, Bind: addr, ClusterID: "test", Partitions: 4,
		Peers: []raftfsm.Peer{{ID: "miner-1", Addr: addr}}, BootstrapExpect: 1,
	}, prometheus.NewRegistry(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	err = node.Run(ctx, func(ctx context.Context, epoch raftfsm.Epoch) error {
		marked, err := node.Apply(ctx, &raftfsm.Mark{Epoch: epoch})
		for ; errors.Is(err, raftfsm.ErrHeldBack) && ctx.Err() == nil; marked, err = node.Apply(ctx, &raftfsm.Mark{Epoch: epoch}) {
			runtime.Gosched() // it has not met itself yet
		}
		if err != nil {
			return err
		}
		_, err = node.Apply(ctx, &raftfsm.Compare{
			Epoch: epoch, Index: marked.Index, Hash: make([]byte, 32), Commands: raftfsm.CommandSet,
		})
		if err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	})
	if !errors.Is(err, raftfsm.ErrDiverged) {
		t.Fatalf("the miner that wrote the log ended with %v, want %v", err, raftfsm.ErrDiverged)
	}
}
