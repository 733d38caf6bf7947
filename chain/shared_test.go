package chain

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"
)

// sharedMap is a Shared that keeps everything until it is dropped.
type sharedMap struct{ sync.Map }

func (s *sharedMap) Get(_ context.Context, name string) ([]byte, bool) {
	value, ok := s.Load(name)
	if !ok {
		return nil, false
	}
	return value.([]byte), true
}

func (s *sharedMap) Set(_ context.Context, name string, value []byte, _ time.Duration) {
	s.Store(name, value)
}

func (s *sharedMap) Drop(_ context.Context, names []string) {
	for _, name := range names {
		s.Delete(name)
	}
}

// Four relayers that share answers ask the chain hardly more often than one would.
func TestRolloverOfAFleet(t *testing.T) {
	chain, shared := newAskedChain(), new(sharedMap)
	chain.takes = 2 * time.Millisecond
	var relayers []*Client
	var feeds []*Feed
	for range 4 {
		c, feed := chain.client(t, Options{Grace: time.Hour, Shared: shared})
		relayers, feeds = append(relayers, c), append(feeds, feed)
	}
	roll(t, relayers, feeds)
	sessions, asked := 0, 0
	for question, times := range chain.questions() {
		if strings.Contains(question, "GetSession") && strings.Contains(question, "block_height:11") {
			sessions++
			asked += times
		}
	}
	t.Logf("%d sessions, %d questions of 4 relayers", sessions, asked)
	if sessions != rolloverApplications || asked > 2*sessions {
		t.Errorf("%d questions about %d sessions, want at most two a session, and %d sessions", asked, sessions, rolloverApplications)
	}
}

// What one relayer has asked for is what another reads.
func TestSharedAnswersAreTheChains(t *testing.T) {
	chain, shared := newAskedChain(), new(sharedMap)
	first, feed := chain.client(t, Options{Shared: shared})
	second, _ := chain.client(t, Options{Shared: shared})
	alone, _ := chain.client(t, Options{})
	step(first, feed, 10)
	for _, c := range []*Client{first, second, alone} {
		if err := relayOf(t.Context(), c, application(1), 1, 10); err != nil {
			t.Fatal(err)
		}
	}
	chain.questions()
	want, err := alone.Session(t.Context(), application(1), "svc", 1)
	if err != nil {
		t.Fatal(err)
	}
	got, err := second.Session(t.Context(), application(1), "svc", 1)
	if err != nil || got.String() != want.String() {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	ours, err := second.RingKeys(t.Context(), application(1), 10)
	theirs, _ := alone.RingKeys(t.Context(), application(1), 10)
	if err != nil || len(ours) != 2 || string(ours[0])+string(ours[1]) != string(theirs[0])+string(theirs[1]) {
		t.Errorf("got ring %x, %v, want %x", ours, err, theirs)
	}
	// An event about an application takes back what is shared.
	second.forget(Event{Kind: EventApplication, Application: application(1)})
	if _, ok := shared.Get(t.Context(), "application/"+application(1)); ok {
		t.Error("an application that has changed is still shared")
	}
	// What cannot be read is asked for.
	shared.Store("application/"+application(1), []byte("junk"))
	if _, err := second.applications.get(t.Context(), application(1)); err != nil {
		t.Error(err)
	}
	if n := len(chain.questions()); n != 1 {
		t.Errorf("%d questions, want one about the application", n)
	}
}
