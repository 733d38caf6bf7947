package ingest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/ingest/sessiontree"
)

// partition is the state of one partition under one ownership. Its trees may be
// ahead of Redis; its cursor and heads are what Redis holds.
type partition struct {
	*Owner
	number  int
	trouble atomic.Pointer[time.Time] // when it was held up last, nil for never

	mu       sync.Mutex
	reader   *reader  // that reads its stream; nil while it is not held
	epoch    string   // of its fence
	fenced   bool     // a write was refused because of another owner
	adrift   bool     // memory may differ from what is stored, which could not be read
	cursor   streamID // everything up to here is in stored trees
	durable  streamID // everything up to here is in stored trees that enough replicas have
	read     streamID // everything up to here is in trees in memory
	pending  int      // entries taken since the last flush
	held     int      // bytes of their relays
	oldest   uint64   // stream time of the first of them, unix ms
	alone    bool     // replicas did not confirm the last write
	flushes  uint64   // of this ownership: makes each staging unique
	sessions map[chain.SessionKey]*session
	gone     map[chain.SessionKey]bool      // sessions that were archived or forgotten
	behind   map[chain.SessionKey]shortfall // open sessions of which Redis lost relays
	wanted   map[chain.SessionKey][]byte    // roots of sealed trees that Redis lost and that nobody else has
}

// session is one tree. Its head is the stored one.
type session struct {
	head   Head
	header []byte // of every relay in the tree, as marshalled
	used   uint64 // flush count of the partition when a relay came last
	tree   *sessiontree.Tree
}

func (p *partition) fenceKeys() []string {
	return []string{p.keys.Meta(p.number), p.keys.Heads(p.number), p.keys.Closed(p.number)}
}

// reacquire reads again what is stored. Like a write it is not cut off when the
// leadership ends, so that the log of an owner that was replaced says so.
func (p *partition) reacquire(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
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
	p.cursor, p.read, p.pending, p.held = cursor, cursor, 0, 0
	p.adrift = true // until all of it is read
	p.settleDurable(p.opts.Replicas == 0)
	before := p.sessions
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
		c, err := parseClosing(fmt.Sprint(closed[i]))
		if err != nil {
			return fmt.Errorf("partition %d, session %v: %w", p.number, closed[i-1], err)
		}
		if c.final() {
			p.gone[sessionOf(fmt.Sprint(closed[i-1]))] = true
		}
	}
	p.adrift = false
	p.compare(before)
	return nil
}

// compare looks for open sessions that went back since they were read before.
func (p *partition) compare(before map[chain.SessionKey]*session) {
	for key, s := range before {
		if s.head.Sealed || p.gone[key] {
			continue
		}
		var has uint64
		if now, ok := p.sessions[key]; ok {
			has = now.head.Count
		}
		p.wentBack(s.head.Ref, has, s.head.Count)
	}
}

// settleDurable moves the durable position to the cursor, if that is confirmed.
// It goes back with a cursor that does.
func (p *partition) settleDurable(confirmed bool) {
	if confirmed || p.cursor.compare(p.durable) < 0 {
		p.durable = p.cursor
	}
}

// moored reads what is stored if the last try to do so failed. Nothing may be
// taken or stored before.
func (p *partition) moored(ctx context.Context) error {
	if err := p.owned(); err != nil {
		return err
	}
	if !p.adrift {
		return nil
	}
	return p.reacquire(ctx)
}

func (p *partition) resume(head Head) *session {
	header := headerBytes(head.Ref)
	return &session{head: head, header: header, tree: sessiontree.New(head.Root).Sharing(header)}
}

func (p *partition) source(key chain.SessionKey) nodeSource {
	return nodeSource{rdb: p.rdb, key: p.keys.Nodes(key)}
}

// counted counts refusals by the fence. It may be one that Redis has forgotten.
func (p *partition) counted(err error) error {
	if errors.Is(err, ErrFenced) {
		p.metrics.fenced.Inc()
		p.fenced = true
		troubled([]*partition{p})
	}
	return err
}
