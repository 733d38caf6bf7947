package chain

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
)

const (
	rolloverApplications = 1000
	rolloverRate         = 1000 // relays a second
	rolloverRelays       = 2000
)

// relayOf asks what a relayer asks of the chain for a relay.
func relayOf(ctx context.Context, c *Client, application string, start, end int64) error {
	if _, err := c.SharedParams(ctx, end); err != nil {
		return err
	}
	if _, err := c.RingKeys(ctx, application, end); err != nil {
		return err
	}
	session, err := c.Session(ctx, application, "svc", start)
	if err != nil {
		return err
	}
	if _, err := c.Difficulty(ctx, "svc", start); err != nil {
		return err
	}
	if _, err := c.ComputeUnitsPerRelay(ctx, "svc", start); err != nil {
		return err
	}
	_, err = c.RelayBudget(ctx, NewSessionRef("pokt1supplier", session.GetHeader()))
	return err
}

func application(i int) string { return fmt.Sprintf("pokt1application%027d", i) }

// roll has relayers serve the session from 1 to 10, then lets the one from 11 to 20 begin
// while relays of all applications come. It returns how long relays waited for what
// the chain knows.
func roll(t testing.TB, relayers []*Client, feeds []*Feed) (waited []time.Duration) {
	ctx, cancel := context.WithCancel(context.Background())
	var background sync.WaitGroup
	for i, c := range relayers {
		step(c, feeds[i], 10)
		var first sync.WaitGroup
		for i := range rolloverApplications {
			first.Go(func() {
				if err := relayOf(ctx, c, application(i), 1, 10); err != nil {
					t.Errorf("before: %v", err)
				}
			})
		}
		first.Wait()
		background.Go(func() { c.Prewarm(ctx, feeds[i]) })
	}
	defer background.Wait()
	defer cancel()
	var mu sync.Mutex
	var relays sync.WaitGroup
	order := rand.Perm(rolloverApplications)
	for i, c := range relayers {
		step(c, feeds[i], 11)
	}
	began := time.Now()
	for n := range rolloverRelays {
		time.Sleep(time.Until(began.Add(time.Duration(n) * time.Second / rolloverRate)))
		relays.Go(func() {
			asked := time.Now()
			err := relayOf(ctx, relayers[n%len(relayers)], application(order[n%rolloverApplications]), 11, 20)
			mu.Lock()
			defer mu.Unlock()
			waited = append(waited, time.Since(asked))
			if err != nil {
				t.Errorf("after: %v", err)
			}
		})
	}
	relays.Wait()
	slices.Sort(waited)
	return waited
}

// When a session begins for a thousand applications at once, the chain is asked every
// question once, however many relays wait for the answer.
func TestRolloverAsksEveryQuestionOnce(t *testing.T) {
	chain := newAskedChain()
	chain.takes = 2 * time.Millisecond
	c, feed := chain.client(t, Options{Grace: time.Hour})
	began := time.Now()
	waited := roll(t, []*Client{c}, []*Feed{feed})
	t.Logf("%d relays waited for the chain: p50 %s, p99 %s, most %s", len(waited), waited[len(waited)/2], waited[len(waited)*99/100], waited[len(waited)-1])
	questions := chain.questions()
	// On a machine so busy that what is known of an application grew old meanwhile, it
	// is asked for again.
	once := 1 + int(time.Since(began)/applicationTTL)
	for question, times := range questions {
		if times > once {
			t.Errorf("asked %d times: %s", times, question)
		}
	}
	// Two sessions, an application and its account each, the gateway's, and what is of
	// no application.
	if want := 4 * rolloverApplications; len(questions) < want || len(questions) > want+20 {
		t.Errorf("%d questions, want little more than %d", len(questions), want)
	}
}

// Who is not asked about any more is not asked for either.
func TestPrewarmForgetsWhoLeft(t *testing.T) {
	chain := newAskedChain()
	c, feed := chain.client(t, Options{})
	ctx := t.Context()
	step(c, feed, 10)
	for i := range 3 {
		if err := relayOf(ctx, c, application(i), 1, 10); err != nil {
			t.Fatal(err)
		}
	}
	chain.questions()
	step(c, feed, 11)
	c.prewarm(ctx, 11, 20)
	if got := len(c.usersOf(1)); got != 3 {
		t.Errorf("%d applications used the first session, want 3", got)
	}
	before := chain.questions()
	if err := relayOf(ctx, c, application(0), 11, 20); err != nil {
		t.Fatal(err)
	}
	for question := range chain.questions() {
		if before[question] > 0 {
			t.Errorf("prewarmed and asked again: %s", question)
		}
	}
	step(c, feed, 21)
	c.prewarm(ctx, 21, 30)
	if got := c.usersOf(11); len(got) != 1 || got[0].application != application(0) {
		t.Errorf("in use: %v, want the first only", got)
	}
	for _, app := range []string{application(1), application(2)} {
		if _, known := c.sessions.cache.GetIfPresent(sessionQuery{app, "svc", 21}); known {
			t.Errorf("%s was prewarmed, and has left", app)
		}
	}
}

// Sessions, the largest of what is kept, have no more memory than there is room for.
func TestMemoryOfSessions(t *testing.T) {
	chain := newAskedChain()
	c, feed := chain.client(t, Options{})
	step(c, feed, 10)
	before := heap()
	for i := range cacheSize + cacheSize/10 {
		if _, err := c.Session(t.Context(), application(i), "svc", 1); err != nil {
			t.Fatal(err)
		}
	}
	c.sessions.cache.CleanUp()
	if got := c.sessions.cache.EstimatedSize(); got > cacheSize {
		t.Errorf("%d sessions, at most %d are to be kept", got, cacheSize)
	}
	chain.questions()
	grown := int64(heap()-before) >> 20
	t.Logf("%d sessions of %d suppliers take %d MiB", c.sessions.cache.EstimatedSize(), chain.suppliers, grown)
	if grown > maxSessionMiB {
		t.Errorf("the heap has grown by %d MiB, at most %d are budgeted", grown, maxSessionMiB)
	}
}

// maxSessionMiB is more than sessions of 15 suppliers take when there is no room for
// more of them.
const maxSessionMiB = 160

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkRollover tells how long relays wait for the chain while a session begins.
func BenchmarkRollover(b *testing.B) {
	for b.Loop() {
		chain := newAskedChain()
		chain.takes = 5 * time.Millisecond
		c, feed := chain.client(b, Options{})
		waited := roll(b, []*Client{c}, []*Feed{feed})
		b.ReportMetric(float64(waited[len(waited)*99/100].Microseconds())/1000, "p99-ms")
		b.ReportMetric(float64(waited[len(waited)-1].Microseconds())/1000, "max-ms")
		most := 0
		for _, times := range chain.questions() {
			most = max(most, times)
		}
		b.ReportMetric(float64(most), "asked/question")
	}
}
