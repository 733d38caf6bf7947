package raftfsm

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// simNode is one member whose "disk" outlives its crashes.
type simNode struct {
	cfg  Config
	disk *simDisk

	identity *keptIdentity
	leads    func(context.Context, Epoch) error // instead of the sim's lead
	node     *Node
	stop     context.CancelFunc
	ended    chan struct{}
}

// simDisk is the disk of a simulated member: it can be held up, and, in the broken
// variant, it forgets what it had acknowledged.
type simDisk struct {
	*raft.InmemStore
	snapshots *raft.InmemSnapshotStore
	mu        sync.Mutex
	held      chan struct{} // closed when writes may go on; nil: not held
}

func newSimDisk() *simDisk {
	return &simDisk{InmemStore: raft.NewInmemStore(), snapshots: raft.NewInmemSnapshotStore()}
}

func (d *simDisk) StoreLogs(logs []*raft.Log) error {
	d.mu.Lock()
	held := d.held
	d.mu.Unlock()
	if held != nil {
		<-held
	}
	return d.InmemStore.StoreLogs(logs)
}

func (d *simDisk) StoreLog(l *raft.Log) error { return d.StoreLogs([]*raft.Log{l}) }

func (d *simDisk) hold() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.held == nil {
		d.held = make(chan struct{})
	}
}

func (d *simDisk) release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.held != nil {
		close(d.held)
		d.held = nil
	}
}

// forgetTail drops the last entries, as a disk that never synced would.
func (d *simDisk) forgetTail(entries uint64) error {
	first, err := d.FirstIndex()
	if err != nil {
		return err
	}
	last, err := d.LastIndex()
	if err != nil || last < first+entries+2 {
		return err
	}
	return d.DeleteRange(last-entries+1, last)
}

// write is an acknowledged seal.
type write struct {
	epoch   Epoch
	index   uint64
	session string
}

// sim is a group in fake time, driven by one seed.
type sim struct {
	t     *testing.T
	rng   *rand.Rand
	net   *simNet
	nodes []*simNode

	mu     sync.Mutex
	epochs []Epoch
	writes []write
	next   int
	quiet  bool // leaders write no more
}

// simCommitTimeout is longer than the default: it paces the empty messages of a
// leader with nothing to replicate, which were half the cost of a schedule.
const simCommitTimeout = 100 * time.Millisecond

func newSim(t *testing.T, seed uint64, size int) *sim {
	return newSimWith(t, seed, size, func(*simNode) {})
}

// newSimWith starts a group whose members were changed first.
func newSimWith(t *testing.T, seed uint64, size int, change func(*simNode)) *sim {
	s := &sim{t: t, rng: rand.New(rand.NewPCG(seed, 1)), net: newSimNet()}
	var peers []Peer
	for i := range size {
		peers = append(peers, Peer{ID: fmt.Sprintf("m%d", i+1), Addr: fmt.Sprintf("m%d:1", i+1)})
	}
	for _, p := range peers {
		s.nodes = append(s.nodes, &simNode{disk: newSimDisk(), identity: simIdentity(p.ID), cfg: Config{
			NodeID: p.ID, DataDir: "none", Bind: p.Addr, ClusterID: "sim", Partitions: 1,
			Peers: peers, BootstrapExpect: size,
			CommitTimeout: simCommitTimeout,
		}.withDefaults()})
	}
	for _, n := range s.nodes {
		change(n)
		s.start(n)
	}
	return s
}

func simIdentity(id string) *keptIdentity {
	return &keptIdentity{
		id:   identity{NodeID: id, ClusterID: "sim", Instance: id + "-1"},
		save: func(identity) error { return nil },
	}
}

