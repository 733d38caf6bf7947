package claims

import (
	"bytes"
	"errors"
	"maps"
	"sync"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/ingest/archive"
	"github.com/raftminer/raftminer/raftfsm"
)

// incompleteTrees are sealed trees of which Redis did not have all leaves when they were
// last read.
type incompleteTrees struct {
	mu    sync.Mutex
	roots map[chain.SessionKey][]byte
}

// note takes in how reading a tree went. One that could not be read is what it was.
func (t *incompleteTrees) note(s raftfsm.Session, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case err == nil:
		delete(t.roots, s.Ref.Key())
	case errors.Is(err, archive.ErrIncomplete):
		if t.roots == nil {
			t.roots = make(map[chain.SessionKey][]byte)
		}
		t.roots[s.Ref.Key()] = s.Root
	}
}

func (t *incompleteTrees) has(key chain.SessionKey, root []byte) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return bytes.Equal(t.roots[key], root)
}

// sweep drops what is not open.
func (t *incompleteTrees) sweep(open map[chain.SessionKey]bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.roots, func(key chain.SessionKey, _ []byte) bool { return !open[key] })
}

// incomplete are the sealed sessions of which no member has all leaves, and Redis
// neither.
func (e *Engine) incomplete(sessions []raftfsm.Session) map[chain.SessionKey]bool {
	incomplete := make(map[chain.SessionKey]bool)
	for _, s := range sessions {
		if s.Stage == raftfsm.StageSealed && len(s.Archives) == 0 && e.trees.Incomplete(s.Ref.Key(), s.Root) {
			incomplete[s.Ref.Key()] = true
		}
	}
	return incomplete
}
