package chain

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	cmtjson "github.com/cometbft/cometbft/libs/json"
	ctypes "github.com/cometbft/cometbft/rpc/core/types"
	rpctypes "github.com/cometbft/cometbft/rpc/jsonrpc/types"
	cmttypes "github.com/cometbft/cometbft/types"
	"github.com/fasthttp/websocket"
)

const (
	// maxPush bounds a message of a subscription: a header and its attributes.
	maxPush = 1 << 20
	// handshakeTimeout bounds the way to a subscription.
	handshakeTimeout = 5 * time.Second
)

// errPushEnded: the node closed the connection, without a reason.
var errPushEnded = errors.New("the WebSocket ended")

// subscribe has the node push the header of every new block, until ctx or the
// connection ends. That nothing comes any more is for the caller to see.
func (n *node) subscribe(ctx context.Context, chainID string, saw func(Block)) error {
	conn, err := n.dialSocket(ctx)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer func() {
		stop()
		_ = conn.Close()
	}()
	query := cmttypes.EventQueryNewBlockHeader.String()
	question, err := rpctypes.MapToRequest(rpctypes.JSONRPCIntID(1), "subscribe", map[string]any{"query": query})
	if err != nil {
		return fmt.Errorf("make a subscription: %w", err)
	}
	if err := conn.SetWriteDeadline(time.Now().Add(handshakeTimeout)); err != nil {
		return fmt.Errorf("subscribe to new blocks: %w", err)
	}
	if err := conn.WriteJSON(question); err != nil {
		return fmt.Errorf("subscribe to new blocks: %w", err)
	}
	conn.SetReadLimit(maxPush)
	for {
		_, message, err := conn.ReadMessage()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return fmt.Errorf("%w: %w", errPushEnded, err)
		}
		header, err := headerOf(message)
		switch {
		case err != nil:
			return err
		case header == nil:
		case header.ChainID != chainID:
			return fmt.Errorf("%w: the full node pushes blocks of %q, chain.id says %q", ErrWrongChain, header.ChainID, chainID)
		default:
			saw(Block{Height: header.Height, Hash: header.Hash(), Time: header.Time})
		}
	}
}

// dialSocket opens the WebSocket that CometBFT has beside its RPC.
func (n *node) dialSocket(ctx context.Context) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	u, err := url.Parse(n.rpc.Remote())
	if err != nil {
		return nil, fmt.Errorf("%s.rpc: %w", n.setting, err)
	}
	header := make(http.Header)
	if u.User != nil {
		password, _ := u.User.Password()
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password)))
		u.User = nil
	}
	u.Scheme = strings.Replace(u.Scheme, "http", "ws", 1)
	conn, res, err := websocket.DefaultDialer.DialContext(ctx, u.JoinPath("websocket").String(), header)
	if err != nil && res != nil {
		return nil, fmt.Errorf("WebSocket: %w: %s", err, res.Status)
	}
	if err != nil {
		return nil, fmt.Errorf("WebSocket: %w", err)
	}
	return conn, nil
}

// headerOf is the header that a message pushes; nil for the one that confirms the
// subscription.
func headerOf(message []byte) (*cmttypes.Header, error) {
	var answer rpctypes.RPCResponse
	if err := json.Unmarshal(message, &answer); err != nil {
		return nil, fmt.Errorf("decode what the WebSocket pushed: %w", err)
	}
	if answer.Error != nil {
		return nil, fmt.Errorf("subscribe to new blocks: %w", answer.Error)
	}
	var event ctypes.ResultEvent
	if err := cmtjson.Unmarshal(answer.Result, &event); err != nil {
		return nil, fmt.Errorf("decode what the WebSocket pushed: %w", err)
	}
	pushed, ok := event.Data.(cmttypes.EventDataNewBlockHeader)
	if !ok {
		return nil, nil
	}
	return &pushed.Header, nil
}
