package main

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/raftminer/raftminer/e2e/devnet/port"
	"github.com/raftminer/raftminer/raftfsm"
	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

// lineBuffer collects what another goroutine prints.
type lineBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lineBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lineBuffer) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func (b *lineBuffer) events(t *testing.T) []event {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	var events []event
	for line := range strings.Lines(b.b.String()) {
		var e event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		events = append(events, e)
	}
	return events
}

// await waits until the events have one that fits.
func (b *lineBuffer) await(t *testing.T, fits func(event) bool) []event {
	t.Helper()
	var events []event
	poll(t, "such event", func() bool {
		events = b.events(t)
		return slices.ContainsFunc(events, fits)
	})
	return events
}

func startWatch(t *testing.T, args ...string) *lineBuffer {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, ended := &lineBuffer{}, make(chan int, 1)
	var errs bytes.Buffer
	go func() { ended <- execute(ctx, append([]string{"watch"}, args...), out, &errs) }()
	t.Cleanup(func() {
		cancel()
		if code := <-ended; code != exitInterrupted || errs.Len() > 0 {
			t.Errorf("watch: exit %d, %q", code, errs.String())
		}
	})
	return out
}

// fromSeed is what the log tells of seed.
const fromSeed = `session_sealed pokt1a/s1
session_sealed pokt1a/s2
intent_pending aa/1
intent_landed aa/1
session_claimed pokt1a/s1
intent_pending bb/1
intent_landed bb/1
session_proved pokt1a/s1
session_settled pokt1a/s1
intent_pending cc/1
intent_dead cc/1
intent_pending cc/2
session_lost pokt1b/s3
`

// Every event is told once and in order, also when the member that was asked dies
// and another has to go on.
func TestWatchTellsEachEventOnce(t *testing.T) {
	members := startMembers(t, 3)
	out := startWatch(t, "--after", "0", "--addr", members[0].socket, "--addr", members[1].socket, "--addr", members[2].socket)
	out.await(t, func(e event) bool { return e.Event == "epoch_opened" })
	members[0].stop()
	seed(t, members[1:])
	events := out.await(t, func(e event) bool { return e.Event == "session_lost" })

	var got strings.Builder
	last := uint64(0)
	for _, e := range events {
		if e.Index < last && e.Index > 0 {
			t.Errorf("%+v comes after index %d", e, last)
		}
		last = max(last, e.Index)
		if strings.HasPrefix(e.Event, "session_") || strings.HasPrefix(e.Event, "intent_") {
			what := e.Intent
			if what == "" {
				what = e.Supplier + "/" + e.SessionID
			}
			got.WriteString(e.Event + " " + what + "\n")
		}
	}
	if got.String() != fromSeed {
		t.Errorf("got\n%swant\n%s", got.String(), fromSeed)
	}
	count := func(name string) int {
		n := 0
		for _, e := range events {
			if e.Event == name {
				n++
			}
		}
		return n
	}
	if n := count("member_added"); n != 3 {
		t.Errorf("%d members were added, want 3", n)
	}
	if n := count("events_missed"); n != 0 {
		t.Errorf("%d gaps", n)
	}
	if count("leader_changed") == 0 || count("epoch_opened") == 0 {
		t.Errorf("nobody led: %+v", events)
	}
}

// A member that knows no leader is not the one to listen to.
func TestWatchLeavesAMemberWithoutALeader(t *testing.T) {
	addrs, err := port.Addrs(1)
	if err != nil {
		t.Fatal(err)
	}
	lonely := raftfsm.Config{NodeID: "lonely", Bind: addrs[0], ClusterID: "test", Partitions: 1}
	members := startMembers(t, 1)
	out := startWatch(t, "--after", "0", "--addr", startMember(t, lonely).socket, "--addr", members[0].socket)
	out.await(t, func(e event) bool { return e.Event == "leader_changed" && e.Member == "" })
	seed(t, members)
	out.await(t, func(e event) bool { return e.Event == "session_lost" })
}

// Without --after it begins with what happens now.
func TestWatchBeginsNow(t *testing.T) {
	members := startMembers(t, 1)
	seed(t, members)
	out := startWatch(t, "--addr", members[0].socket)
	out.await(t, func(e event) bool { return e.Event == "leader_changed" && e.Member == "m1" })
	members[0].stop()
	for _, e := range out.await(t, func(e event) bool { return e.Event == "unreachable" }) {
		if e.Index != 0 {
			t.Errorf("told of the past: %+v", e)
		}
	}
}

// What no member knows any more is named, once, and not passed over.
func TestWatchNamesWhatItMissed(t *testing.T) {
	out := &lineBuffer{}
	w := &watcher{o: &options{}, out: stream[event]{printer: printer{out: out, format: formatLines}}, after: 10}
	for _, answer := range []*adminpb.EventsResponse{
		{CompleteAfter: 40, UpTo: 50, Events: []*adminpb.Event{{Index: 41, Event: "a"}, {Index: 41, Event: "b"}}},
		{CompleteAfter: 40, UpTo: 50, Events: []*adminpb.Event{{Index: 41, Event: "a"}, {Index: 41, Event: "b"}}}, // of a member that is behind
		{CompleteAfter: 40, UpTo: 30},
		{CompleteAfter: 40, UpTo: 60, Events: []*adminpb.Event{{Index: 55, Event: "c"}}},
	} {
		if _, err := w.tell(answer); err != nil {
			t.Fatal(err)
		}
	}
	want := []event{
		{Event: "leader_changed"}, {Event: "events_missed", From: 11, To: 40},
		{Index: 41, Event: "a"}, {Index: 41, Event: "b"}, {Index: 55, Event: "c"},
	}
	if got := out.events(t); !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
