package main

import (
	"context"
	"fmt"
	neturl "net/url"
	"sync"
	"time"

	"google.golang.org/grpc"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/relayproxy/gateway"
)

// relaySender sends relays of one kind. It is safe for concurrent use.
type relaySender struct {
	kind    relayKind
	options *relayOptions
	client  *gateway.Client
	call    relayCall
	// sessions are of the application and the service.
	sessions *newestSession

	mu    sync.Mutex
	conns map[string]*grpc.ClientConn // by URL
}

// delivery is one relay on its way.
type delivery struct {
	*relaySender
	session  *gateway.Session
	supplier string
	url      string
	request  *servicetypes.RelayRequest
	times    relayTimes
	tracer   tracer
	answers  []*gateway.Answer
}

// sendFunc sends a signed request and fills in the checked answers and the times.
type sendFunc func(ctx context.Context, d *delivery) error

// deliver signs the n-th request for a supplier, sends it and checks the answer.
func (s *relaySender) deliver(ctx context.Context, session *gateway.Session, supplier string, n int) (*delivery, error) {
	ctx, cancel := context.WithTimeout(ctx, s.options.timeout)
	defer cancel()
	d := &delivery{relaySender: s, session: session, supplier: supplier, url: s.options.url}
	if d.url == "" {
		if d.url = session.URLs[gateway.Endpoint{Supplier: supplier, RPCType: s.kind.rpcType(s.options)}]; d.url == "" {
			return d, fmt.Errorf("supplier %s: %w", supplier, errNoEndpoint)
		}
	}
	began := time.Now()
	call, err := s.call(n), error(nil)
	if s.kind.name == "websocket" {
		d.request, err = s.client.RelayPayload(session, supplier, call.Body)
	} else {
		d.request, err = s.client.Relay(session, supplier, call)
	}
	if err != nil {
		return d, err
	}
	d.times.Sign = since(began)
	began = time.Now()
	err = s.kind.send(ctx, d)
	d.times.Total = since(began) - d.times.Check
	if d.times.FirstByte == 0 {
		d.tracer.add(&d.times)
	}
	return d, err
}

// check times the verification of an answer apart from the rest.
func (d *delivery) check(ctx context.Context, raw []byte) error {
	began := time.Now()
	answer, err := d.client.Check(ctx, d.session, d.request, raw)
	d.times.Check += since(began)
	if err == nil {
		d.answers = append(d.answers, answer)
	}
	return err
}

func sendHTTP(ctx context.Context, d *delivery) error {
	body, err := d.request.Marshal()
	if err != nil {
		return fmt.Errorf("encode relay request: %w", err)
	}
	status, raw, err := d.client.PostRaw(d.tracer.trace(ctx), d.url, body, d.kind.rpcType(d.options))
	if err != nil {
		return err
	}
	if err := d.check(ctx, raw); err != nil {
		return err
	}
	if status/100 != 2 {
		return fmt.Errorf("%w: HTTP status %d", gateway.ErrAnswer, status)
	}
	return nil
}

func sendStream(ctx context.Context, d *delivery) error {
	return d.client.Stream(d.tracer.trace(ctx), d.url, d.session, d.request, d.kind.rpcType(d.options), func(a *gateway.Answer) error {
		d.answers = append(d.answers, a)
		return nil
	})
}

func sendGRPC(ctx context.Context, d *delivery) error {
	conn, err := d.grpcTo(d.url)
	if err != nil {
		return err
	}
	answer, err := d.client.Invoke(ctx, conn, d.session, d.request, d.kind.rpcType(d.options))
	if err == nil {
		d.answers = append(d.answers, answer)
	}
	return err
}

// grpcTo is the one connection to a URL.
func (s *relaySender) grpcTo(raw string) (*grpc.ClientConn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if conn := s.conns[raw]; conn != nil {
		return conn, nil
	}
	u, err := neturl.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("supplier's URL: %w", err)
	}
	scheme := "http"
	if u.Scheme == "https" || u.Scheme == "grpcs" {
		scheme = "https"
	}
	conn, err := chain.DialGRPC(scheme + "://" + u.Host)
	if err != nil {
		return nil, err
	}
	if s.conns == nil {
		s.conns = make(map[string]*grpc.ClientConn)
	}
	s.conns[raw] = conn
	return conn, nil
}

func (s *relaySender) close() {
	for _, conn := range s.conns {
		_ = conn.Close() // nothing is under way
	}
}

// sendSocket opens a WebSocket for each request: what is measured is all of it.
func sendSocket(ctx context.Context, d *delivery) error {
	began := time.Now()
	socket, err := d.client.Dial(ctx, d.url, d.session, d.supplier)
	if err != nil {
		return err
	}
	defer socket.Close()
	d.times.Connect = since(began)
	began = time.Now()
	if err := socket.SendSigned(d.request); err != nil {
		return err
	}
	for range d.options.answers {
		answer, err := socket.Receive(ctx, d.request, d.options.timeout)
		if err != nil {
			return err
		}
		if len(d.answers) == 0 {
			d.times.FirstByte = since(began)
		}
		d.answers = append(d.answers, answer)
	}
	return nil
}
