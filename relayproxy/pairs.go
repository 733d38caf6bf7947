package relayproxy

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
)

// Bounds of the requests of one bridge that wait for an answer; the oldest is given up.
const (
	maxPending      = 1024
	maxPendingBytes = 32 << 20
)

// pairs finds the request that a backend's frame belongs to. A client may send
// several requests before the first is answered, and backends answer in any order:
// JSON-RPC ids tell which. Frames that are not JSON-RPC are taken in order, and what
// nobody asked for, such as an event of a subscription, goes with the latest request.
type pairs struct {
	mu      sync.Mutex
	held    *held
	pending []pending // in the order they came
	bytes   int       // of their payloads
	latest  *relay
	spare   int // bytes of the latest, if it waits no more
	ended   bool
}

type pending struct {
	id string // "" if it is no JSON-RPC
	r  *relay
}

// ask notes a request before it is forwarded.
func (p *pairs) ask(r *relay) *Refusal {
	id, _ := rpcID(r.req.Payload)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		r.charge.Refund()
		return nil
	}
	if refusal := p.held.grow(len(r.req.Payload)); refusal != nil {
		r.charge.Refund()
		return refusal
	}
	_ = p.held.grow(-p.spare) // fewer are never refused
	p.latest, p.spare = r, 0
	p.pending = append(p.pending, pending{id, r})
	p.bytes += len(r.req.Payload)
	for len(p.pending) > maxPending || p.bytes > maxPendingBytes && len(p.pending) > 1 {
		p.remove(0).charge.Refund()
	}
	return nil
}

// end refunds the requests that get no answer any more.
func (p *pairs) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	for _, q := range p.pending {
		q.r.charge.Refund()
	}
	p.pending = nil
	p.held.leave()
}

// answer is the request that a frame of the backend is for.
func (p *pairs) answer(frame []byte) *relay {
	id, push := rpcID(frame)
	p.mu.Lock()
	defer p.mu.Unlock()
	at := -1
	if !push {
		at = slices.IndexFunc(p.pending, func(q pending) bool { return q.id == id })
	}
	if at < 0 {
		return p.latest
	}
	return p.remove(at)
}

// remove takes a request out; the caller holds mu.
func (p *pairs) remove(at int) *relay {
	r := p.pending[at].r
	p.pending = slices.Delete(p.pending, at, at+1)
	p.bytes -= len(r.req.Payload)
	if r == p.latest {
		p.spare = len(r.req.Payload)
	} else {
		_ = p.held.grow(-len(r.req.Payload))
	}
	return r
}

// rpcID is the id of a JSON-RPC message, or the ids of a batch; "" for anything
// else. push says that nobody is meant to have asked for it: it has a method and no
// id.
func rpcID(frame []byte) (id string, push bool) {
	type message struct {
		ID     json.RawMessage `json:"id"`
		Method string          `json:"method"`
	}
	var one message
	if err := json.Unmarshal(frame, &one); err == nil {
		return string(one.ID), one.Method != "" && (len(one.ID) == 0 || string(one.ID) == "null")
	}
	var batch []message
	if err := json.Unmarshal(frame, &batch); err != nil {
		return "", false
	}
	var ids []string
	for _, m := range batch {
		ids = append(ids, string(m.ID))
	}
	slices.Sort(ids)
	return "[" + strings.Join(ids, ",") + "]", false
}
