package raftfsm

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	"go.uber.org/zap"
)

const (
	spreadInterval = 250 * time.Millisecond
	// probeInterval is how often voters are asked what they miss.
	probeInterval = time.Second
	// farBehind is how many entries a voter may lack and be given partitions: it
	// learns from the log that it has them.
	farBehind = 1000
)

// Holdings are who holds each partition as far as this node knows, none before the
// first epoch, and a channel that closes when they may have changed.
func (n *Node) Holdings() ([]Holding, <-chan struct{}) { return n.fsm.holdings() }

// SpreadPartitions keeps every partition with a member that can work on it, until
// ctx ends: evenly over the voters that are fit if wide, else with this leader.
func (n *Node) SpreadPartitions(ctx context.Context, epoch Epoch, wide bool) {
	held, _ := n.Holdings()
	s := &spreader{node: n, epoch: epoch, wide: wide, poor: make(map[string]bool)}
	trusted := []string{n.cfg.NodeID}
	for _, h := range held {
		trusted = append(trusted, h.Node)
	}
	s.vigil = newVigil(time.Now(), 2*n.cfg.HeartbeatTimeout, trusted)
	ticker := time.NewTicker(spreadInterval)
	defer ticker.Stop()
	for { // not at once: what a new leader inherited is taken over first
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			s.round(ctx, time.Now())
		}
	}
}

// spreader assigns the partitions of one epoch.
type spreader struct {
	node    *Node
	epoch   Epoch
	wide    bool
	vigil   *vigil
	poor    map[string]bool // what voters said of themselves when they were asked last
	asked   time.Time
	trouble string // why the last assignment failed
}

func (s *spreader) round(ctx context.Context, now time.Time) {
	fit := []string{s.node.cfg.NodeID}
	if s.wide {
		if now.Sub(s.asked) >= probeInterval {
			s.ask(ctx, now)
		}
		fit = s.vigil.fit(now, s.look(now))
	}
	held, _ := s.node.Holdings()
	moves := balance(held, fit)
	if len(moves) == 0 {
		return
	}
	_, err := s.node.Apply(ctx, Assign{Epoch: s.epoch, Moves: moves})
	if err == nil {
		s.trouble = ""
		s.node.log.Info("partitions assigned", zap.Strings("fit", fit), zap.String("moves", summarizeMoves(moves)))
		return
	}
	if ctx.Err() == nil && err.Error() != s.trouble {
		s.trouble = err.Error()
		s.node.log.Warn("partitions not assigned", zap.Strings("fit", fit), zap.Error(err))
	}
}

// look is what this leader sees of the voters now, by id.
func (s *spreader) look(now time.Time) (voters []sighting) {
	last := s.node.raft.LastIndex()
	for _, server := range s.voters() {
		id := string(server.ID)
		v := sighting{id: id, seen: now, drained: s.node.drained(id), poor: s.poor[id]}
		if id != s.node.cfg.NodeID {
			p, _ := s.node.transport.progress(server.ID)
			v.seen, v.poor = p.contact, v.poor || p.match+farBehind < last
		}
		voters = append(voters, v)
	}
	return voters
}

func (s *spreader) voters() []raft.Server {
	voters := slices.DeleteFunc(s.node.servers(), func(m raft.Server) bool { return m.Suffrage != raft.Voter })
	slices.SortFunc(voters, func(a, b raft.Server) int { return cmp.Compare(a.ID, b.ID) })
	return voters
}

// ask learns what each voter misses. One that does not answer cannot be counted on.
func (s *spreader) ask(ctx context.Context, now time.Time) {
	s.asked = now
	var mu sync.Mutex
	poor := make(map[string]bool)
	var asked sync.WaitGroup
	for _, server := range s.voters() {
		asked.Go(func() {
			missing, err := s.node.missingOf(ctx, server)
			mu.Lock()
			defer mu.Unlock()
			poor[string(server.ID)] = err != nil || s.node.hinders(missing)
		})
	}
	asked.Wait()
	s.poor = poor
}

// missingOf is what a member lacks of what it needs.
func (n *Node) missingOf(ctx context.Context, m raft.Server) ([]string, error) {
	if string(m.ID) == n.cfg.NodeID {
		return n.fitness.now(), nil
	}
	h, err := n.stream.probe(string(m.Address), timeLeft(ctx, probeTimeout))
	if err != nil {
		return nil, err
	}
	if h.NodeID != string(m.ID) {
		return nil, fmt.Errorf("%w: %s is at the address of %s", ErrPeer, h.NodeID, m.ID)
	}
	return h.Missing, n.judge(h)
}

// hinders says that without what is missing nobody can hold partitions.
func (n *Node) hinders(missing []string) bool {
	return slices.ContainsFunc(n.cfg.Needs, func(need Need) bool { return need.Holders && slices.Contains(missing, need.Name) })
}
