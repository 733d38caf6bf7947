package raftfsm

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

// notes is a ledger in memory.
type notes struct {
	mu     sync.Mutex
	kept   []*adminpb.SessionResponse
	synced int
	broken error
}

func (n *notes) Keep(forgotten []*adminpb.SessionResponse) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.kept = append(n.kept, forgotten...)
}

func (n *notes) Sync() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.synced = len(n.kept)
	return n.broken
}

func (n *notes) Find(key chain.SessionKey) (*adminpb.SessionResponse, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	at := slices.IndexFunc(n.kept, func(s *adminpb.SessionResponse) bool {
		return s.GetSession().GetSupplier() == key.Supplier && s.GetSession().GetSessionId() == key.SessionID
	})
	if at < 0 {
		return nil, nil
	}
	return n.kept[at], nil
}

func (n *notes) Page(token string, limit int) ([]*adminpb.SessionResponse, string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	from, _ := strconv.Atoi(token) // no token is 0
	to := min(from+limit, len(n.kept))
	if to == len(n.kept) {
		return n.kept[from:], "", nil
	}
	return n.kept[from:to], strconv.Itoa(to), nil
}

func (n *notes) ids() (ids []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, s := range n.kept {
		ids = append(ids, s.GetSession().GetSessionId())
	}
	return ids
}

// What is forgotten is kept, with its intents, and again when the log is applied
// again. A refused command forgets nothing.
func TestForgottenSessionsAreKept(t *testing.T) {
	book := &notes{}
	steps := append(claimed(), ok(seal("other"), advance("s", StageSettled))...)
	steps = append(steps, refused(forget("other"), ErrTransition))
	steps = append(steps, ok(forget("s", "never seen"))...)
	apply := func(f *FSM) {
		for n, step := range steps {
			if outcome := f.Apply(logged(t, uint64(n+1), step.cmd)).(applied); !errors.Is(outcome.err, step.want) {
				t.Fatalf("step %d: %v, want %v", n+1, outcome.err, step.want)
			}
		}
	}
	f := NewFSM(func(err error) { t.Error(err) }, noTime, book)
	apply(f)
	if got := book.ids(); !slices.Equal(got, []string{"s"}) {
		t.Fatalf("kept %v, want s", got)
	}
	s := book.kept[0]
	if s.Session.GetStage() != "settled" || s.Session.GetUpokt() != 11 || len(s.Intents) != 1 || s.Intents[0].GetStatus() != "landed" {
		t.Errorf("kept %v", s)
	}
	apply(NewFSM(func(err error) { t.Error(err) }, noTime, book))
	if got := book.ids(); !slices.Equal(got, []string{"s", "s"}) {
		t.Errorf("told again: kept %v", got)
	}
}

// The log may be cut after a snapshot, so there is none before the ledger is written.
func TestNoSnapshotBeforeTheLedgerIsDurable(t *testing.T) {
	book := &notes{broken: errors.New("disk full")}
	f := NewFSM(func(err error) { t.Error(err) }, noTime, book)
	for n, step := range append(claimed(), ok(advance("s", StageSettled), forget("s"))...) {
		f.Apply(logged(t, uint64(n+1), step.cmd))
	}
	snapshot, err := f.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	sink := &memorySink{}
	if err := snapshot.Persist(sink); !errors.Is(err, book.broken) || !sink.cancelled {
		t.Errorf("got %v, cancelled %v", err, sink.cancelled)
	}
	book.broken = nil
	if err := snapshot.Persist(sink); err != nil || book.synced != 1 {
		t.Errorf("got %v, %d sessions synced", err, book.synced)
	}
}

type memorySink struct {
	bytes.Buffer
	cancelled bool
}

func (s *memorySink) ID() string    { return "snapshot" }
func (s *memorySink) Close() error  { return nil }
func (s *memorySink) Cancel() error { s.cancelled = true; return nil }

