package raftfsm

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

// inspected is the inspection of a group of one with some sessions and intents.
func inspected(t *testing.T) (*inspect, *Node) {
	t.Helper()
	c := startLoopback(t, 1)
	node := c.members[0].node
	epoch := <-c.members[0].led
	for n := range 24 {
		supplier, session := fmt.Sprintf("pokt1%c", 'a'+n%3), fmt.Sprintf("s%02d", n)
		sealed := Seal{Epoch: epoch, Ref: ref(supplier, session), Root: root(1)}
		if n%2 == 0 {
			sealed.Ref.Service = "other"
		}
		commands := []Command{sealed}
		if n%4 == 0 {
			i := intent("b"+session, 1, EffectClaim, supplier, session)
			commands = append(commands, Intend{epoch, i}, Resolve{Epoch: epoch, Batch: i.Batch, Attempt: 1, Status: IntentDead})
			i.Attempt = 2
			commands = append(commands, Intend{epoch, i})
		}
		for _, cmd := range commands {
			if _, err := node.Apply(t.Context(), cmd); err != nil {
				t.Fatal(err)
			}
		}
	}
	return &inspect{node: node}, node
}

// Pages of any size, put together, are what the filters let through, in order.
func TestPagesAreTheWhole(t *testing.T) {
	service, node := inspected(t)
	for _, filter := range []*adminpb.SessionsRequest{
		{}, {Supplier: "pokt1b"}, {Service: "other"}, {Stage: "sealed", Supplier: "pokt1c"}, {Stage: "lost"}, {Supplier: "pokt1"},
	} {
		var want []string
		node.View(func(s *State) {
			for r := range s.Sessions() {
				if fits(filter.Supplier, r.Ref.Supplier) && fits(filter.Service, r.Ref.Service) && fits(filter.Stage, r.Stage.String()) {
					want = append(want, SessionName(r.Ref.Key()))
				}
			}
		})
		for size := range uint32(26) {
			var got []string
			request := &adminpb.SessionsRequest{Supplier: filter.Supplier, Service: filter.Service, Stage: filter.Stage, PageSize: size}
			for n := 0; n == 0 || request.PageToken != ""; n++ {
				answer, err := service.Sessions(t.Context(), request)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range answer.GetSessions() {
					got = append(got, r.GetSupplier()+"/"+r.GetSessionId())
				}
				if size > 0 && len(answer.GetSessions()) > int(size) {
					t.Fatalf("a page of %d has %d", size, len(answer.GetSessions()))
				}
				request.PageToken = answer.GetNextPageToken()
			}
			if !slices.Equal(got, want) {
				t.Errorf("%v, pages of %d: got %q, want %q", filter, size, got, want)
			}
		}
	}
}

func TestIntentPagesAreTheWhole(t *testing.T) {
	service, _ := inspected(t)
	for filter, want := range map[string]int{"": 12, "pending": 6, "dead": 6, "landed": 0} {
		for size := range uint32(14) {
			request, got := &adminpb.IntentsRequest{Status: filter, PageSize: size}, []string{}
			for n := 0; n == 0 || request.PageToken != ""; n++ {
				answer, err := service.Intents(t.Context(), request)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range answer.GetIntents() {
					got = append(got, fmt.Sprintf("%s/%d", r.GetBatch(), r.GetAttempt()))
				}
				request.PageToken = answer.GetNextPageToken()
			}
			if len(got) != want || !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != want {
				t.Errorf("status %q, pages of %d: %q, want %d", filter, size, got, want)
			}
		}
	}
}

// A walk that looks at much and finds little holds nobody up: it ends early and
// says where to go on.
func TestPageBudget(t *testing.T) {
	p := newPage(1)
	looked := 0
	for p.room(0) {
		looked++
		p.last = "here"
	}
	if looked != pageBudget || p.next() != "here" {
		t.Errorf("looked at %d, goes on after %q", looked, p.next())
	}
}

