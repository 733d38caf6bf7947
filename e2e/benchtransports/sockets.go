package main

import (
	"context"
	"time"

	"github.com/raftminer/raftminer/e2e/relayload"
	"github.com/raftminer/raftminer/relayproxy/gateway"
)

// socketReport is what open WebSockets cost. Resident memory is what the system
// gives the process for them, garbage and room to grow included.
type socketReport struct {
	Sockets          int     `json:"idle_websockets"`
	KiBPerSocket     float64 `json:"rss_kib_per_websocket"`
	HeapKiBPerSocket float64 `json:"heap_and_stack_kib_per_websocket"`
	Goroutines       float64 `json:"goroutines_per_websocket"`
}

const (
	// warmSockets make the ring's tables, and fill pools, before anything is measured.
	warmSockets = 100
	quiet       = 3 * time.Second
	patience    = 30 * time.Second
	kibi        = 1 << 10
)

// held is what the relayer holds at one moment, in bytes.
type held struct{ rss, heap, goroutines float64 }

func (b *bench) measureSockets(ctx context.Context) (socketReport, error) {
	session, err := b.session(ctx, socketService)
	if err != nil {
		return socketReport{}, err
	}
	warm, err := b.open(ctx, session, warmSockets)
	if err != nil {
		return socketReport{}, err
	}
	before, err := b.look(ctx)
	if err != nil {
		return socketReport{}, err
	}
	open, err := b.open(ctx, session, b.sockets)
	if err != nil {
		return socketReport{}, err
	}
	after, err := b.look(ctx)
	for _, s := range append(warm, open...) {
		_ = s.Close() // it has been measured
	}
	n := float64(b.sockets)
	return socketReport{
		Sockets: b.sockets, KiBPerSocket: (after.rss - before.rss) / n / kibi, HeapKiBPerSocket: (after.heap - before.heap) / n / kibi,
		Goroutines: (after.goroutines - before.goroutines) / n,
	}, err
}

// open opens WebSockets that have had one answer each, so that their backends'
// are open too.
func (b *bench) open(ctx context.Context, session *gateway.Session, n int) (open []*gateway.Socket, err error) {
	for i := range n {
		socket, err := b.client.Dial(ctx, b.url, session, session.Suppliers[i%len(session.Suppliers)])
		if err != nil {
			return nil, err
		}
		req, err := socket.Send([]byte(`{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}`))
		if err != nil {
			return nil, err
		}
		if _, err := socket.Receive(ctx, req, patience); err != nil {
			return nil, err
		}
		open = append(open, socket)
	}
	return open, nil
}

// look waits a while first.
func (b *bench) look(ctx context.Context) (held, error) {
	select {
	case <-time.After(quiet):
	case <-ctx.Done():
		return held{}, ctx.Err()
	}
	rss, err := relayload.RSS(b.pid)
	if err != nil {
		return held{}, err
	}
	h := held{rss: float64(rss)}
	for metric, into := range map[string]*float64{
		"go_goroutines": &h.goroutines, "go_memstats_heap_inuse_bytes": &h.heap, "go_memstats_stack_inuse_bytes": &h.heap,
	} {
		value, err := b.Metric(ctx, relayer, metric)
		if err != nil {
			return held{}, err
		}
		*into += value
	}
	return h, nil
}
