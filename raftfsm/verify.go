package raftfsm

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	"go.uber.org/zap"

	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

const (
	// CompareInterval is how often a leader compares all states with its own.
	CompareInterval = time.Minute
	compareTimeout  = 10 * time.Second
	hashTimeout     = 3 * time.Second // for one member to hash its state and answer
)

// Verdict is what members answered when they were asked for the hash of their state
// at one index of the log.
type Verdict struct {
	Index   uint64
	Hash    []byte // of the leader
	Members []MemberHash
}

// MemberHash is one member's answer.
type MemberHash struct {
	Member
	Hash  []byte
	Error string // why there is none to compare
}

// Verify marks an index of the log, and asks all members for their state there. Only
// the leader can.
func (n *Node) Verify(ctx context.Context) (Verdict, error) {
	epoch, err := n.leadingEpoch()
	if err != nil {
		return Verdict{}, err
	}
	marked, err := n.Apply(ctx, Mark{Epoch: epoch})
	if err != nil {
		return Verdict{}, fmt.Errorf("mark the log: %w", err)
	}
	v := Verdict{Index: marked.Index}
	servers := n.servers()
	v.Members = make([]MemberHash, len(servers))
	var asked sync.WaitGroup
	for i, s := range servers {
		asked.Go(func() { v.Members[i] = n.memberHash(ctx, s, v.Index) })
	}
	asked.Wait()
	for _, m := range v.Members {
		if m.ID == n.cfg.NodeID {
			v.Hash = m.Hash
		}
	}
	if v.Hash == nil {
		return v, fmt.Errorf("this leader has no hash of its own state at entry %d", v.Index)
	}
	return v, nil
}

func (n *Node) memberHash(ctx context.Context, s raft.Server, index uint64) MemberHash {
	ctx, cancel := context.WithTimeout(ctx, hashTimeout)
	defer cancel()
	m := MemberHash{Member: Member{ID: string(s.ID), Address: string(s.Address), Suffrage: suffrageName(s.Suffrage)}}
	var err error
	if m.ID == n.cfg.NodeID {
		m.Leader = true
		var hash stateHash
		if hash, err = n.fsm.marks.await(ctx, index); err == nil {
			m.Hash = hash[:]
		}
	} else {
		m.Hash, err = n.askHash(ctx, m.Address, index)
	}
	if err != nil {
		m.Error = err.Error()
	}
	return m
}

// askHash is the hash of the member at addr.
func (n *Node) askHash(ctx context.Context, addr string, index uint64) (_ []byte, err error) {
	conn, err := n.peerConn(addr)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	answer, err := adminpb.NewInspectClient(conn).StateHash(ctx, &adminpb.StateHashRequest{Index: index})
	if err != nil {
		return nil, err
	}
	if answer.GetCommands() != uint32(CommandSet) || len(answer.GetHash()) != sha256.Size {
		return nil, fmt.Errorf("its build writes states in another way (command set %d, here %d)", answer.GetCommands(), CommandSet)
	}
	return answer.GetHash(), nil
}

// outvoted says that a majority of the voters agrees on another hash than the
// leader's.
func (v Verdict) outvoted() bool {
	voters, others := 0, make(map[string]int)
	for _, m := range v.Members {
		if m.Suffrage != suffrageName(raft.Voter) {
			continue
		}
		voters++
		if m.Error == "" && !slices.Equal(m.Hash, v.Hash) {
			others[string(m.Hash)]++
		}
	}
	for _, count := range others {
		if count > voters/2 {
			return true
		}
	}
	return false
}

// CompareStates makes this node, while it leads, compare the states of all members
// every so often, until ctx ends. A member with another state than the leader's
// stops; the leader itself stops if most voters agree on another.
func (n *Node) CompareStates(ctx context.Context, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.closed:
			return
		case <-ticker.C:
		}
		if n.leading.Load() == nil {
			continue
		}
		if err := n.compareStates(ctx); err != nil && ctx.Err() == nil {
			n.log.Warn("states were not compared", zap.Error(err))
		}
	}
}

func (n *Node) compareStates(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, compareTimeout)
	defer cancel()
	epoch, err := n.leadingEpoch()
	if err != nil {
		return err
	}
	v, err := n.Verify(ctx)
	if err != nil {
		return err
	}
	if v.outvoted() {
		n.fail(fmt.Errorf("%w: leader %s has %x at entry %d, most voters have another", ErrDiverged, n.cfg.NodeID, v.Hash, v.Index))
		return nil
	}
	_, err = n.Apply(ctx, Compare{Epoch: epoch, Index: v.Index, Hash: v.Hash, Commands: CommandSet})
	return err
}
