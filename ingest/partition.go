package ingest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/ingest/sessiontree"
)

// partition is the state of one partition under one ownership. Its trees may be
// ahead of Redis; its cursor and heads are what Redis holds.
type partition struct {
	*Owner
	number int

	mu       sync.Mutex
	cursor   streamID // everything up to here is in stored trees
	read     streamID // everything up to here is in trees in memory
	pending  int      // relays added since the last flush
	sessions map[chain.SessionKey]*session
	gone     map[chain.SessionKey]bool // sessions that were forgotten
}

// session is one tree. Its head is the stored one.
type session struct {
	head Head
	tree *sessiontree.Tree
}

func (p *partition) fenceKeys() []string {
	return []string{p.keys.Meta(p.number), p.keys.Heads(p.number), p.keys.Closed(p.number)}
}

// reacquire reads again what is stored.
func (p *partition) reacquire(ctx context.Context) error {
	return p.adopt(acquireScript.Run(ctx, p.rdb, p.fenceKeys(), p.epoch, p.owner, p.keys.Partitions()))
}

// adopt takes over what the acquiring script found.
func (p *partition) adopt(cmd *redis.Cmd) error {
	answer, err := cmd.Slice()
	if err != nil {
		return p.counted(refusal(err))
	}
	if len(answer) != 3 {
		return fmt.Errorf("acquire partition %d: %d answers", p.number, len(answer))
	}
	return p.load(answer)
}

func (p *partition) load(answer []any) error {
	cursor, err := parseStreamID(fmt.Sprint(answer[0]))
	if err != nil {
		return fmt.Errorf("cursor of partition %d: %w", p.number, err)
	}
	p.cursor, p.read, p.pending = cursor, cursor, 0
	p.sessions = make(map[chain.SessionKey]*session)
	p.gone = make(map[chain.SessionKey]bool)
	heads, _ := answer[1].([]any)
	for i := 1; i < len(heads); i += 2 {
		head, err := decodeHead([]byte(fmt.Sprint(heads[i])))
		if err != nil {
			return fmt.Errorf("partition %d, session %v: %w", p.number, heads[i-1], err)
		}
		p.sessions[head.Ref.Key()] = p.resume(head)
	}
	closed, _ := answer[2].([]any)
	for i := 1; i < len(closed); i += 2 {
		if fmt.Sprint(closed[i]) != "0" {
			p.gone[sessionOf(fmt.Sprint(closed[i-1]))] = true
		}
	}
	return nil
}

func (p *partition) resume(head Head) *session {
	return &session{head: head, tree: sessiontree.New(p.source(head.Ref.Key()), head.Root)}
}

func (p *partition) source(key chain.SessionKey) nodeSource {
	return nodeSource{rdb: p.rdb, key: p.keys.Nodes(key)}
}

// take adds entries to the trees. Entries that were taken before are skipped.
func (p *partition) take(ctx context.Context, entries []redis.XMessage) error {
	for _, entry := range entries {
		id, err := parseStreamID(entry.ID)
		if err != nil {
			return err
		}
		if id.compare(p.read) <= 0 {
			continue
		}
		result, err := p.add(ctx, entry.Values)
		if err != nil {
			return fmt.Errorf("entry %s of partition %d: %w", entry.ID, p.number, err)
		}
		p.metrics.consumed.WithLabelValues(result).Inc()
		p.read = id
		p.pending++
	}
	return nil
}

// add puts one relay into its tree, or says why it does not belong there. What
// is wrong with an entry must not stop those behind it.
func (p *partition) add(ctx context.Context, values map[string]any) (result string, err error) {
	relay, ref, err := decodeEntry(values)
	if err != nil {
		p.log.Error("stream entry is not a relay", zap.Int("partition", p.number), zap.Error(err))
		return resultMalformed, nil
	}
	key := ref.Key()
	if p.gone[key] {
		return resultLate, nil
	}
	s, known := p.sessions[key]
	switch {
	case !known:
		s = p.resume(Head{Ref: ref, Weight: relay.ComputeUnits})
		p.sessions[key] = s
	case s.head.Sealed:
		p.log.Warn("relay came after the seal", zap.String("session", key.SessionID), zap.String("supplier", key.Supplier))
		return resultLate, nil
	case s.head.Ref != ref || s.head.Weight != relay.ComputeUnits:
		p.log.Error("relay does not fit its session", zap.String("session", key.SessionID), zap.String("supplier", key.Supplier))
		return resultForeign, nil
	}
	added, err := s.tree.Add(ctx, sessiontree.Key(relay.Relay), relay.Relay, relay.ComputeUnits)
	switch {
	case err != nil:
		return "", err
	case !added:
		return resultDuplicate, nil
	}
	return resultAdded, nil
}

// decodeEntry reads a stream entry and the session header inside its relay: the
// tree must hold relays of one header only, or the proof fails on chain.
func decodeEntry(values map[string]any) (MinedRelay, chain.SessionRef, error) {
	text := func(field string) string { s, _ := values[field].(string); return s }
	weight, err := strconv.ParseUint(text("w"), 10, 64)
	if err != nil {
		return MinedRelay{}, chain.SessionRef{}, fmt.Errorf("weight: %w", err)
	}
	mined := MinedRelay{Supplier: text("u"), SessionID: text("s"), ComputeUnits: weight, Relay: []byte(text("r"))}
	var relay servicetypes.Relay
	if err := relay.Unmarshal(mined.Relay); err != nil {
		return MinedRelay{}, chain.SessionRef{}, fmt.Errorf("decode relay: %w", err)
	}
	if relay.GetReq() == nil || relay.GetReq().Meta.SessionHeader == nil {
		return MinedRelay{}, chain.SessionRef{}, errors.New("relay has no session header")
	}
	ref := chain.NewSessionRef(relay.Req.Meta.SupplierOperatorAddress, relay.Req.Meta.SessionHeader)
	if ref.Key() != mined.Key() {
		return MinedRelay{}, chain.SessionRef{}, fmt.Errorf("relay of %v published for %v", ref.Key(), mined.Key())
	}
	return mined, ref, nil
}

// counted counts refusals by the fence.
func (p *partition) counted(err error) error {
	if errors.Is(err, ErrFenced) {
		p.metrics.fenced.Inc()
	}
	return err
}
