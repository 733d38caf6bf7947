package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/raftminer/raftminer/e2e/devnet"
	"github.com/raftminer/raftminer/e2e/devnet/pocketchain"
)

// A relayer that is pointed at another chain says so and does not start.
func TestOperatorWrongChainIsRefused(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	net, err := devnet.Start(ctx, devnet.Options{OnlyChain: true, StateDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer net.Close()
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("keys.yaml", "keys: [\""+net.Chain().Actors().Suppliers[0].Hex()+"\"]\n")
	file := write("relayer.yaml", relayerFile(net.Chain(), "another-chain"))
	out, err := exec.CommandContext(ctx, binary(t, "raftminer"), "relayer", "--config", file).CombinedOutput()
	if err == nil || ctx.Err() != nil {
		t.Fatalf("the relayer ran: %v\n%s", err, out)
	}
	if want := `wrong chain: the full node follows "` + net.Chain().ID() + `", chain.id says "another-chain"`; !strings.Contains(string(out), want) {
		t.Errorf("no %q in\n%s", want, out)
	}
}

func relayerFile(c *pocketchain.Chain, id string) string {
	return `
chain: {id: ` + id + `, nodes: [{rpc: "` + c.RPCURL() + `", grpc: "` + c.GRPCURL() + `"}]}
redis: {url: "redis://127.0.0.1:1/0"}
keys: {keys_file: keys.yaml}
cluster: {id: test}
relayer: {listen_addr: "127.0.0.1:0"}
services: {eth: {backends: {jsonrpc: {url: "http://127.0.0.1:1"}}}}
metrics: {enabled: false}
`
}
