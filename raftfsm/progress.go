package raftfsm

import (
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// progressTransport remembers how far each follower is. The raft library keeps
// that to itself, and a leader must know it before it hands over.
type progressTransport struct {
	*raft.NetworkTransport
	mu    sync.Mutex
	peers map[raft.ServerID]peerProgress
}

// peerProgress is what the last answers of a follower said.
type peerProgress struct {
	match   uint64 // its log agrees with ours up to here
	contact time.Time
}

func newProgressTransport(inner *raft.NetworkTransport) *progressTransport {
	return &progressTransport{NetworkTransport: inner, peers: make(map[raft.ServerID]peerProgress)}
}

// AppendEntries implements raft.Transport. Pipelining is off, so all replication
// and all heartbeats come through here.
func (t *progressTransport) AppendEntries(
	id raft.ServerID, target raft.ServerAddress, req *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse,
) error {
	if err := t.NetworkTransport.AppendEntries(id, target, req, resp); err != nil {
		return err
	}
	t.note(id, req, resp)
	return nil
}

func (t *progressTransport) note(id raft.ServerID, req *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.peers[id]
	p.contact = time.Now()
	// A heartbeat carries no log position and its success proves no match.
	if resp.Success && req.PrevLogEntry+uint64(len(req.Entries)) > 0 {
		p.match = req.PrevLogEntry + uint64(len(req.Entries))
	}
	t.peers[id] = p
}

// progress is what is known of a follower.
func (t *progressTransport) progress(id raft.ServerID) (peerProgress, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p, ok := t.peers[id]
	return p, ok
}

// keepOnly forgets members that are gone.
func (t *progressTransport) keepOnly(servers []raft.Server) {
	t.mu.Lock()
	defer t.mu.Unlock()
	kept := make(map[raft.ServerID]peerProgress, len(servers))
	for _, s := range servers {
		if p, ok := t.peers[s.ID]; ok {
			kept[s.ID] = p
		}
	}
	t.peers = kept
}