// A member whose state was replaced by a snapshot gets from the others what was
// forgotten before it, and shows it.
func TestLedgerIsFilledFromOthers(t *testing.T) {
	books := make(map[string]*notes)
	c := startLoopbackWith(t, 2, func(cfg *Config) {
		books[cfg.NodeID] = &notes{}
		cfg.Ledger = books[cfg.NodeID]
	})
	leader, _ := c.leader()
	follower := c.members[0]
	if follower == leader {
		follower = c.members[1]
	}
	for _, m := range c.members {
		serveAdmin(t, m)
	}
	var want []string
	for n := range pageDefault + 7 {
		r := &Session{Ref: ref(supplier, fmt.Sprintf("s%04d", n)), Stage: StageSettled, Upokt: 3}
		books[leader.cfg.NodeID].Keep([]*adminpb.SessionResponse{{Session: sessionRecord(r)}})
		want = append(want, r.Ref.SessionID)
	}
	var saved bytes.Buffer
	if err := follower.node.fsm.freeze().Encode(&saved); err != nil {
		t.Fatal(err)
	}
	if err := follower.node.fsm.Restore(io.NopCloser(&saved)); err != nil {
		t.Fatal(err)
	}
	mine := books[follower.cfg.NodeID]
	waitFor(t, "the ledger is filled", func() bool { return len(mine.ids()) >= len(want) })
	if got := mine.ids(); !slices.Equal(got, want) {
		t.Errorf("got %d sessions, want %d", len(got), len(want))
	}
	shown, err := (&inspect{node: follower.node}).Session(t.Context(), &adminpb.SessionRequest{Supplier: supplier, SessionId: "s0003"})
	if err != nil || shown.GetSession().GetUpokt() != 3 {
		t.Errorf("got %v, %v", shown, err)
	}
}

// Pages of accounts, put together, are what is live and then what is kept.
func TestAccountsAreLiveAndKept(t *testing.T) {
	service, node := inspected(t)
	book := &notes{}
	node.cfg.Ledger = book
	old := &Session{Ref: ref("pokt1z", "old"), Stage: StageSettled, EndedHeight: 40, EndedTime: 1000}
	book.Keep([]*adminpb.SessionResponse{{Session: sessionRecord(old)}})
	for name, row := range map[string]struct {
		request *adminpb.AccountsRequest
		want    int
	}{
		"all":             {&adminpb.AccountsRequest{}, 25},
		"live":            {&adminpb.AccountsRequest{Live: true}, 24},
		"ledger":          {&adminpb.AccountsRequest{Ledger: true}, 1},
		"of one supplier": {&adminpb.AccountsRequest{Supplier: "pokt1z"}, 1},
		"of one service":  {&adminpb.AccountsRequest{Service: "other"}, 12},
		"not that old":    {&adminpb.AccountsRequest{SinceUnix: 1001}, 24},
		"just as old":     {&adminpb.AccountsRequest{SinceUnix: 1000}, 25},
	} {
		for size := range uint32(27) {
			request := row.request
			request.PageSize, request.PageToken = size, ""
			got := make(map[string]bool)
			for n := 0; n == 0 || request.PageToken != ""; n++ {
				answer, err := service.Accounts(t.Context(), request)
				if err != nil {
					t.Fatal(err)
				}
				for _, a := range answer.GetAccounts() {
					got[a.GetSession().GetSessionId()] = true
				}
				request.PageToken = answer.GetNextPageToken()
			}
			if len(got) != row.want {
				t.Errorf("%s, pages of %d: %d accounts, want %d", name, size, len(got), row.want)
			}
		}
	}
}

// While a build that does not know the newer fields is a member, states have none.
func TestDatesWaitForOldBuilds(t *testing.T) {
	c := startLoopback(t, 1)
	leader, epoch := c.leader()
	old := c.newcomer("old", func(cfg *Config) { cfg.commandSet = datedSince - 1 })
	promoted(t, leader, old)
	for _, cmd := range []Command{
		Seal{Epoch: epoch, Ref: ref(supplier, "s"), Root: root(1), Height: 22, Worth: 9, Lost: 3},
		Advance{Epoch: epoch, Transitions: []Transition{{Key: key("s"), Stage: StageLost, Height: 40, Time: 1000, Worth: 9, Lost: 3}}},
	} {
		if _, err := leader.node.Apply(t.Context(), cmd); err != nil {
			t.Fatal(err)
		}
	}
	for _, sealed := range []Seal{{Root: root(1)}, {Root: root(2), Instead: root(1)}} {
		sealed.Epoch, sealed.Ref = epoch, ref(supplier, "t")
		if _, err := leader.node.Apply(t.Context(), sealed); (err != nil) != (sealed.Instead != nil) {
			t.Errorf("sealed with %x instead of %x: %v", sealed.Root, sealed.Instead, err)
		}
	}
	leader.node.View(func(s *State) {
		if r, _ := s.Session(key("s")); r.EndedHeight != 40 || r.SealHeight != 0 || r.FirstHeight != 0 || r.EndedTime != 0 || r.Worth != 0 || r.Lost != 0 {
			t.Errorf("got %+v", r)
		}
	})
}
