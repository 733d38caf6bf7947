package claims

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/raftfsm"
)

const (
	// maxRounds bounds how often one block is planned again: sealing makes
	// claims possible, and deciding makes proofs possible, in the same block.
	maxRounds = 4
	// parallel bounds the actions of one kind that run at once.
	parallel = 8
	// tidyChunk is how many actions that can wait are done before a newer block is
	// looked for.
	tidyChunk = 64
	// spacingBlocks is over how many blocks the time between them is taken.
	spacingBlocks = 10
	// stepTimeout bounds the work for one block, so that a chain node that
	// hangs cannot hold the engine past a window.
	stepTimeout = 30 * time.Second
)

// Config are the terms on which transactions are sent.
type Config struct {
	GasPrice      float64 // uPOKT per unit of gas
	MaxGasPrice   float64 // when nodes ask for more than GasPrice
	GasAdjustment float64 // gas limit over simulated gas
	MaxGas        uint64  // no transaction asks for more
	Memo          string
	// KeepBlocks is how long an ended session stays in the state.
	KeepBlocks int64
	// SkipUnprofitable leaves sessions unclaimed that cost more than they pay.
	SkipUnprofitable bool
}

// Engine drives the claims of one leadership. It holds no decision: losing it
// at any instant loses nothing.
type Engine struct {
	cfg     Config
	epoch   raftfsm.Epoch
	feed    Feed
	chain   Chain
	log     Log
	trees   Trees
	keys    Keys
	metrics *Metrics
	logger  *zap.Logger

	fees      lastFees
	priceless atomic.Bool     // no node told the price of gas when it was asked last
	keyless   map[string]bool // suppliers whose key was missing at the last block
	scanned   int64           // newest block whose transactions were matched to intents
	books     books
	order     order

	working sync.Mutex // one block, or one wish of an operator, at a time
}

// New makes the engine of one epoch.
func New(cfg Config, epoch raftfsm.Epoch, feed Feed, c Chain, log Log, trees Trees, keys Keys, m *Metrics, logger *zap.Logger) *Engine {
	return &Engine{
		cfg: cfg, epoch: epoch, feed: feed, chain: c, log: log, trees: trees, keys: keys, metrics: m, logger: logger,
	}
}

// Run acts on every new block until ctx ends or another leader has taken over.
func (e *Engine) Run(ctx context.Context) error {
	defer e.metrics.forget()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return e.checkpoints(ctx) })
	group.Go(func() error { return e.blocks(ctx) })
	return group.Wait()
}

func (e *Engine) blocks(ctx context.Context) error {
	height := int64(0)
	for {
		block, err := e.feed.Next(ctx, height)
		if err != nil {
			return nil // ctx ended
		}
		height = block.Height
		err = e.step(ctx, block)
		switch {
		case ctx.Err() != nil:
			return nil
		case deposed(err):
			return fmt.Errorf("height %d: %w", height, err)
		case err != nil:
			e.metrics.stepErrors.Inc()
			e.logger.Warn("claims step failed, next block retries", zap.Int64("height", height), zap.Error(err))
		}
	}
}

// deposed tells the errors that end a leadership from those that the next
// block may not see.
func deposed(err error) bool {
	return errors.Is(err, raftfsm.ErrStaleEpoch) || errors.Is(err, raftfsm.ErrNotLeader)
}

// step observes before it plans: what a plan takes for open must still be so.
func (e *Engine) step(ctx context.Context, block chain.Block) error {
	e.working.Lock()
	defer e.working.Unlock()
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	seen, err := e.observe(ctx, block)
	if err != nil {
		return fmt.Errorf("observe: %w", err)
	}
	if err := e.act(ctx, block); err != nil {
		return err
	}
	if err := e.bury(ctx, block, seen); err != nil {
		return fmt.Errorf("look for dead transactions: %w", err)
	}
	if err := e.audit(ctx, block.Height); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	return nil
}

// act plans and executes until nothing is left at this block that can be missed,
// and then does what can wait.
func (e *Engine) act(ctx context.Context, block chain.Block) error {
	marks := newMarks()
	var rest []Action
	for range maxRounds {
		in, err := e.input(ctx, block, marks)
		if err != nil {
			return err
		}
		var urgent []Action
		if urgent, rest = split(Plan(in)); len(urgent) == 0 {
			break
		}
		if err := e.execute(ctx, block, urgent, marks); err != nil {
			return err
		}
	}
	return e.tidy(ctx, block, rest, marks)
}

// split parts the actions that a window waits for from those that can wait.
func split(actions []Action) (urgent, rest []Action) {
	n := slices.IndexFunc(actions, func(a Action) bool { return a.Kind >= ActionSettle })
	if n < 0 {
		n = len(actions)
	}
	return actions[:n], actions[n:]
}

// tidy does what can wait, some of it at every block, until a newer one is there.
func (e *Engine) tidy(ctx context.Context, block chain.Block, actions []Action, marks *marks) error {
	for some := range slices.Chunk(actions, tidyChunk) {
		if err := e.execute(ctx, block, some, marks); err != nil {
			return err
		}
		if e.feed.Latest().Height > block.Height {
			return nil
		}
	}
	return nil
}

// spacing is the time between the last blocks, 0 if no node tells.
func (e *Engine) spacing(ctx context.Context, block chain.Block) time.Duration {
	if block.Height <= spacingBlocks {
		return 0
	}
	before, err := e.chain.BlockAt(ctx, block.Height-spacingBlocks)
	if err != nil {
		return 0
	}
	return block.Time.Sub(before.Time) / spacingBlocks
}

// input joins the replicated sessions with those that only the trees know yet.
func (e *Engine) input(ctx context.Context, block chain.Block, marks *marks) (Input, error) {
	in := Input{Height: block.Height, Spacing: e.spacing(ctx, block), Windows: make(map[int64]chain.Windows), Archives: wantedArchives(e.log.Voters()), KeepBlocks: e.cfg.KeepBlocks}
	in.Held, in.Sent = marks.snapshot()
	known := make(map[chain.SessionKey]bool)
	e.log.View(func(s *raftfsm.State) {
		for session := range s.Sessions() {
			known[session.Ref.Key()] = true
			session.Archives = s.ArchivesOf(session)
			in.Sessions = append(in.Sessions, session)
		}
		for intent := range s.Intents() {
			in.Intents = append(in.Intents, intent)
		}
	})
	for _, h := range e.trees.Heads(ctx) {
		if !known[h.Ref.Key()] {
			in.Sessions = append(in.Sessions, raftfsm.Session{
				Ref: h.Ref, Stage: raftfsm.StageActive, Seq: h.Seq, Root: h.Root, Count: h.Count, Sum: h.Sum,
			})
		}
	}
	for _, s := range in.Sessions {
		if _, ok := in.Windows[s.Ref.EndHeight]; ok {
			continue
		}
		windows, err := e.chain.Windows(ctx, s.Ref.EndHeight)
		if err != nil {
			return Input{}, err
		}
		in.Windows[s.Ref.EndHeight] = windows
	}
	in.Estimates = e.estimates(ctx, in.Sessions)
	in.Keyless = e.withoutKey(in.Sessions)
	in.Incomplete = e.incomplete(in.Sessions)
	e.metrics.observeStages(in.Sessions)
	return in, nil
}
