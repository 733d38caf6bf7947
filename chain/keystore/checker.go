package keystore

import (
	"context"
	"maps"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/raftminer/raftminer/chain"
)

const (
	// checkNew is how soon a key that is new is looked up on chain.
	checkNew = 5 * time.Second
	// checkAgain is how often all are: balances go down, suppliers unstake.
	checkAgain = time.Hour
	// checkTime bounds a check of all keys.
	checkTime = 2 * time.Minute
)

// Checker warns of keys whose suppliers cannot earn. It takes none away.
type Checker struct {
	store    *Store
	chain    Chain
	services []string
	told     map[Lack]bool       // that were logged and are still so
	known    map[string]struct{} // suppliers that were looked up
	last     time.Time           // when all were
	now      chan struct{}       // asks for a check of all
}

// NewChecker makes one for the keys of a store. Services are those that are served
// here; none is any.
func NewChecker(store *Store, c Chain, services []string) *Checker {
	return &Checker{store: store, chain: c, services: services, told: make(map[Lack]bool), known: make(map[string]struct{}), now: make(chan struct{}, 1)}
}

// Run checks until ctx ends.
func (c *Checker) Run(ctx context.Context) {
	ticker := time.NewTicker(checkNew)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			c.look(ctx, now)
		case <-c.now:
			c.last = time.Time{}
			c.look(ctx, time.Now())
		}
	}
}

// Heed tells of events about suppliers that have a key here, and has them all checked
// at once.
func (c *Checker) Heed(e chain.Event) {
	switch _, ours := c.store.Suppliers()[e.Supplier]; {
	case e.Kind == chain.EventMissed:
	case !ours || e.Kind != chain.EventSupplier && e.Kind != chain.EventSlashed:
		return
	default:
		c.store.Metrics.events.WithLabelValues(e.Name).Inc()
		c.store.Log.Warn("keys: the chain changed a supplier", zap.String("supplier", e.Supplier), zap.String("event", e.Name), zap.Int64("height", e.Height))
	}
	select {
	case c.now <- struct{}{}:
	default: // asked for already
	}
}

// look checks all keys when there is a new one, or when the last time is long ago. A
// chain that does not answer is asked again at the next look.
func (c *Checker) look(ctx context.Context, now time.Time) {
	suppliers := c.serving()
	isNew := func(supplier string) bool { _, known := c.known[supplier]; return !known }
	if !slices.ContainsFunc(suppliers, isNew) && now.Sub(c.last) < checkAgain {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	lacks, err := Check(ctx, c.chain, suppliers, c.services)
	if err != nil {
		c.store.Log.Debug("suppliers cannot be checked yet", zap.Error(err))
		return
	}
	c.last = now
	for _, supplier := range suppliers {
		c.known[supplier] = struct{}{}
	}
	c.tell(lacks)
}

// serving are the suppliers that are not retired.
func (c *Checker) serving() []string {
	all := c.store.Suppliers()
	maps.DeleteFunc(all, func(_ string, retired bool) bool { return retired })
	return slices.Sorted(maps.Keys(all))
}

// tell logs what was not so before.
func (c *Checker) tell(lacks []Lack) {
	now, counts := make(map[Lack]bool), make(map[Shortcoming]int)
	for _, lack := range lacks {
		now[lack] = true
		counts[lack.What]++
		if !c.told[lack] {
			c.store.Log.Warn("keys: "+lack.Sentence, zap.String("lacks", string(lack.What)))
		}
	}
	c.told = now
	for _, what := range shortcomings() {
		c.store.Metrics.lacking.WithLabelValues(string(what)).Set(float64(counts[what]))
	}
}
