package e2e

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/raftminer/raftminer/e2e/devnet"
)

// The group of the other tests, with certificates that raftctl made: the leader
// dies and everything is paid all the same.
func TestPaidOverTLS(t *testing.T) {
	certs := certificates(t)
	n, ctx := startWith(t, "", func(name string, config map[string]any) {
		if !strings.HasPrefix(name, "miner") {
			return
		}
		raft := config["miner"].(map[string]any)["raft"].(map[string]any)
		raft["tls"] = map[string]any{
			"ca":   filepath.Join(certs, "ca.crt"),
			"cert": filepath.Join(certs, name+".crt"),
			"key":  filepath.Join(certs, name+".key"),
		}
	})
	checkPaid(t, n.drive(ctx, devnet.DriveOptions{KillLeader: 1}))
}
