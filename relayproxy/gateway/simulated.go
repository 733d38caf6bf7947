package gateway

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"time"

	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	cryptotypes "github.com/cosmos/cosmos-sdk/crypto/types"
	ring "github.com/pokt-network/ring-go"
	"google.golang.org/grpc"

	sessiontypes "github.com/pokt-network/poktroll/x/session/types"

	"github.com/raftminer/raftminer/chain"
)

// headerSimulation names the key that a relayer has pinned: of HTTP requests, WebSocket
// handshakes and, in lower case, of gRPC calls.
const headerSimulation = "Pocket-Simulation-Key-Id"

// NewSimulated makes a client of simulated relays, which relayers serve without a
// session on chain, for the ring that they have pinned under an id. conn is asked for
// the keys of suppliers only.
func NewSimulated(conn grpc.ClientConnInterface, secret []byte, keyID string) (*Client, error) {
	c, err := New(conn, secret)
	if err == nil {
		c.simulate = keyID
	}
	return c, err
}

// SimulatedSession makes a session of now that is on no chain. The ring is that of the
// application's compressed public key and the gateways'; without gateways, the
// client's own. Heights and the form of its id are what relay miners in the field
// agree on.
func (c *Client) SimulatedSession(application []byte, gateways [][]byte, service string, suppliers ...string) (*Session, error) {
	address, err := chain.AddressOf(application)
	if err != nil {
		return nil, fmt.Errorf("simulated application: %w", err)
	}
	var nonce [8]byte
	_, _ = rand.Read(nonce[:]) // never fails
	s := &Session{Suppliers: suppliers, URLs: make(map[Endpoint]string), Header: &sessiontypes.SessionHeader{
		ApplicationAddress: address, ServiceId: service,
		SessionId:               fmt.Sprintf("simv1:%d:%s", time.Now().Unix(), hex.EncodeToString(nonce[:])),
		SessionStartBlockHeight: 1, SessionEndBlockHeight: 2,
	}}
	if len(gateways) == 0 {
		gateways = [][]byte{ring.Secp256k1().ScalarBaseMul(c.key).Encode()}
	}
	keys := []cryptotypes.PubKey{&secp256k1.PubKey{Key: application}}
	for _, key := range gateways {
		keys = append(keys, &secp256k1.PubKey{Key: key})
	}
	if err := c.arm(s, keys); err != nil {
		return nil, fmt.Errorf("simulated ring: %w", err)
	}
	return s, nil
}

// mark says on a request what it is simulated for.
func (c *Client) mark(header http.Header) {
	if c.simulate != "" {
		header.Set(headerSimulation, c.simulate)
	}
}
