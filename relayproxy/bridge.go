package relayproxy

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/fasthttp/websocket"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"

	"github.com/raftminer/raftminer/relayproxy/pool"
)

// bridge is a client's WebSocket and, from the first verified request on, one to the
// backend. Every frame of the client is a RelayRequest of one session; every frame
// of the backend is answered for as a relay of its own: signed, and in the stream if
// it counts, before the client gets it.
type bridge struct {
	server  *Server
	client  *socket
	backend *socket      // nil before the first request
	member  *pool.Member // whose the backend is
	session *sessiontypes.SessionHeader
	key     string // supplier

	simulate []byte // as incoming has it
	pairs    pairs
	ctx      context.Context
	end      context.CancelCauseFunc
	goodbye  sync.Once
}

func newBridge(s *Server, conn *websocket.Conn, simulate []byte) *bridge {
	b := &bridge{server: s, simulate: simulate, client: newSocket(conn, s.pipeline.maxRequestBody)}
	b.pairs.held = s.pipeline.admission.hold()
	b.ctx, b.end = context.WithCancelCause(s.sockets.ctx)
	return b
}

// closing ends a bridge with a close code.
type closing struct {
	code int
	text string
}

// Error implements error.
func (c closing) Error() string { return c.text }

// run serves the bridge until either side ends it, the session is over, or the
// server shuts down.
func (b *bridge) run() {
	b.server.metrics.webSockets.Inc()
	defer b.server.metrics.webSockets.Dec()
	stop := context.AfterFunc(b.ctx, b.sayGoodbye) // makes fromClient end
	defer stop()
	go b.client.keepAlive(b.ctx)
	b.end(b.fromClient())
	b.pairs.end()
	if b.backend != nil {
		b.backend.sayClose(websocket.CloseNormalClosure, "")
		b.backend.close()
		b.member.Release()
	}
	b.sayGoodbye()
	b.client.drain()
}

// sayGoodbye tells the client, once, why the bridge ends.
func (b *bridge) sayGoodbye() {
	b.goodbye.Do(func() {
		code, text := websocket.CloseNormalClosure, ""
		var reason closing
		switch cause := context.Cause(b.ctx); {
		case errors.As(cause, &reason):
			code, text = reason.code, reason.text
		case errors.Is(cause, errGoingAway):
			code, text = websocket.CloseGoingAway, "shutting down"
		}
		b.client.sayClose(code, text)
	})
}

// fromClient takes requests until one cannot be served.
func (b *bridge) fromClient() error {
	for {
		if err := b.nextFromClient(); err != nil {
			return err
		}
	}
}

func (b *bridge) nextFromClient() error {
	h := b.server.pipeline.admission.hold()
	defer h.leave() // what waits for an answer is counted by pairs
	kind, frame, err := b.client.read(h)
	if refusal := new(Refusal); errors.As(err, &refusal) {
		return b.refuse(nil, refusal)
	}
	if err != nil || b.ctx.Err() != nil {
		return err
	}
	if r, refusal := b.take(h, kind, frame); refusal != nil {
		return b.refuse(r, refusal)
	}
	return nil
}

// take verifies one request and passes it on.
func (b *bridge) take(h *held, kind int, frame []byte) (*relay, *Refusal) {
	if refusal := h.enter(); refusal != nil {
		return nil, refusal
	}
	r, refusal := b.server.pipeline.admit(b.ctx, incoming{body: frame, rpcType: rpcTypeWebSocket, simulate: b.simulate, arrived: time.Now()})
	if refusal == nil {
		refusal = b.forward(r, kind)
	}
	return r, refusal
}

// forward passes a verified request on. The first one binds the bridge to its
// session and opens the backend.
func (b *bridge) forward(r *relay, kind int) *Refusal {
	if b.session != nil && (!sameHeader(b.session, r.header()) || b.key != r.key.Address()) {
		r.charge.Refund()
		return refuse(ReasonSessionMismatch, "this connection is for session %s", clip(b.session.SessionId))
	}
	if refusal := b.pairs.ask(r); refusal != nil { // before the backend can say anything
		return refusal
	}
	if b.backend == nil {
		if refusal := b.open(r); refusal != nil {
			b.pairs.end()
			return refusal
		}
	}
	if err := b.backend.write(kind, r.req.Payload); err != nil {
		return refuseFor(ReasonBackendUnreachable, err, outcomeUnreachable.detail())
	}
	return nil
}

func (b *bridge) open(r *relay) *Refusal {
	ctx, cancel := context.WithDeadline(b.ctx, r.deadline)
	defer cancel()
	var conn *websocket.Conn
	m, refusal := r.route.backends.ask(r.route.metrics.retried.Inc, func(u *upstream) attempt {
		began := time.Now()
		var err error
		conn, err = u.dialSocket(ctx, r)
		r.route.metrics.backend(outcomeOf(err)).Observe(time.Since(began).Seconds())
		if err != nil {
			return failedAttempt(err, true) // the request is sent only once it is open
		}
		return attempt{result: pool.Served}
	})
	if refusal != nil {
		return refusal
	}
	b.member, b.backend = m, newSocket(conn, r.route.limits.MaxResponseBody)
	b.session, b.key = r.header(), r.key.Address()
	go b.backend.keepAlive(b.ctx)
	go func() {
		b.end(b.fromBackend())
	}()
	go b.watchSession(r.windows.ClaimOpen)
	return nil
}

// fromBackend answers for what the backend sends until it ends.
func (b *bridge) fromBackend() error {
	for {
		if err := b.nextFromBackend(); err != nil {
			return err
		}
	}
}

func (b *bridge) nextFromBackend() error {
	h := b.server.pipeline.admission.hold()
	defer h.leave()
	kind, payload, err := b.backend.read(h)
	if refusal := new(Refusal); errors.As(err, &refusal) {
		return b.refuse(nil, refusal)
	}
	if err != nil {
		return closing{closeBackend, "the backend closed the connection"}
	}
	r := b.pairs.answer(payload)
	reply, refusal := b.server.pipeline.settle(b.ctx, r, payload, http.StatusOK)
	if refusal != nil && refusal.Reason == ReasonEmptyResponse {
		b.server.refusals.record(r, refusal) // an empty frame cannot be signed for
		return nil
	}
	if refusal != nil {
		return b.refuse(r, refusal)
	}
	if err := b.client.write(kind, reply); err != nil {
		return err
	}
	r.served(http.StatusOK)
	return nil
}

// watchSession ends the bridge when relays of its session are no longer paid.
func (b *bridge) watchSession(claimOpen int64) {
	for head := b.server.pipeline.head.Latest().Height; head < claimOpen; {
		block, err := b.server.pipeline.head.Next(b.ctx, head)
		if err != nil {
			return
		}
		head = block.Height
	}
	b.end(closing{closeSessionExpired, "the session is over"})
}

// refuse tells the client what was wrong, in the protocol's own form, and ends the
// bridge: an invalid frame is never passed on.
func (b *bridge) refuse(r *relay, refusal *Refusal) error {
	if b.ctx.Err() != nil {
		return context.Cause(b.ctx)
	}
	reply := b.server.refuse(r, refusal)
	if err := b.client.write(websocket.BinaryMessage, reply); err != nil {
		return err
	}
	return closing{refusal.Reason.closeCode(), refusal.message()}
}
