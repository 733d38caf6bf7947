package claims

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/raftfsm"
)

// order is how transactions go where the chain takes them by account sequence only: a
// supplier's one after the other. The chain says so when a transaction is simulated,
// anew to each leader. The sequence is in the signed bytes of the intent, so what holds
// a supplier's lane is in the log and not in here.
type order struct {
	refused atomic.Bool // the chain has refused an unordered transaction
	kept    atomic.Bool // refused, as of when the actions under way began: all of them go by it
}

func (o *order) keep() bool {
	o.kept.Store(o.refused.Load())
	return o.kept.Load()
}

// keepOrder is said once to a leader.
func (e *Engine) keepOrder(refusal error) {
	e.metrics.ordered.Set(1)
	if !e.order.refused.Swap(true) {
		e.logger.Warn("the chain has unordered transactions off: those of a supplier go one after the other, by its account's sequence",
			zap.String("reason", "unordered_off"), zap.Error(refusal))
	}
}

// lanes are what may be done side by side; the actions in a lane go one after the other.
func (e *Engine) lanes(actions []Action) [][]Action {
	var lanes [][]Action
	of := make(map[string]int) // supplier: its lane
	kept := e.order.keep()
	for _, a := range actions {
		if transacts := a.Kind == ActionProve || a.Kind == ActionClaim; transacts && kept {
			supplier := a.Sessions[0].Ref.Supplier
			if lane, known := of[supplier]; known {
				lanes[lane] = append(lanes[lane], a)
				continue
			}
			of[supplier] = len(lanes)
		}
		lanes = append(lanes, []Action{a})
	}
	return lanes
}

// queued says that the next transaction of a supplier has to wait: another may still
// land, and both would want the same sequence.
func (e *Engine) queued(supplier string) (wait bool) {
	if !e.order.kept.Load() {
		return false
	}
	e.log.View(func(s *raftfsm.State) {
		for intent := range s.Intents() {
			if intent.Status != raftfsm.IntentPending || intent.Supplier != supplier {
				continue
			}
			if _, ordered := e.chain.SequenceOf(intent.Tx); ordered {
				wait = true
				return
			}
		}
	})
	return wait
}

// arrange gives a draft its place in the order, if the chain wants one.
func (e *Engine) arrange(ctx context.Context, height int64, supplier string, d *chain.TxDraft) (err error) {
	if d.Ordered = e.order.kept.Load(); d.Ordered {
		d.Sequence, err = e.chain.Sequence(ctx, supplier, height)
	}
	return err
}

// reasonSequenceTaken is why a transaction is dead whose sequence another has used. It
// has no code: the batch is tried again as it is.
const reasonSequenceTaken = "sequence taken by another transaction"

// overtaken are the pending intents whose sequence is used up at height, though not by
// themselves: they can land no more.
func (e *Engine) overtaken(ctx context.Context, height int64, pending []raftfsm.Intent) (map[raftfsm.IntentKey]bool, error) {
	var mu sync.Mutex
	found := make(map[raftfsm.IntentKey]bool)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for _, intent := range pending {
		sequence, ordered := e.chain.SequenceOf(intent.Tx)
		if !ordered {
			continue
		}
		group.Go(func() error {
			next, err := e.chain.Sequence(ctx, intent.Supplier, height)
			if err != nil || next <= sequence {
				return err
			}
			ran, err := e.ran(ctx, intent, height)
			if err != nil || ran {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			found[intent.Key()] = true
			return nil
		})
	}
	return found, group.Wait()
}

// ran tells whether a block up to height has the intent's transaction.
func (e *Engine) ran(ctx context.Context, intent raftfsm.Intent, height int64) (bool, error) {
	for h := intent.IntendedHeight; h <= height; h++ {
		results, err := e.chain.TxResults(ctx, h)
		if err != nil {
			return false, fmt.Errorf("look for intent %s in block %d: %w", intent.Key(), h, err)
		}
		if _, ran := results[[sha256.Size]byte(intent.TxHash)]; ran {
			return true, nil
		}
	}
	return false, nil
}
