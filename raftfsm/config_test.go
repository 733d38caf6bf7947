package raftfsm

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

func TestConfigProblems(t *testing.T) {
	good := Config{NodeID: "m1", DataDir: "d", Bind: "127.0.0.1:7001", ClusterID: "c", Partitions: 4,
		Peers: []Peer{{"m1", "127.0.0.1:7001"}, {"m2", "m2.example:7001"}}, BootstrapExpect: 2}
	if err := good.withDefaults().validate(); err != nil {
		t.Fatalf("the good one: %v", err)
	}
	tests := map[string]struct {
		change func(*Config)
		want   string
	}{
		"no id":             {func(c *Config) { c.NodeID = "" }, `node id ""`},
		"odd id":            {func(c *Config) { c.NodeID = "a/b" }, `node id "a/b"`},
		"no directory":      {func(c *Config) { c.DataDir = "" }, "data dir is missing"},
		"no cluster":        {func(c *Config) { c.ClusterID = "" }, "cluster id is missing"},
		"no partitions":     {func(c *Config) { c.Partitions = 0 }, "0 partitions"},
		"many partitions":   {func(c *Config) { c.Partitions = 5000 }, "5000 partitions"},
		"no address":        {func(c *Config) { c.Bind = "" }, "advertised address"},
		"no port":           {func(c *Config) { c.Advertise = "host" }, "missing port"},
		"port zero":         {func(c *Config) { c.Advertise = "host:0" }, "needs a port"},
		"wildcard":          {func(c *Config) { c.Bind = "0.0.0.0:7001" }, "host that peers can dial"},
		"long lease":        {func(c *Config) { c.LeaderLeaseTimeout = time.Second }, "lease 1s <= heartbeat"},
		"short election":    {func(c *Config) { c.ElectionTimeout = 300 * time.Millisecond }, "<= election 300ms"},
		"too few peers":     {func(c *Config) { c.BootstrapExpect = 3 }, "bootstrap_expect is 3"},
		"peer twice":        {func(c *Config) { c.Peers[1] = c.Peers[0] }, "listed twice"},
		"address twice":     {func(c *Config) { c.Peers[1].Addr = c.Peers[0].Addr }, "listed twice"},
		"odd peer":          {func(c *Config) { c.Peers[1].ID = "" }, `peer id ""`},
		"peer without port": {func(c *Config) { c.Peers[1].Addr = "m2" }, `address "m2" of peer m2`},
		"self elsewhere":    {func(c *Config) { c.Advertise = "127.0.0.1:7009" }, "it advertises 127.0.0.1:7009"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := good
			c.Peers = append([]Peer(nil), good.Peers...)
			test.change(&c)
			err := c.withDefaults().validate()
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q in it", err, test.want)
			}
		})
	}
}

// A damaged or foreign data directory is refused with a reason, never replaced.
func TestDamagedDataDirectory(t *testing.T) {
	tests := map[string]struct {
		files map[string]string
		want  error
	}{
		"log without identity": {map[string]string{logFile: "x"}, ErrIdentity},
		"garbage log":          {map[string]string{logFile: strings.Repeat("x", 1<<16), identityFile: `{"node_id":"m1","cluster_id":"c"}`}, ErrCorrupt},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, content := range test.files {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			addr := freeAddrs(t, 1)[0]
			cfg := Config{NodeID: "m1", DataDir: dir, Bind: addr, ClusterID: "c", Partitions: 4}
			_, err := Open(cfg, prometheus.NewRegistry(), zap.NewNop())
			wantError(t, err, test.want)
			for file, content := range test.files {
				if got, err := os.ReadFile(filepath.Join(dir, file)); err != nil || string(got) != content {
					t.Errorf("%s was changed", file)
				}
			}
		})
	}
}
