package ledger

import (
	"bytes"
	"fmt"
	"os"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

func openBook(t interface{ Fatal(...any) }, dir string) *Book {
	b, err := Open(dir, prometheus.NewRegistry(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func session(supplier, id string, end int64) *adminpb.SessionResponse {
	return &adminpb.SessionResponse{
		Session: &adminpb.SessionRecord{
			Supplier: supplier, SessionId: id, Service: "svc", Application: "app", EndHeight: end, Stage: "settled",
			Relays: 7, ComputeUnits: 70, Upokt: 42, Root: []byte(id), EndedHeight: end + 18, EndedUnix: 1_700_000_000,
		},
		Intents: []*adminpb.IntentRecord{{Batch: "b" + id, Attempt: 1, Kind: "claim", Status: "landed"}},
	}
}

// all are the sessions of a book, page by page.
func all(t interface{ Fatal(...any) }, b *Book, limit int) (sessions []*adminpb.SessionResponse) {
	token := ""
	for {
		kept, next, err := b.Page(token, limit)
		if err != nil {
			t.Fatal(err)
		}
		sessions = append(sessions, kept...)
		if token = next; token == "" {
			return sessions
		}
	}
}

// However often a process is killed, with whatever part of its last write on disk, and
// told the same sessions again: each is there once, as it was told.
func TestLedgerAfterKillsEqualsTheDirectOne(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		dir, err := os.MkdirTemp("", "ledger")
		if err != nil {
			r.Fatal(err)
		}
		defer os.RemoveAll(dir)
		book := openBook(r, dir)
		want := make(map[string]*adminpb.SessionResponse)
		var told []*adminpb.SessionResponse // the log: it may be told again from anywhere
		durable := 0                        // of it; what is before may not come again
		for range rapid.IntRange(1, 30).Draw(r, "steps") {
			switch rapid.SampledFrom([]string{"keep", "keep", "sync", "kill"}).Draw(r, "step") {
			case "keep":
				n := len(told)
				s := session("pokt1a", fmt.Sprintf("s%03d", n), int64(rapid.IntRange(1, 5*span).Draw(r, "end")))
				told, want[s.Session.SessionId] = append(told, s), s
				book.Keep(told[n:])
			case "sync":
				if err := book.Sync(); err != nil {
					r.Fatal(err)
				}
				durable = len(told)
			case "kill":
				if rapid.Bool().Draw(r, "written") {
					_ = book.Sync()
					tear(r, dir, book, told[durable:])
				}
				book = openBook(r, dir)
				book.Keep(told[rapid.IntRange(0, durable).Draw(r, "from"):])
			}
		}
		got := all(r, book, rapid.IntRange(1, 8).Draw(r, "page"))
		if len(got) != len(want) {
			r.Fatalf("%d sessions, want %d", len(got), len(want))
		}
		for _, s := range got {
			if w := want[s.GetSession().GetSessionId()]; !proto.Equal(s, w) {
				r.Fatalf("got %v, want %v", s, w)
			}
		}
	})
}

// tear cuts somewhere into what was written after the last sync.
func tear(r *rapid.T, dir string, b *Book, fresh []*adminpb.SessionResponse) {
	if len(fresh) == 0 {
		return
	}
	path := b.path(fresh[len(fresh)-1].GetSession().GetEndHeight() / span)
	content, err := os.ReadFile(path)
	if err != nil {
		r.Fatal(err)
	}
	whole := bytes.TrimSuffix(content, []byte("\n"))
	last := len(whole) - bytes.LastIndexByte(whole, '\n')
	if err := os.Truncate(path, int64(len(content)-rapid.IntRange(0, last-1).Draw(r, "torn"))); err != nil {
		r.Fatal(err)
	}
}

func TestDamagedLineIsLeftOut(t *testing.T) {
	dir := t.TempDir()
	b := openBook(t, dir)
	b.Keep([]*adminpb.SessionResponse{session("a", "s1", 10), session("a", "s2", 10), session("a", "s3", 10)})
	if err := b.Sync(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(b.path(0))
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(content, []byte("s2"))
	content[at] = 'x'
	if err := os.WriteFile(b.path(0), content, 0o600); err != nil {
		t.Fatal(err)
	}
	b = openBook(t, dir)
	b.Keep([]*adminpb.SessionResponse{session("a", "s4", 10)})
	var got []string
	for _, s := range all(t, b, 2) {
		got = append(got, s.GetSession().GetSessionId())
	}
	if fmt.Sprint(got) != "[s1 s3 s4]" {
		t.Errorf("got %v, want [s1 s3 s4]", got)
	}
}

func TestFindLooksInEveryFile(t *testing.T) {
	b := openBook(t, t.TempDir())
	b.Keep([]*adminpb.SessionResponse{session("a", "s1", 10), session("a", "s2", 5*span), session("b", "s1", 9*span)})
	for _, want := range []*adminpb.SessionResponse{session("a", "s1", 10), session("a", "s2", 5*span), session("b", "s1", 9*span)} {
		if got, err := b.Find(keyOf(want)); err != nil || !proto.Equal(got, want) {
			t.Errorf("got %v, %v, want %v", got, err, want)
		}
	}
	if got, err := b.Find(keyOf(session("b", "s2", 10))); got != nil || err != nil {
		t.Errorf("found %v, %v", got, err)
	}
}
