package claims

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/raftfsm"
)

// TestPlanScenarios runs the scenarios of testdata/plan. A scenario is a text
// of one statement a line; # starts a comment.
//
//	windows END grace=.. claim=OPEN..CLOSE proof=OPEN..CLOSE settle=..
//	session NAME end=END stage=STAGE [supplier=..] [count=..] [proof=required|not] [sealed=HEIGHT] [ended=HEIGHT] [archives=A,B]
//	spacing N      blocks are so many seconds apart
//	archives N     claims wait until so many nodes have archived the tree
//	intent NAME kind=claim|proof status=pending|landed|dead sessions=A,B [supplier=..] [code=..]
//	worth NAME reward=UPOKT cost=UPOKT   what the session brings and costs
//	keyless SUPPLIER   its key is not here, until the next plan
//	incomplete NAME    leaves of its sealed tree are missing, for the next plan
//	held NAME      an action for the session failed in this block
//	sent NAME      the intent was broadcast in this block
//	height H       plan at this height ...
//	expect ACTION  ... and expect these actions, in this order; or "nothing"
func TestPlanScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/plan/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { runScenario(t, file) })
	}
}

func runScenario(t *testing.T, file string) {
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := newScenario()
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		if err := s.statement(strings.Fields(text)); err != nil {
			t.Errorf("%s:%d: %v", file, n, err)
		}
	}
	if err := s.check(); err != nil {
		t.Errorf("%s: at its end: %v", file, err)
	}
}

type scenario struct {
	in       Input
	sessions map[string]raftfsm.Session
	intents  map[string]raftfsm.Intent
	planned  []string
	expected []string
}

func newScenario() *scenario {
	return &scenario{
		in: Input{
			KeepBlocks: 100,
			Windows:    make(map[int64]chain.Windows),
			Estimates:  make(map[chain.SessionKey]Estimate),
			Held:       make(map[chain.SessionKey]bool),
			Sent:       make(map[raftfsm.IntentKey]bool),
		},
		sessions: make(map[string]raftfsm.Session),
		intents:  make(map[string]raftfsm.Intent),
	}
}

func (s *scenario) statement(words []string) error {
	if len(words) == 0 {
		return nil
	}
	args := options(words[1:])
	switch words[0] {
	case "windows":
		w := chain.Windows{GraceEnd: args.number("grace"), Settlement: args.number("settle")}
		w.ClaimOpen, w.ClaimClose = args.span("claim")
		w.ProofOpen, w.ProofClose = args.span("proof")
		s.in.Windows[number(words[1])] = w
	case "spacing":
		s.in.Spacing = time.Duration(number(words[1])) * time.Second
	case "archives":
		s.in.Archives = int(number(words[1]))
	case "session":
		return s.session(words[1], args)
	case "intent":
		return s.intent(words[1], args)
	case "worth":
		s.in.Estimates[s.sessions[words[1]].Ref.Key()] = Estimate{Reward: float64(args.number("reward")), Cost: float64(args.number("cost"))}
	case "keyless":
		s.in.Keyless = map[string]bool{words[1]: true}
	case "incomplete":
		s.in.Incomplete = map[chain.SessionKey]bool{s.sessions[words[1]].Ref.Key(): true}
	case "held":
		s.in.Held[s.sessions[words[1]].Ref.Key()] = true
	case "sent":
		s.in.Sent[s.intents[words[1]].Key()] = true
	case "height":
		if err := s.check(); err != nil {
			return err
		}
		s.plan(number(words[1]))
	case "expect":
		s.expected = append(s.expected, strings.Join(words[1:], " "))
	default:
		return fmt.Errorf("unknown statement %q", words[0])
	}
	return nil
}

func (s *scenario) session(name string, args option) error {
	i := slices.IndexFunc(raftfsm.Stages(), func(st raftfsm.Stage) bool { return st.String() == args["stage"] })
	if i < 0 {
		return fmt.Errorf("unknown stage %q", args["stage"])
	}
	session := raftfsm.Session{
		Ref:         chain.SessionRef{Supplier: "supplier", SessionID: name, EndHeight: args.number("end")},
		Stage:       raftfsm.Stages()[i],
		Root:        []byte("root of " + name),
		Count:       1,
		SealHeight:  args.number("sealed"),
		EndedHeight: args.number("ended"),
	}
	if args["supplier"] != "" {
		session.Ref.Supplier = args["supplier"]
	}
	if args["archives"] != "" {
		session.Archives = strings.Split(args["archives"], ",")
	}
	if args["count"] != "" {
		session.Count = uint64(args.number("count"))
	}
	session.ProofRequired = map[string]raftfsm.ProofNeed{
		"required": raftfsm.ProofRequired, "not": raftfsm.ProofNotRequired,
	}[args["proof"]]
	s.sessions[name] = session
	return nil
}

