package relayload

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"

	"github.com/raftminer/raftminer/e2e/devnet"
	"github.com/raftminer/raftminer/e2e/devnet/pocketchain"
	"github.com/raftminer/raftminer/relayproxy/gateway"
)

// Request is a signed relay request, ready to be sent.
type Request struct {
	Body    []byte
	relay   *servicetypes.RelayRequest
	client  *gateway.Client
	session *gateway.Session
}

// Source signs requests of one service's applications. No two are the same.
type Source struct {
	net     *devnet.Devnet
	apps    []pocketchain.Application
	clients map[string]*gateway.Client // by gateway address
	made    atomic.Int64
}

// NewSource makes a source for service.
func NewSource(net *devnet.Devnet, service string) (*Source, error) {
	s := &Source{net: net, clients: make(map[string]*gateway.Client)}
	actors := net.Chain().Actors()
	for _, g := range actors.Gateways {
		client, err := gateway.New(net.Chain().Conn(), g.Key.Key)
		if err != nil {
			return nil, err
		}
		s.clients[g.Address] = client
	}
	for _, app := range actors.Applications {
		if app.Service == service {
			s.apps = append(s.apps, app)
		}
	}
	if len(s.apps) == 0 {
		return nil, fmt.Errorf("no application is staked for %s", service)
	}
	return s, nil
}

// Sign makes n requests in the session of the newest block, to a backend path,
// over all applications and suppliers. It returns the session's last block too.
func (s *Source) Sign(ctx context.Context, n int, path string) (requests []Request, end int64, err error) {
	height := s.net.Chain().Height()
	sessions := make([]*gateway.Session, len(s.apps))
	for i, app := range s.apps {
		if sessions[i], err = s.clients[app.Gateway].Session(ctx, app.Address, app.Service, height); err != nil {
			return nil, 0, err
		}
	}
	requests = make([]Request, n)
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := range requests {
		app, session := s.apps[i%len(s.apps)], sessions[i%len(s.apps)]
		supplier := session.Suppliers[(i/len(s.apps))%len(session.Suppliers)]
		group.Go(func() error {
			request, err := s.sign(s.clients[app.Gateway], session, supplier, path)
			requests[i] = request
			return err
		})
	}
	return requests, sessions[0].Header.SessionEndBlockHeight, group.Wait()
}

func (s *Source) sign(client *gateway.Client, session *gateway.Session, supplier, path string) (Request, error) {
	relay, err := client.Relay(session, supplier, gateway.Call{
		Method: http.MethodPost, URL: path, Header: http.Header{"Content-Type": {"application/json"}},
		Body: fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%d,"method":"eth_getBalance","params":["0x407d73d8a49eeb85d32cf465507dd71d507100c1","latest"]}`, s.made.Add(1)),
	})
	if err != nil {
		return Request{}, err
	}
	body, err := relay.Marshal()
	if err != nil {
		return Request{}, fmt.Errorf("encode relay request: %w", err)
	}
	return Request{Body: body, relay: relay, client: client, session: session}, nil
}

// Check verifies everything that the supplier answers for.
func (r Request) Check(ctx context.Context, answer []byte) error {
	_, err := r.client.Check(ctx, r.session, r.relay, answer)
	return err
}
