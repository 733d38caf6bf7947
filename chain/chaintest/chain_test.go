package chaintest_test

import (
	"context"
	"testing"

	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/chain/chaintest"
)

// The fake does what the suite asks of the real chain (e2e/devnet/pocketchain).
func TestFakeConforms(t *testing.T) {
	c := chaintest.New()
	key := func(name string) *chain.SupplierKey {
		key, err := chain.NewSupplierKey(secp256k1.GenPrivKeyFromSecret([]byte(name)).Key)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	chaintest.Conform(t, chaintest.Ground{
		Client: c, Proves: key("proves"), Idles: key("idles"), Root: make([]byte, 48),
		Session: chain.SessionRef{SessionID: "s", Service: "svc", Application: "app", StartHeight: 1, EndHeight: 10},
		Proof:   func(*testing.T, chain.Block) []byte { return []byte("proof") },
		Head:    func() int64 { return c.Height },
		Wait: func(_ context.Context, height int64) error {
			for c.Height < height {
				c.Next()
			}
			return nil
		},
	})
}
