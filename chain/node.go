package chain

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	rpchttp "github.com/cometbft/cometbft/rpc/client/http"
	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// Node is one full node. The scheme of each URL decides on TLS.
type Node struct {
	RPC  string // CometBFT RPC, http:// or https://
	GRPC string // cosmos gRPC, http:// or https://
	Use  Use
}

// Use is what a full node is asked for.
type Use uint8

// The uses. Sentries that take transactions often answer no queries, and the other
// way round.
const (
	UseAll Use = iota
	UseRead
	UseBroadcast
)

func (u Use) serves(what Use) bool { return u == UseAll || u == what }

// node is a full node and what is known of it.
type node struct {
	setting string // how the configuration names it
	host    string // of its RPC, for logs and metrics
	use     Use
	grpc    *grpc.ClientConn
	rpc     *rpchttp.HTTP

	mu   sync.Mutex
	seen sight
}

// sight is what a node said last.
type sight struct {
	chainID string
	block   Block
	err     error // why it did not answer
}

func dialNode(number int, n Node) (*node, error) {
	made := &node{setting: fmt.Sprintf("chain.nodes[%d]", number), use: n.Use}
	u, err := url.Parse(n.RPC)
	if err != nil {
		return nil, fmt.Errorf("%s.rpc: %w", made.setting, err)
	}
	made.host = u.Host
	if made.grpc, err = DialGRPC(n.GRPC); err != nil {
		return nil, fmt.Errorf("%s.grpc: %w", made.setting, err)
	}
	if made.rpc, err = rpchttp.New(n.RPC, "/websocket"); err != nil {
		return nil, errors.Join(fmt.Errorf("%s.rpc: %w", made.setting, err), made.grpc.Close())
	}
	return made, nil
}

// DialGRPC makes a connection to the gRPC server of one full node, whose URL's
// scheme decides on TLS. It does not wait for the node.
func DialGRPC(raw string) (*grpc.ClientConn, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("url %q: %w", raw, err)
	}
	var creds credentials.TransportCredentials
	switch u.Scheme {
	case "http":
		creds = insecure.NewCredentials()
	case "https":
		creds = credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12})
	default:
		return nil, fmt.Errorf("url %q: scheme must be http or https", raw)
	}
	return grpc.NewClient(u.Host, grpc.WithTransportCredentials(creds))
}

// look asks the node for its newest block. Its gRPC side is part of the answer:
// a node of which half is down is of no use.
func (n *node) look(ctx context.Context) sight {
	s, err := n.status(ctx)
	if err == nil && n.use.serves(UseRead) {
		err = n.grpcState()
	}
	s.err = err
	n.mu.Lock()
	defer n.mu.Unlock()
	n.seen = s
	return s
}

func (n *node) status(ctx context.Context) (sight, error) {
	res, err := n.rpc.Status(ctx)
	if err != nil {
		return sight{}, fmt.Errorf("query node status: %w", err)
	}
	return sight{chainID: res.NodeInfo.Network, block: Block{
		Height: res.SyncInfo.LatestBlockHeight, Hash: res.SyncInfo.LatestBlockHash, Time: res.SyncInfo.LatestBlockTime,
	}}, nil
}

// rawResults asks for the results of a block and returns the answer as it came.
func (n *node) rawResults(ctx context.Context, height int64) ([]byte, error) {
	question := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"block_results","params":{"height":"%d"}}`, height)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.rpc.Remote(), strings.NewReader(question))
	if err != nil {
		return nil, fmt.Errorf("query block results at height %d: %w", height, err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("query block results at height %d: %w", height, err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, fmt.Errorf("query block results at height %d: %w", height, err)
	}
	return raw, nil
}

var errGRPCDown = errors.New("its gRPC port cannot be reached")

func (n *node) grpcState() error {
	switch n.grpc.GetState() {
	case connectivity.Idle:
		n.grpc.Connect()
	case connectivity.TransientFailure, connectivity.Shutdown:
		return errGRPCDown
	}
	return nil
}

// fail notes that a call found the node out of reach, until it is looked at again.
func (n *node) fail(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.seen.err = err
}

func (n *node) sight() sight {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.seen
}

// judgement is why a node is not asked, nil if it is.
func (s sight) judgement(chainID string, best Block, bestSince time.Duration) error {
	switch behind := best.Height - s.block.Height; {
	case s.err != nil:
		return s.err
	case s.chainID == "":
		return nil // not looked at yet
	case s.chainID != chainID:
		return fmt.Errorf("%w: the full node follows %q, chain.id says %q", ErrWrongChain, s.chainID, chainID)
	case behind > maxBehind || behind > 0 && bestSince > maxBehindFor:
		return fmt.Errorf("%w by %d blocks, its newest is of %s", ErrNodeBehind, behind, s.block.Time.UTC().Format(time.RFC3339))
	}
	return nil
}

// A node that is behind answers from an old state. Blocks reach nodes at different
// times, so a little of it is no fault.
const (
	maxBehind    = 2
	maxBehindFor = 10 * time.Second
)

// ErrNodeBehind: a full node does not follow the chain as others do.
var ErrNodeBehind = errors.New("the full node is behind")

func (n *node) close() error { return n.grpc.Close() }