func (s *scenario) intent(name string, args option) error {
	intent := raftfsm.Intent{Batch: name, Attempt: 1, Supplier: "supplier", Code: uint32(args.number("code"))}
	if args["supplier"] != "" {
		intent.Supplier = args["supplier"]
	}
	intent.Kind = map[string]raftfsm.EffectKind{"claim": raftfsm.EffectClaim, "proof": raftfsm.EffectProof}[args["kind"]]
	intent.Status = map[string]raftfsm.IntentStatus{
		"pending": raftfsm.IntentPending, "landed": raftfsm.IntentLanded, "dead": raftfsm.IntentDead,
	}[args["status"]]
	if intent.Kind == 0 || intent.Status == 0 {
		return fmt.Errorf("intent %s needs a kind and a status", name)
	}
	for _, id := range strings.Split(args["sessions"], ",") {
		intent.Sessions = append(intent.Sessions, raftfsm.IntentSession{SessionID: id})
	}
	s.intents[name] = intent
	return nil
}

func (s *scenario) plan(height int64) {
	s.in.Height = height
	s.in.Sessions, s.in.Intents = nil, nil
	for _, session := range s.sessions {
		s.in.Sessions = append(s.in.Sessions, session)
	}
	for _, intent := range s.intents {
		s.in.Intents = append(s.in.Intents, intent)
	}
	s.planned = []string{}
	for _, a := range Plan(s.in) {
		s.planned = append(s.planned, describe(a))
	}
	if len(s.planned) == 0 {
		s.planned = []string{"nothing"}
	}
	clear(s.in.Held)
	s.in.Keyless, s.in.Incomplete = nil, nil
	clear(s.in.Sent)
}

func (s *scenario) check() error {
	planned, expected := s.planned, s.expected
	s.planned, s.expected = nil, nil
	if !slices.Equal(planned, expected) {
		return fmt.Errorf("at height %d got %q, want %q", s.in.Height, planned, expected)
	}
	return nil
}

func describe(a Action) string {
	words := []string{a.Kind.String()}
	if a.Now {
		words = append(words, "now")
	}
	if a.Intent != nil {
		words = append(words, a.Intent.Batch)
	}
	for _, session := range a.Sessions {
		words = append(words, session.Ref.SessionID)
	}
	if a.Kind == ActionEnd {
		words = append(words, a.Stage.String())
	}
	if a.Reason != "" {
		words = append(words, string(a.Reason))
	}
	return strings.Join(words, " ")
}

type option map[string]string

func options(words []string) option {
	o := make(option)
	for _, w := range words {
		if key, value, ok := strings.Cut(w, "="); ok {
			o[key] = value
		}
	}
	return o
}

func (o option) number(key string) int64 { return number(o[key]) }

func (o option) span(key string) (int64, int64) {
	from, to, _ := strings.Cut(o[key], "..")
	return number(from), number(to)
}

func number(s string) int64 {
	if s == "" {
		return 0
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

func TestPlanDoesNotDependOnInputOrder(t *testing.T) {
	in := Input{Height: 15, Windows: map[int64]chain.Windows{10: {ClaimOpen: 12, ClaimClose: 20, ProofOpen: 20, ProofClose: 28, Settlement: 28}}}
	for i := range 50 {
		in.Sessions = append(in.Sessions, raftfsm.Session{
			Ref:   chain.SessionRef{Supplier: fmt.Sprint("supplier", i%3), SessionID: fmt.Sprintf("s%02d", i), EndHeight: 10},
			Stage: raftfsm.Stages()[i%4], Count: 1, Root: []byte{byte(i)},
		})
	}
	want := fmt.Sprint(Plan(in))
	slices.Reverse(in.Sessions)
	if got := fmt.Sprint(Plan(in)); got != want {
		t.Errorf("the plan of the reversed input differs:\n got %s\nwant %s", got, want)
	}
}

// BenchmarkPlan plans the block at which the claim window of 2,000 sessions opens,
// with as many that wait for settlement. Budget: 50 ms.
func BenchmarkPlan(b *testing.B) {
	in := Input{Height: 31, Estimates: make(map[chain.SessionKey]Estimate), Windows: map[int64]chain.Windows{
		10: {ClaimOpen: 12, ClaimClose: 20, ProofOpen: 20, ProofClose: 28, Settlement: 28},
		28: {ClaimOpen: 30, ClaimClose: 38, ProofOpen: 38, ProofClose: 46, Settlement: 46},
	}}
	for i := range 4_000 {
		s := raftfsm.Session{
			Ref: chain.SessionRef{Supplier: fmt.Sprint("supplier", i%200), SessionID: fmt.Sprint("session", i), EndHeight: 28}, Stage: raftfsm.StageSealed, Count: 1,
		}
		if i%2 == 0 {
			s.Ref.EndHeight, s.Stage = 10, raftfsm.StageProved
		}
		in.Estimates[s.Ref.Key()] = Estimate{Reward: 2, Cost: 1}
		in.Sessions = append(in.Sessions, s)
	}
	b.ReportAllocs()
	for b.Loop() {
		if got := len(Plan(in)); got != 2_000+100 {
			b.Fatalf("%d actions, want 2,000 settlements and a claim transaction for each of 100 suppliers", got)
		}
	}
}
