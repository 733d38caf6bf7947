package gateway

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	cryptotypes "github.com/cosmos/cosmos-sdk/crypto/types"
	dleqtypes "github.com/pokt-network/go-dleq/types"
	ring "github.com/pokt-network/ring-go"
	"google.golang.org/grpc"
)

// idleTime is how long a connection is kept without a relay. A relay that is sent on
// a connection just when the other side closes it for being idle is lost, so it is
// shorter than the time that relayers leave clients to go.
const idleTime = time.Second

// Client signs with one gateway's key. It is safe for concurrent use.
type Client struct {
	conn grpc.ClientConnInterface
	key  dleqtypes.Scalar
	http *http.Client

	simulate string // id of the pinned key; "" sends real relays

	mu   sync.Mutex
	keys map[string]cryptotypes.PubKey // by address: a key on chain never changes
}

// New makes a client from the gateway's 32 secret bytes. conn must speak the
// SDK's protobuf codec.
func New(conn grpc.ClientConnInterface, secret []byte) (*Client, error) {
	key, err := ring.Secp256k1().DecodeToScalar(secret)
	if err != nil {
		return nil, fmt.Errorf("decode gateway key: %w", err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 256
	transport.IdleConnTimeout = idleTime
	return &Client{
		conn: conn, key: key, http: &http.Client{Transport: transport},
		keys: make(map[string]cryptotypes.PubKey),
	}, nil
}

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }
