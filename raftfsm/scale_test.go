package raftfsm

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

// liveState is a state of n sealed sessions, a tenth of them in pending claims.
func liveState(tb testing.TB, n int) *State {
	tb.Helper()
	s := NewState()
	apply := func(cmd Command) {
		entry, err := EncodeCommand(cmd)
		if err != nil {
			tb.Fatal(err)
		}
		decoded, err := DecodeCommand(entry) // as from the log: nothing is shared
		if err != nil {
			tb.Fatal(err)
		}
		if _, err := s.Apply(decoded); err != nil {
			tb.Fatal(err)
		}
	}
	apply(Init{"c", 16})
	apply(OpenEpoch{epoch1, "m1#a"})
	for i := range n {
		id := fmt.Sprintf("%064x", i) // session ids are 32 bytes in hex
		r := ref("pokt1"+fmt.Sprintf("%038d", i%100), id)
		apply(Seal{Epoch: epoch1, Ref: r, Root: root(1), Count: 1000, Sum: 100000, Seq: 40})
		if i%10 == 0 {
			apply(Intend{epoch1, intent(fmt.Sprintf("%064x", i), 1, EffectClaim, r.Supplier, id)})
		}
	}
	return s
}

func heapInUse() uint64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// The state of 100,000 live sessions fits its memory budget, and freezing it for
// a snapshot copies none of it. How long things take is BenchmarkSnapshot's.
func TestScaleBudget(t *testing.T) {
	const sessions, perSession, freezeAllocs = 100_000, 1536, 16
	before := heapInUse()
	s := liveState(t, sessions)
	if got := (heapInUse() - before) / sessions; got > perSession {
		t.Errorf("%d bytes per session, want at most %d", got, perSession)
	} else {
		t.Logf("%d bytes per session", got)
	}
	if got := testing.AllocsPerRun(10, func() { s.clone() }); got > freezeAllocs {
		t.Errorf("freezing allocates %v times, want at most %d", got, freezeAllocs)
	}
	snapshot := encoded(t, s.clone())
	start := time.Now()
	if _, err := DecodeState(bytes.NewReader(snapshot)); err != nil {
		t.Fatal(err)
	}
	t.Logf("snapshot of %d bytes restored in %s", len(snapshot), time.Since(start))
}

func BenchmarkSnapshot(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		s := liveState(b, n)
		snapshot := encoded(b, s)
		name := fmt.Sprintf("sessions=%d", n)
		b.Run("freeze/"+name, func(b *testing.B) {
			for b.Loop() {
				s.clone()
			}
		})
		b.Run("persist/"+name, func(b *testing.B) {
			b.SetBytes(int64(len(snapshot)))
			for b.Loop() {
				if err := s.Encode(io.Discard); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("restore/"+name, func(b *testing.B) {
			b.SetBytes(int64(len(snapshot)))
			for b.Loop() {
				if _, err := DecodeState(bytes.NewReader(snapshot)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkPage is how long a question of an operator holds up Apply, at most.
func BenchmarkPage(b *testing.B) {
	s := liveState(b, 100_000)
	for name, request := range map[string]*adminpb.SessionsRequest{
		"default":        {},
		"largest":        {PageSize: pageMax},
		"nothing fits":   {Stage: StageLost.String()},
		"other supplier": {Supplier: "pokt1nobody"},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				sessionsPage(s, newPage(request.GetPageSize()), chain.SessionKey{Supplier: request.GetSupplier()}, request)
			}
		})
	}
}

// BenchmarkApplySeal is an entry that seals a session, with all that an FSM does for it.
func BenchmarkApplySeal(b *testing.B) {
	f := newScratchFSM()
	f.state = liveState(b, 10_000)
	epoch, _ := f.state.Epoch()
	n := uint64(0)
	for b.Loop() {
		b.StopTimer()
		entry, err := EncodeCommand(Seal{Epoch: epoch, Ref: ref("pokt1new", fmt.Sprint(n)), Root: root(1)})
		if err != nil {
			b.Fatal(err)
		}
		n++
		b.StartTimer()
		if outcome := f.Apply(&raft.Log{Index: n, Data: entry}).(applied); outcome.err != nil {
			b.Fatal(outcome.err)
		}
	}
}
