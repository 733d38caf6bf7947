package pocketchain

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	abci "github.com/cometbft/cometbft/abci/types"
	cmttypes "github.com/cometbft/cometbft/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/gogoproto/proto"
)

// Entry is one event of a pocket module, with the block that emitted it.
type Entry struct {
	Height int64
	Event  proto.Message
}

// ledger keeps what each block did, from the node's own event bus.
type ledger struct {
	mu      sync.Mutex
	height  int64
	moved   chan struct{} // closed and replaced at every block
	entries []Entry
	txs     map[string]txOutcome // by transaction hash (raw bytes)
}

type txOutcome struct {
	height int64
	result *abci.ExecTxResult
}

func newLedger() *ledger {
	return &ledger{moved: make(chan struct{}), txs: make(map[string]txOutcome)}
}

// follow reads every block from the first: the subscription is unbuffered, so
// the bus waits for us instead of dropping a block.
func (l *ledger) follow(bus *cmttypes.EventBus) error {
	sub, err := bus.SubscribeUnbuffered(context.Background(), "ledger", cmttypes.EventQueryNewBlock)
	if err != nil {
		return fmt.Errorf("subscribe to blocks: %w", err)
	}
	go func() {
		for {
			select {
			case msg := <-sub.Out():
				if block, ok := msg.Data().(cmttypes.EventDataNewBlock); ok {
					l.record(block)
				}
			case <-sub.Canceled():
				return
			}
		}
	}()
	return nil
}

func (l *ledger) record(block cmttypes.EventDataNewBlock) {
	height := block.Block.Height
	var entries []Entry
	read := func(events []abci.Event) {
		for _, event := range events {
			if parsed := parsePocketEvent(event); parsed != nil {
				entries = append(entries, Entry{Height: height, Event: parsed})
			}
		}
	}
	for _, result := range block.ResultFinalizeBlock.TxResults {
		read(result.Events)
	}
	read(block.ResultFinalizeBlock.Events)

	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, entries...)
	for i, tx := range block.Block.Txs {
		l.txs[string(tx.Hash())] = txOutcome{height: height, result: block.ResultFinalizeBlock.TxResults[i]}
	}
	l.height = height
	close(l.moved)
	l.moved = make(chan struct{})
}

// parsePocketEvent reads a typed event; nil for anything else. The SDK adds
// plain attributes (mode, msg_index) to typed events, and those are not JSON.
func parsePocketEvent(event abci.Event) proto.Message {
	if !strings.HasPrefix(event.Type, "pocket.") {
		return nil
	}
	typed := abci.Event{Type: event.Type}
	for _, attribute := range event.Attributes {
		if attribute.Key != "mode" && attribute.Key != "msg_index" && json.Valid([]byte(attribute.Value)) {
			typed.Attributes = append(typed.Attributes, attribute)
		}
	}
	parsed, err := sdk.ParseTypedEvent(typed)
	if err != nil {
		return nil
	}
	return parsed
}

// until waits until done, asked under the lock after every block, says true.
func (l *ledger) until(ctx context.Context, done func() bool) error {
	for {
		l.mu.Lock()
		ok, moved := done(), l.moved
		l.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Height is the height of the newest committed block.
func (c *Chain) Height() int64 {
	c.ledger.mu.Lock()
	defer c.ledger.mu.Unlock()
	return c.ledger.height
}

// WaitHeight returns once block height is committed.
func (c *Chain) WaitHeight(ctx context.Context, height int64) error {
	if err := c.ledger.until(ctx, func() bool { return c.ledger.height >= height }); err != nil {
		return fmt.Errorf("wait for block %d: %w", height, err)
	}
	return nil
}

// Entries are the pocket events so far, in chain order.
func (c *Chain) Entries() []Entry {
	c.ledger.mu.Lock()
	defer c.ledger.mu.Unlock()
	return append([]Entry(nil), c.ledger.entries...)
}

// WaitEntry waits for the first event, past or to come, that match says yes to.
func (c *Chain) WaitEntry(ctx context.Context, match func(Entry) bool) (found Entry, err error) {
	seen := 0
	err = c.ledger.until(ctx, func() bool {
		for ; seen < len(c.ledger.entries); seen++ {
			if found = c.ledger.entries[seen]; match(found) {
				return true
			}
		}
		return false
	})
	if err != nil {
		return Entry{}, fmt.Errorf("wait for an event: %w", err)
	}
	return found, nil
}