// The log is shown from any index and in any size, and no byte of a transaction is.
func TestLogShowsNoTransactions(t *testing.T) {
	service, node := inspected(t)
	var all []string
	for from := uint64(1); ; {
		answer, err := service.Log(t.Context(), &adminpb.LogRequest{From: from, Limit: 7})
		if err != nil {
			t.Fatal(err)
		}
		if len(answer.GetEntries()) == 0 {
			break
		}
		for _, e := range answer.GetEntries() {
			if e.GetIndex() != from {
				t.Fatalf("entry %d comes at %d", e.GetIndex(), from)
			}
			from++
			all = append(all, e.GetKind()+" "+e.GetSummary())
		}
	}
	text := strings.Join(all, "\n")
	for _, want := range []string{"Init cluster test", "OpenEpoch 000001.", "Seal pokt1a/s00", "Intend claim bs00/1 of pokt1a, 1 session", "Resolve bs00/1 dead"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "tx of") {
		t.Error("the log shows the bytes of a transaction")
	}
	tail, err := service.Log(t.Context(), &adminpb.LogRequest{Limit: 3})
	if err != nil || len(tail.GetEntries()) != 3 || tail.GetEntries()[2].GetIndex() != node.raft.CommitIndex() {
		t.Errorf("the tail is %v, %v, want 3 up to %d", tail, err, node.raft.CommitIndex())
	}
}

func TestBadQuestionsAreRefused(t *testing.T) {
	service, _ := inspected(t)
	for name, ask := range map[string]func(context.Context) error{
		"stage": func(ctx context.Context) error {
			_, err := service.Sessions(ctx, &adminpb.SessionsRequest{Stage: "frozen"})
			return err
		},
		"session token": func(ctx context.Context) error {
			_, err := service.Sessions(ctx, &adminpb.SessionsRequest{PageToken: "x"})
			return err
		},
		"intent token": func(ctx context.Context) error {
			_, err := service.Intents(ctx, &adminpb.IntentsRequest{PageToken: "x/y"})
			return err
		},
		"kind": func(ctx context.Context) error {
			_, err := service.Intents(ctx, &adminpb.IntentsRequest{Kind: "x"})
			return err
		},
	} {
		if err := ask(t.Context()); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// snapshotNow takes a snapshot and returns the index that it is at: the group may have
// written on since.
func snapshotNow(t *testing.T, n *Node) uint64 {
	t.Helper()
	taken := n.raft.Snapshot()
	if err := taken.Error(); err != nil {
		t.Fatal(err)
	}
	meta, content, err := taken.Open()
	if err != nil {
		t.Fatal(err)
	}
	_ = content.Close()
	return meta.Index
}

// After a restart from a snapshot a member says from where on it knows what
// happened, and what it knows is the same as before.
func TestEventsAfterARestart(t *testing.T) {
	c := startLoopback(t, 1)
	m := c.members[0]
	epoch := <-m.led
	propose := func(cmd Command) {
		t.Helper()
		if _, err := m.node.Apply(t.Context(), cmd); err != nil {
			t.Fatal(err)
		}
	}
	sealed := func(id string) Seal {
		s := seal(id)
		s.Epoch = epoch
		return s
	}
	propose(sealed("old"))
	snapshot := snapshotNow(t, m.node)
	propose(sealed("new"))
	tell := func(after uint64) *adminpb.EventsResponse {
		t.Helper()
		answer, err := (&inspect{node: m.node}).Events(t.Context(), &adminpb.EventsRequest{After: after})
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	before := tell(snapshot)
	c.kill(m)
	c.start(m)
	<-m.led
	after := tell(0)
	if after.GetCompleteAfter() < snapshot || after.GetCompleteAfter() >= before.GetEvents()[0].GetIndex() {
		t.Errorf("complete after %d, the snapshot is at %d", after.GetCompleteAfter(), snapshot)
	}
	if got, want := after.GetEvents()[0].String(), before.GetEvents()[0].String(); got != want {
		t.Errorf("tells %s, and told %s before", got, want)
	}
	if latest, err := (&inspect{node: m.node}).Events(t.Context(), &adminpb.EventsRequest{Latest: true}); err != nil || latest.GetUpTo() == 0 {
		t.Errorf("the latest is %v, %v", latest, err)
	}
}
