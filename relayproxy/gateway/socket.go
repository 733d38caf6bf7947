package gateway

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/fasthttp/websocket"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"
)

// Socket is a WebSocket to a supplier, for one session.
type Socket struct {
	client   *Client
	session  *Session
	supplier string
	conn     *websocket.Conn
}

// Dial opens a WebSocket at target, which may be an http URL.
func (c *Client) Dial(ctx context.Context, target string, s *Session, supplier string) (*Socket, error) {
	header := http.Header{
		"Rpc-Type": {"2"}, "Target-Service-Id": {s.Header.ServiceId}, "App-Address": {s.Header.ApplicationAddress},
	}
	c.mark(header)
	conn, res, err := websocket.DefaultDialer.DialContext(ctx, "ws"+strings.TrimPrefix(target, "http"), header)
	if err != nil {
		return nil, fmt.Errorf("WebSocket to %s: %w", target, err)
	}
	_ = res.Body.Close() // it has none after an upgrade
	return &Socket{client: c, session: s, supplier: supplier, conn: conn}, nil
}

// Close drops the connection.
func (s *Socket) Close() error { return s.conn.Close() }

// Send signs a frame for the backend and sends it.
func (s *Socket) Send(frame []byte) (*servicetypes.RelayRequest, error) {
	req, err := s.client.RelayPayload(s.session, s.supplier, frame)
	if err != nil {
		return nil, err
	}
	return req, s.SendSigned(req)
}

// SendSigned sends a request that is signed already.
func (s *Socket) SendSigned(req *servicetypes.RelayRequest) error {
	raw, err := req.Marshal()
	if err != nil {
		return fmt.Errorf("encode relay request: %w", err)
	}
	return s.conn.WriteMessage(websocket.BinaryMessage, raw)
}

// Receive takes the next frame, within patience, and checks it as an answer to req. At
// the end of the connection the error is a *websocket.CloseError.
func (s *Socket) Receive(ctx context.Context, req *servicetypes.RelayRequest, patience time.Duration) (*Answer, error) {
	if err := s.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	_, raw, err := s.conn.ReadMessage()
	if err != nil {
		return nil, err
	}
	return s.client.Check(ctx, s.session, req, raw)
}
