package relayproxy

import (
	"bytes"
	"context"
	"errors"
	"sync"

	"github.com/fasthttp/websocket"
	"github.com/valyala/fasthttp"
)

// Headers of a WebSocket handshake that name the service, in the spellings of the
// clients there are.
var handshakeService = []string{"Target-Service-Id", "Pocket-Service-Id"}

// rpcTypeWebSocket is the Rpc-Type of every request on a WebSocket.
var rpcTypeWebSocket = []byte{'0' + byte(RPCWebSocket)}

// errGoingAway ends bridges when the server shuts down.
var errGoingAway = errors.New("server is shutting down")

// sockets are the open bridges. fasthttp forgets a connection that was upgraded.
type sockets struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	most   int
	mu     sync.Mutex // nobody enters while the last leave
	count  int
	open   sync.WaitGroup
}

func newSockets(l Limits) *sockets {
	ctx, cancel := context.WithCancelCause(context.Background())
	s := &sockets{ctx: ctx, cancel: cancel, most: l.MaxWebSockets}
	if s.most <= 0 {
		s.most = DefaultMaxWebSockets
	}
	return s
}

// enter counts a bridge in, unless there are too many or they are being closed.
func (s *sockets) enter() *Refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return refuseFor(ReasonChain, errGoingAway, "shutting down")
	}
	if s.count >= s.most {
		return &Refusal{Reason: ReasonOverloaded, Detail: "too many WebSockets are open"}
	}
	s.count++
	s.open.Add(1)
	return nil
}

func (s *sockets) leave() {
	s.mu.Lock()
	s.count--
	s.mu.Unlock()
	s.open.Done()
}

// close tells every bridge to end and waits for them, or for ctx.
func (s *sockets) close(ctx context.Context) error {
	s.mu.Lock()
	s.cancel(errGoingAway)
	s.mu.Unlock()
	done := make(chan struct{})
	go func() { s.open.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// handleWebSocket upgrades a connection. Nothing is asked of a backend before the
// first request on it is verified.
func (s *Server) handleWebSocket(ctx *fasthttp.RequestCtx) {
	refusal := s.refuseHandshake(ctx)
	if refusal == nil {
		refusal = s.sockets.enter()
	}
	if refusal != nil {
		s.refusals.record(nil, refusal)
		ctx.Error(refusal.message(), refusal.Reason.handshakeStatus())
		return
	}
	simulate := bytes.Clone(ctx.Request.Header.Peek(headerSimulation))
	upgrader := websocket.FastHTTPUpgrader{CheckOrigin: func(*fasthttp.RequestCtx) bool { return true }}
	err := upgrader.Upgrade(ctx, func(conn *websocket.Conn) {
		defer s.sockets.leave()
		newBridge(s, conn, simulate).run()
	})
	if err != nil { // Upgrade has answered
		s.sockets.leave()
		s.refusals.record(nil, refuseFor(ReasonMalformed, err, "the WebSocket handshake cannot be read"))
	}
}

// refuseHandshake refuses services that have no WebSocket backend. A handshake that
// names none is let through: the first request says what it is for.
func (s *Server) refuseHandshake(ctx *fasthttp.RequestCtx) *Refusal {
	for _, name := range handshakeService {
		if service := ctx.Request.Header.Peek(name); len(service) > 0 {
			_, refusal := s.pipeline.routes.find(string(service), RPCWebSocket)
			return refusal
		}
	}
	return nil
}
