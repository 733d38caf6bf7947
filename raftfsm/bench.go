package raftfsm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

// What is measured.
const (
	MeasureBarrier   = "barrier"    // a decision: through the log of a quorum and into the state
	MeasureFsync     = "fsync"      // a durable write to the data directory
	MeasureRoundTrip = "round_trip" // a question to another member
)

const (
	benchRoundsMax = 1000
	benchShare     = 3       // each measure has a third of the time
	benchWrite     = 4 << 10 // bytes, a page of the log
)

// Measure is how long something took.
type Measure struct {
	What   string
	Member string
	Took   []time.Duration // sorted
	Error  string
}

// Bench measures, on the leader, what a decision is made of. It stops early when ctx
// leaves too little time for all rounds.
func (n *Node) Bench(ctx context.Context, rounds int) ([]Measure, error) {
	if _, err := n.leadingEpoch(); err != nil {
		return nil, err
	}
	if rounds < 1 || rounds > benchRoundsMax {
		return nil, fmt.Errorf("%w: %d rounds: want 1 to %d", ErrInvalid, rounds, benchRoundsMax)
	}
	end := time.Now().Add(time.Minute)
	if deadline, ok := ctx.Deadline(); ok {
		end = deadline
	}
	share := time.Until(end) / (benchShare + 1)
	measures := []Measure{
		measure(MeasureBarrier, n.cfg.NodeID, rounds, share, func() error { return n.barrier(ctx) }),
		n.benchDisk(rounds, share),
	}
	return append(measures, n.benchPeers(ctx, rounds, share)...), nil
}

// measure repeats do until there are enough rounds or the time is over.
func measure(what, member string, rounds int, limit time.Duration, do func() error) Measure {
	m, begin := Measure{What: what, Member: member}, time.Now()
	for len(m.Took) < rounds && time.Since(begin) < limit {
		start := time.Now()
		if err := do(); err != nil {
			m.Error = err.Error()
			break
		}
		m.Took = append(m.Took, time.Since(start))
	}
	slices.Sort(m.Took)
	return m
}

func (n *Node) benchDisk(rounds int, limit time.Duration) Measure {
	file, err := os.CreateTemp(n.cfg.DataDir, "bench-*")
	if err != nil {
		return Measure{What: MeasureFsync, Member: n.cfg.NodeID, Error: err.Error()}
	}
	page := make([]byte, benchWrite)
	m := measure(MeasureFsync, n.cfg.NodeID, rounds, limit, func() error {
		if _, err := file.WriteAt(page, 0); err != nil {
			return err
		}
		return file.Sync()
	})
	if err := errors.Join(file.Close(), os.Remove(file.Name())); err != nil && m.Error == "" {
		m.Error = err.Error()
	}
	return m
}

func (n *Node) benchPeers(ctx context.Context, rounds int, limit time.Duration) []Measure {
	var peers []raft.Server
	for _, s := range n.servers() {
		if string(s.ID) != n.cfg.NodeID {
			peers = append(peers, s)
		}
	}
	measures := make([]Measure, len(peers))
	var asked sync.WaitGroup
	for i, s := range peers {
		asked.Go(func() { measures[i] = n.benchPeer(ctx, s, rounds, limit) })
	}
	asked.Wait()
	return measures
}

func (n *Node) benchPeer(ctx context.Context, s raft.Server, rounds int, limit time.Duration) Measure {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	conn, err := n.peerConn(string(s.Address))
	if err != nil {
		return Measure{What: MeasureRoundTrip, Member: string(s.ID), Error: err.Error()}
	}
	defer func() { _ = conn.Close() }()
	peer := adminpb.NewAdminClient(conn)
	ask := func() error {
		_, err := peer.Pulse(ctx, &adminpb.PulseRequest{})
		return err
	}
	if err := ask(); err != nil { // the first question pays for the connection
		return Measure{What: MeasureRoundTrip, Member: string(s.ID), Error: err.Error()}
	}
	return measure(MeasureRoundTrip, string(s.ID), rounds, limit, ask)
}

// quantile of a measure; 0 if nothing was measured.
func (m Measure) quantile(q float64) time.Duration {
	if len(m.Took) == 0 {
		return 0
	}
	return m.Took[min(int(q*float64(len(m.Took))), len(m.Took)-1)]
}
