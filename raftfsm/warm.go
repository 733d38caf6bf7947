package raftfsm

import (
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// warmInterval is how often a follower sees to it that it could ask for votes.
const warmInterval = 2 * time.Second

// keepWarm holds a connection ready to every voter that would be asked for its vote.
// Followers have nothing to say to each other until their leader is gone. To dial
// and to shake hands only then takes longer than followers are apart, so that they
// get into each other's way; and a connection to a peer that restarted meanwhile
// fails at its first use, which costs a whole round.
func (n *Node) keepWarm() {
	for n.pause(warmInterval) {
		n.warmUp()
	}
}

// warmUp returns once every other voter has answered, or will not.
func (n *Node) warmUp() {
	_, leader := n.raft.LeaderWithID()
	if n.raft.State() == raft.Leader || n.blank() {
		return
	}
	var asked sync.WaitGroup
	for _, s := range n.servers() {
		if s.Suffrage != raft.Voter || s.ID == leader || string(s.ID) == n.cfg.NodeID {
			continue
		}
		asked.Go(func() {
			for range transportPool + 1 { // each failure uses up a dead connection
				if n.transport.ping(s, n.cfg) == nil {
					return
				}
			}
		})
	}
	asked.Wait()
}

// ping is a message of a term long past, which everybody answers and nobody minds
// (hashicorp/raft raft.go, appendEntries).
func (t *progressTransport) ping(to raft.Server, from Config) error {
	header := raft.RPCHeader{
		ProtocolVersion: raft.ProtocolVersionMax,
		ID:              []byte(from.NodeID), Addr: []byte(from.Advertise),
	}
	var answer raft.AppendEntriesResponse
	return t.NetworkTransport.AppendEntries(to.ID, to.Address, &raft.AppendEntriesRequest{RPCHeader: header}, &answer)
}
