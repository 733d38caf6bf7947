package devnet

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/raftminer/raftminer/config"
	"github.com/raftminer/raftminer/e2e/devnet/pocketchain"
)

// TestConfigsAreAccepted loads what the devnet writes the way the binary does.
func TestConfigsAreAccepted(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	d := &Devnet{opts: Options{
		StateDir: t.TempDir(),
		Chain:    pocketchain.Options{ChainID: "configs"},
		Edit: func(name string, file map[string]any) {
			if name == "relayer-2" {
				file["relayer"].(map[string]any)["listen_addr"] = "127.0.0.1:1234"
			}
		},
	}.withDefaults()}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	for _, step := range []func(context.Context) error{
		d.makeDir, d.planNodes, d.startBalancer, d.startChain, d.startRedis, d.startBackends,
	} {
		if err := step(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.writeConfigs(); err != nil {
		t.Fatal(err)
	}
	for _, n := range d.nodes() {
		role := config.RoleMiner
		if n.role == roleRelayer {
			role = config.RoleRelayer
		}
		cfg, err := config.Load(n.config, role)
		if err != nil {
			t.Errorf("configuration of %s: %v", n.name, err)
			continue
		}
		keys, err := config.LoadKeysFile(cfg.Keys.File)
		if err != nil || len(keys) != len(d.chain.Actors().Suppliers) {
			t.Errorf("keys of %s: %d (%v), want %d", n.name, len(keys), err, len(d.chain.Actors().Suppliers))
		}
		if n.name == "relayer-2" && cfg.Relayer.ListenAddr != "127.0.0.1:1234" {
			t.Errorf("edited listen address = %s", cfg.Relayer.ListenAddr)
		}
	}
}

func TestOnlyChainWritesItsManifest(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	d, err := Start(ctx, Options{
		StateDir: t.TempDir(), OnlyChain: true, Chain: pocketchain.Options{ChainID: "manifest", Suppliers: 2},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	raw, err := os.ReadFile(filepath.Join(d.Dir(), ManifestName))
	if err != nil {
		t.Fatal(err)
	}
	var m Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	if m.ChainID != "manifest" || len(m.Suppliers) != 2 || len(m.Suppliers[0].PrivateKey) != 64 {
		t.Errorf("manifest = %s", raw)
	}
}