func (s *sim) start(n *simNode) {
	if n.node != nil {
		return
	}
	store := storage{logs: n.disk, stable: n.disk, snapshots: n.disk.snapshots}
	node, err := open(n.cfg, n.identity, store, s.net.listen(n.cfg.Bind), prometheus.NewRegistry(), zap.NewNop())
	if err != nil {
		s.t.Errorf("open %s: %v", n.cfg.NodeID, err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	n.node, n.stop, n.ended = node, cancel, make(chan struct{})
	go func() {
		defer close(n.ended)
		lead := n.leads
		if lead == nil {
			lead = func(ctx context.Context, e Epoch) error { return s.lead(ctx, node, e) }
		}
		_ = node.Run(ctx, lead)
	}()
}

// crash stops a member with no hand-over.
func (s *sim) crash(n *simNode) {
	if n.node == nil {
		return
	}
	n.disk.release()
	if err := n.node.Close(); err != nil {
		s.t.Errorf("close %s: %v", n.cfg.NodeID, err)
	}
	n.stop()
	<-n.ended
	n.node = nil
}

// end stops everybody. The library does not wait for the call that tells a follower
// to take over, and time stands still once the test function has returned.
func (s *sim) end() {
	for _, n := range s.nodes {
		s.crash(n)
	}
	time.Sleep(3 * rpcTimeout)
}

// lead writes as long as it leads, and, being a bad leader, a while longer, with
// the epoch it had.
func (s *sim) lead(ctx context.Context, n *Node, epoch Epoch) error {
	s.mu.Lock()
	s.epochs = append(s.epochs, epoch)
	s.mu.Unlock()
	for ctx.Err() == nil {
		s.write(ctx, n, epoch)
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	late, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s.write(late, n, epoch)
	return nil
}

func (s *sim) write(ctx context.Context, n *Node, epoch Epoch) {
	s.mu.Lock()
	s.next++
	session, quiet := fmt.Sprintf("s%d", s.next), s.quiet
	s.mu.Unlock()
	if quiet {
		return
	}
	result, err := n.Apply(ctx, Seal{Epoch: epoch, Ref: ref("pokt1a", session), Root: root(1)})
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes = append(s.writes, write{epoch: epoch, index: result.Index, session: session})
}

// nemesis does one random bad thing, and sometimes a good one.
func (s *sim) nemesis(forgetful bool) {
	n := s.nodes[s.rng.IntN(len(s.nodes))]
	other := s.nodes[s.rng.IntN(len(s.nodes))]
	switch s.rng.IntN(8) {
	case 0, 1:
		s.crash(n)
		if forgetful {
			if err := n.disk.forgetTail(3); err != nil {
				s.t.Errorf("forget: %v", err)
			}
		}
	case 2, 3:
		s.start(n)
	case 4: // one direction only
		s.net.setCut(n.cfg.Bind, other.cfg.Bind, true)
	case 5: // alone, as a stopped process is; its disk stands still as well
		n.disk.hold()
		s.isolate(n)
	case 6:
		s.heal()
	case 7:
		if n.node != nil {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			_ = n.node.TransferLeader(ctx, "")
			cancel()
		}
	}
}

func (s *sim) isolate(n *simNode) {
	for _, other := range s.nodes {
		s.net.setCut(n.cfg.Bind, other.cfg.Bind, true)
		s.net.setCut(other.cfg.Bind, n.cfg.Bind, true)
	}
}

func (s *sim) heal() {
	for _, a := range s.nodes {
		a.disk.release()
		for _, b := range s.nodes {
			s.net.setCut(a.cfg.Bind, b.cfg.Bind, false)
		}
	}
}

// settle heals everything and restarts whoever stopped, until all agree.
func (s *sim) settle() error {
	s.heal()
	s.mu.Lock()
	s.quiet = true
	s.mu.Unlock()
	for range 300 {
		for _, n := range s.nodes {
			s.revive(n)
		}
		time.Sleep(100 * time.Millisecond)
		if s.agreed() {
			return s.check()
		}
	}
	var all []Status
	for _, n := range s.nodes {
		all = append(all, n.node.Status())
	}
	return fmt.Errorf("no agreement within 30 s: %+v", all)
}

// revive restarts a member that crashed, or that its watchdog stopped.
func (s *sim) revive(n *simNode) {
	if n.node != nil {
		select {
		case <-n.ended:
			s.crash(n)
		default:
		}
	}
	s.start(n)
}

// agreed says that a leader leads and everybody has applied what it has.
func (s *sim) agreed() bool {
	leading, applied := 0, map[uint64]bool{}
	for _, n := range s.nodes {
		status := n.node.Status()
		if status.Leading {
			leading++
		}
		applied[status.AppliedIndex] = true
	}
	return leading == 1 && len(applied) == 1
}

// check holds the history against what was promised.
func (s *sim) check() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := make(map[Epoch]bool)
	for _, e := range s.epochs {
		if seen[e] {
			return fmt.Errorf("epoch %s was led in twice", e)
		}
		seen[e] = true
	}
	writes := slices.Clone(s.writes)
	slices.SortFunc(writes, func(a, b write) int { return int(a.index) - int(b.index) })
	for i := 1; i < len(writes); i++ {
		if writes[i].epoch.Compare(writes[i-1].epoch) < 0 || writes[i].index == writes[i-1].index {
			return fmt.Errorf("write %+v was acknowledged after %+v", writes[i], writes[i-1])
		}
	}
	var first []byte
	for _, n := range s.nodes {
		var state bytes.Buffer
		var missing error
		n.node.View(func(st *State) {
			for _, w := range writes {
				if _, found := st.Session(ref("pokt1a", w.session).Key()); !found {
					missing = fmt.Errorf("%s lost acknowledged write %+v", n.cfg.NodeID, w)
				}
			}
			if err := st.Encode(&state); err != nil {
				missing = err
			}
		})
		if missing != nil {
			return missing
		}
		if first == nil {
			first = state.Bytes()
		} else if !bytes.Equal(first, state.Bytes()) {
			return fmt.Errorf("%s differs from %s", n.cfg.NodeID, s.nodes[0].cfg.NodeID)
		}
	}
	return nil
}

// simulate runs one schedule and returns what it broke.
func simulate(t *testing.T, seed uint64, forgetful bool) (acknowledged int, result error) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, seed, 3)
		defer s.end()
		for range 600 { // bad things happen to a group that works
			if s.leading() != nil {
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
		for range 8 {
			time.Sleep(time.Duration(s.rng.IntN(900)) * time.Millisecond)
			s.nemesis(forgetful)
		}
		result = s.settle()
		acknowledged = len(s.writes)
	})
	return acknowledged, result
}

func TestRandomSchedules(t *testing.T) {
	const shards = 4
	schedules := uint64(200)
	if testing.Short() {
		schedules = 20
	}
	for shard := range uint64(shards) {
		t.Run(fmt.Sprintf("shard %d", shard), func(t *testing.T) {
			t.Parallel()
			total := 0
			for seed := shard; seed < schedules; seed += shards {
				acknowledged, err := simulate(t, seed, false)
				if err != nil {
					t.Errorf("seed %d: %v", seed, err)
				}
				total += acknowledged
			}
			if total == 0 {
				t.Error("nothing was written: this test proves nothing")
			}
		})
	}
}

// The test above must be able to fail: with disks that forget, it does.
func TestForgetfulDisksAreNoticed(t *testing.T) {
	for seed := range uint64(200) {
		if _, err := simulate(t, seed, true); err != nil {
			t.Logf("seed %d: %v", seed, err)
			return
		}
	}
	t.Error("members lost what they had acknowledged and nobody noticed")
}
