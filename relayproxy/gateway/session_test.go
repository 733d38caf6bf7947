package gateway

import (
	"crypto/sha256"
	"fmt"
	"sync"
	"testing"

	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	cryptotypes "github.com/cosmos/cosmos-sdk/crypto/types"
	ring "github.com/pokt-network/ring-go"
)

// A session is signed for from many goroutines: every signature must hold.
func TestSignConcurrently(t *testing.T) {
	app, gateway := secp256k1.GenPrivKey(), secp256k1.GenPrivKey()
	client, err := New(nil, gateway.Key)
	if err != nil {
		t.Fatal(err)
	}
	session := new(Session)
	if err := client.arm(session, []cryptotypes.PubKey{app.PubKey(), gateway.PubKey()}); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 4 {
				hash := sha256.Sum256(fmt.Append(nil, g, i))
				raw, err := session.sign(hash, client.key)
				if err != nil {
					t.Error(err)
					return
				}
				signature := new(ring.RingSig)
				if err := signature.Deserialize(ring.Secp256k1(), raw); err != nil || !signature.Verify(hash) {
					t.Errorf("signature %d of %d does not hold: %v", i, g, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestAForeignKeyCannotSign(t *testing.T) {
	client, err := New(nil, secp256k1.GenPrivKey().Key)
	if err != nil {
		t.Fatal(err)
	}
	keys := []cryptotypes.PubKey{secp256k1.GenPrivKey().PubKey(), secp256k1.GenPrivKey().PubKey()}
	if err := client.arm(new(Session), keys); err == nil {
		t.Error("signs for a ring that its key is not in")
	}
}
