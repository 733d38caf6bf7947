package raftfsm

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// newTestFSM is an FSM and the reasons for which it wanted to stop.
func newTestFSM() (*FSM, *[]error) {
	var reasons []error
	return NewFSM(func(err error) { reasons = append(reasons, err) }, noTime, nil), &reasons
}

// noTime does not care how long a command took.
func noTime(time.Duration) {}

func logged(t *testing.T, index uint64, cmd Command) *raft.Log {
	t.Helper()
	entry, err := EncodeCommand(cmd)
	if err != nil {
		t.Fatal(err)
	}
	return &raft.Log{Index: index, Data: entry}
}

func TestUnknownEntryStopsTheReplica(t *testing.T) {
	for name, entry := range map[string][]byte{
		"kind":     enveloped(commandVersion, 99),
		"version":  enveloped(99, byte(KindSeal)),
		"garbage":  []byte("not a command"),
		"no bytes": nil,
	} {
		t.Run(name, func(t *testing.T) {
			f, reasons := newTestFSM()
			f.Apply(logged(t, 1, Init{"c", 4}))
			for _, l := range []*raft.Log{{Index: 2, Data: entry}, logged(t, 3, OpenEpoch{epoch1, "m"})} {
				if outcome := f.Apply(l).(applied); outcome.err == nil {
					t.Errorf("entry %d was applied", l.Index)
				}
			}
			if len(*reasons) != 1 {
				t.Fatalf("%d reasons to stop, want 1: %v", len(*reasons), *reasons)
			}
			f.View(func(s *State) {
				if epoch, _ := s.Epoch(); !epoch.IsZero() {
					t.Error("an entry after the unreadable one was applied")
				}
			})
			if _, err := f.Snapshot(); err == nil {
				t.Error("the broken replica made a snapshot")
			}
		})
	}
}

func TestRestoreIsAllOrNothing(t *testing.T) {
	f, _ := newTestFSM()
	for n, step := range append(claimed(), ok(seal("t"))...) {
		f.Apply(logged(t, uint64(n+1), step.cmd))
	}
	var before []byte
	f.View(func(s *State) { before = encoded(t, s) })
	foreign := encoded(t, run(t, ok(Init{"other", 4})))
	for name, test := range map[string]struct {
		snapshot []byte
		want     error
	}{
		"cut short":     {before[:len(before)-1], ErrCorrupt},
		"empty":         {nil, ErrCorrupt},
		"other cluster": {foreign, ErrClusterMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			wantError(t, f.Restore(io.NopCloser(bytes.NewReader(test.snapshot))), test.want)
			f.View(func(s *State) {
				if !bytes.Equal(before, encoded(t, s)) {
					t.Error("the failed restore changed the state")
				}
			})
		})
	}
	fresh, _ := newTestFSM()
	if err := fresh.Restore(io.NopCloser(bytes.NewReader(before))); err != nil {
		t.Fatal(err)
	}
	fresh.View(func(s *State) {
		if !bytes.Equal(before, encoded(t, s)) {
			t.Error("the restored state differs")
		}
	})
}

// fullSink is a snapshot sink on a full disk.
type fullSink struct {
	room      int
	cancelled bool
}

var errFull = errors.New("no space left on device")

func (s *fullSink) Write(b []byte) (int, error) {
	if s.room -= len(b); s.room < 0 {
		return 0, errFull
	}
	return len(b), nil
}
func (s *fullSink) Close() error  { return nil }
func (s *fullSink) ID() string    { return "full" }
func (s *fullSink) Cancel() error { s.cancelled = true; return nil }

func TestSnapshotOnAFullDiskIsCancelled(t *testing.T) {
	f, _ := newTestFSM()
	f.Apply(logged(t, 1, Init{"c", 4}))
	snapshot, err := f.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	sink := &fullSink{room: 10}
	wantError(t, snapshot.Persist(sink), errFull)
	if !sink.cancelled {
		t.Error("the half-written snapshot was not cancelled")
	}
}
