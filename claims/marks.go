package claims

import (
	"maps"
	"sync"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/raftfsm"
)

// marks remembers within one block what was sent and what failed, so that the
// rounds of a block end.
type marks struct {
	mu   sync.Mutex
	held map[chain.SessionKey]bool
	sent map[raftfsm.IntentKey]bool
}

func newMarks() *marks {
	return &marks{held: make(map[chain.SessionKey]bool), sent: make(map[raftfsm.IntentKey]bool)}
}

func (m *marks) hold(sessions []raftfsm.Session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range sessions {
		m.held[s.Ref.Key()] = true
	}
}

func (m *marks) send(key raftfsm.IntentKey) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent[key] = true
}

func (m *marks) snapshot() (map[chain.SessionKey]bool, map[raftfsm.IntentKey]bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.held), maps.Clone(m.sent)
}
