package e2e

import (
	"testing"

	"github.com/raftminer/raftminer/e2e/devnet"
	"github.com/raftminer/raftminer/e2e/devnet/pocketchain"
	"github.com/raftminer/raftminer/e2e/soak"
)

// A slice of make soak-relay. So few relays say little about memory, but a
// goroutine that any of them leaves behind is seen.
func TestRelayerKeepsNothingOfRelays(t *testing.T) {
	params := pocketchain.DefaultParams()
	params.BlocksPerSession = 2000 // one session, however slow the machine is
	n, ctx := startOptions(t, devnet.Options{
		Chain:  pocketchain.Options{Params: &params, Services: pocketchain.DefaultServices()[:1]},
		Miners: 1, Relayers: 1,
		Edit: func(name string, file map[string]any) {
			if relayer, ok := file["relayer"].(map[string]any); ok {
				relayer["spool"] = map[string]any{"max_bytes": 256 << 10} // full before it is judged
			}
		},
	})
	report, err := soak.Run(ctx, n.Devnet, soak.Options{
		Service: "eth", Relayer: "relayer-1", Relays: 1800, Between: 60, Distinct: 30, Conns: 16, Progress: t.Output(),
	})
	if err != nil {
		t.Fatal(err)
	}
	verdict, err := soak.Judge(report.Samples, soak.Limits{WarmUp: 450, Growth: 96 << 20})
	if err != nil {
		t.Error(err)
	}
	t.Logf("%+v", verdict)
}
