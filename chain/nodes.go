package chain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	rpchttp "github.com/cometbft/cometbft/rpc/client/http"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// ErrNoNode is returned when no configured full node answered.
var ErrNoNode = errors.New("no full node answered")

const (
	// hedgeAfter is how long one node is waited for before the next is asked the
	// same. It is far above an ordinary answer.
	hedgeAfter = 250 * time.Millisecond
	// attemptTimeout bounds one node's answer.
	attemptTimeout = 5 * time.Second
	// broadcasters get a transaction at once: one that drops it must not cost a window.
	broadcasters = 2
)

// nodes is a set of full nodes that is used as one: the first of the
// configuration that follows the chain is asked, and the next when it does not
// answer. It implements grpc.ClientConnInterface, so every query client runs over
// it unchanged.
type nodes struct {
	chainID string
	list    []*node
	metrics *Metrics

	mu        sync.Mutex
	best      Block     // the highest that any node of this chain has shown
	bestSince time.Time // when it was first seen
}

func dialNodes(chainID string, list []Node, metrics *Metrics) (*nodes, error) {
	if len(list) == 0 {
		return nil, errors.New("no full node is configured (chain.nodes)")
	}
	n := &nodes{chainID: chainID, metrics: metrics}
	for i, each := range list {
		made, err := dialNode(i, each)
		if err != nil {
			return nil, errors.Join(err, n.close())
		}
		n.list = append(n.list, made)
	}
	for _, use := range []Use{UseRead, UseBroadcast} {
		if !slices.ContainsFunc(n.list, func(each *node) bool { return each.use.serves(use) }) {
			return nil, errors.Join(errors.New("chain.nodes: no node may be read from, or none takes transactions (use)"), n.close())
		}
	}
	return n, nil
}

// look asks a node for its newest block and notes what it says. ok is false if
// the block is none of this chain.
func (n *nodes) look(ctx context.Context, each *node) (s sight, ok bool) {
	s = each.look(ctx)
	if s.err == nil && s.chainID == n.chainID {
		n.shown(s.block)
	}
	n.metrics.saw(each, s, n.judge(each))
	return s, s.err == nil && s.chainID == n.chainID
}

// pushed notes a block that a node of this chain pushed.
func (n *nodes) pushed(each *node, b Block) {
	each.mu.Lock()
	if b.Height > each.seen.block.Height {
		each.seen.block = b
	}
	each.mu.Unlock()
	n.shown(b)
	n.metrics.height.WithLabelValues(each.host).Set(float64(b.Height))
}

func (n *nodes) shown(b Block) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if b.Height > n.best.Height {
		n.best, n.bestSince = b, time.Now()
	}
}

// newest is the highest block that any node has shown.
func (n *nodes) newest() Block {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.best
}

// judge is why a node is not asked, nil if it is.
func (n *nodes) judge(each *node) error {
	n.mu.Lock()
	best, since := n.best, n.bestSince
	n.mu.Unlock()
	return each.sight().judgement(n.chainID, best, time.Since(since))
}

// order is who to ask, the best first: those that have the newest block, those that
// follow, then, rather than nobody, those that do not. A node of another chain is
// never asked.
func (n *nodes) order(use Use) []*node {
	n.mu.Lock()
	best := n.best.Height
	n.mu.Unlock()
	rank := make(map[*node]int, len(n.list))
	var order []*node
	for _, each := range n.list {
		err := n.judge(each)
		if !each.use.serves(use) || errors.Is(err, ErrWrongChain) {
			continue
		}
		switch {
		case err != nil:
			rank[each] = 2
		case each.sight().block.Height < best:
			rank[each] = 1
		}
		order = append(order, each)
	}
	slices.SortStableFunc(order, func(a, b *node) int { return rank[a] - rank[b] })
	return order
}

// ask puts a question to one node after the other until one answers; a slow one
// only keeps the next waiting for hedgeAfter. An answer, even a refusal, is final.
func ask[T any](ctx context.Context, n *nodes, order []*node, question func(context.Context, *node) (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
		by    *node
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // those that were too slow
	answers := make(chan answer, len(order))
	next, open := 0, 0
	put := func() {
		each := order[next]
		next, open = next+1, open+1
		go func() {
			ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
			defer cancel()
			value, err := question(ctx, each)
			answers <- answer{value, err, each}
		}()
	}
	var none T
	var errs []error
	if len(order) == 0 {
		return none, fmt.Errorf("%w: %w", ErrNoNode, n.lost())
	}
	for {
		var slow <-chan time.Time
		if open == 0 {
			if next == len(order) {
				return none, fmt.Errorf("%w: %w", ErrNoNode, errors.Join(errs...))
			}
			put()
		}
		if next < len(order) {
			slow = time.After(hedgeAfter)
		}
		select {
		case <-slow:
			n.metrics.hedged.Inc()
			put()
		case <-ctx.Done():
			return none, context.Cause(ctx)
		case a := <-answers:
			open--
			if ctx.Err() != nil || !passedOn(a.err) {
				return a.value, a.err
			}
			if unreachable(a.err) {
				a.by.fail(a.err)
			}
			errs = append(errs, fmt.Errorf("%s: %w", a.by.setting, a.err))
		}
	}
}

// Invoke implements grpc.ClientConnInterface.
func (n *nodes) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	// Two nodes may be answering: each gets a reply of its own to write to.
	into := reflect.ValueOf(reply).Elem()
	got, err := ask(ctx, n, n.order(UseRead), func(ctx context.Context, each *node) (reflect.Value, error) {
		own := reflect.New(into.Type())
		return own, each.grpc.Invoke(ctx, method, args, own.Interface(), opts...)
	})
	if err != nil {
		return err
	}
	into.Set(got.Elem())
	return nil
}

// NewStream completes grpc.ClientConnInterface.
func (n *nodes) NewStream(_ context.Context, _ *grpc.StreamDesc, method string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, status.Errorf(codes.Unimplemented, "%s is a stream, and no query of ours is", method)
}

// comet puts a question to the CometBFT RPC of the nodes.
func comet[T any](ctx context.Context, n *nodes, question func(context.Context, *rpchttp.HTTP) (T, error)) (T, error) {
	return ask(ctx, n, n.order(UseRead), func(ctx context.Context, each *node) (T, error) { return question(ctx, each.rpc) })
}

// spread hands something to several nodes at once. One that takes it is enough; if
// none does, a refusal says more than a node that is out of reach.
func (n *nodes) spread(ctx context.Context, hand func(context.Context, *rpchttp.HTTP) error) error {
	order := n.order(UseBroadcast)
	results := make(chan error, len(order))
	first := order[:min(broadcasters, len(order))]
	for _, each := range first {
		go func() {
			_, err := ask(context.WithoutCancel(ctx), n, []*node{each}, func(ctx context.Context, each *node) (struct{}, error) {
				return struct{}{}, hand(ctx, each.rpc)
			})
			results <- err
		}()
	}
	var refused error
	var errs []error
	for range first {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case err := <-results:
			if err == nil {
				return nil
			}
			if !errors.Is(err, ErrNoNode) {
				refused = errors.Join(refused, err)
			}
			errs = append(errs, err)
		}
	}
	if refused != nil || len(first) == len(order) {
		return cmp.Or(refused, errors.Join(errs...))
	}
	_, err := ask(ctx, n, order[len(first):], func(ctx context.Context, each *node) (struct{}, error) {
		return struct{}{}, hand(ctx, each.rpc)
	})
	return err
}

func (n *nodes) close() error {
	var errs []error
	for _, each := range n.list {
		errs = append(errs, each.close())
	}
	return errors.Join(errs...)
}
