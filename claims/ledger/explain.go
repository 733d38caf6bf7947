package ledger

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/raftfsm/adminpb"
)

// The links of the chain from a relay to money.
const (
	LinkServed = "served"
	LinkSealed = "sealed"
	LinkClaim  = "claim"
	LinkProof  = "proof"
	LinkPaid   = "paid"
)

// Happening is a line of a session's timeline. Height is 0 when it is not known.
type Happening struct {
	Height int64
	Link   string
	What   string
}

// Verdict is where a session stands.
type Verdict struct {
	Link   string // that it broke at, or waits for; paid at the end
	Broken bool
	Why    string
}

// Explain tells a session's life in order. windows may be nil when nobody knows them.
func Explain(a *adminpb.SessionResponse, windows *chain.Windows) ([]Happening, Verdict) {
	s := a.GetSession()
	t := &timeline{session: s, intents: slices.Clone(a.GetIntents())}
	slices.SortStableFunc(t.intents, func(x, y *adminpb.IntentRecord) int {
		return cmp.Or(cmp.Compare(x.GetIntendedHeight(), y.GetIntendedHeight()), cmp.Compare(x.GetAttempt(), y.GetAttempt()))
	})
	t.add(s.GetStartHeight(), LinkServed, "session begins: service %s, application %s", s.GetService(), s.GetApplication())
	if s.GetFirstHeight() > 0 {
		t.add(s.GetFirstHeight(), LinkServed, "the group hears of its first relays")
	}
	t.add(s.GetEndHeight(), LinkServed, "session ends")
	if s.GetSealHeight() > 0 {
		t.add(s.GetSealHeight(), LinkSealed, "sealed with %d relays, %d compute units, worth %s", s.GetRelays(), s.GetComputeUnits(), worth(s))
	}
	if s.GetRelaysLost() > 0 {
		t.add(cmp.Or(s.GetSealHeight(), s.GetEndedHeight()), LinkSealed, "%s missing: redis lost them", plural(int(s.GetRelaysLost()), "relay"))
	}
	t.window(LinkClaim, windows, func(w *chain.Windows) (int64, int64) { return w.ClaimOpen, w.ClaimClose })
	t.effect(kindClaim, s.GetClaimHeight(), "claim is on chain")
	if onChain(s) {
		t.window(LinkProof, windows, func(w *chain.Windows) (int64, int64) { return w.ProofOpen, w.ProofClose })
		t.effect(kindProof, s.GetProofHeight(), "proof is on chain, and valid")
	}
	verdict := t.verdict()
	if s.GetEndedHeight() > 0 {
		t.add(s.GetEndedHeight(), verdict.Link, "%s", verdict.Why)
	}
	slices.SortStableFunc(t.happenings, func(x, y Happening) int { return cmp.Compare(x.Height, y.Height) })
	return t.happenings, verdict
}

type timeline struct {
	session    *adminpb.SessionRecord
	intents    []*adminpb.IntentRecord
	happenings []Happening
}

func (t *timeline) add(height int64, link, format string, args ...any) {
	t.happenings = append(t.happenings, Happening{height, link, fmt.Sprintf(format, args...)})
}

func (t *timeline) window(link string, windows *chain.Windows, of func(*chain.Windows) (opens, closes int64)) {
	if windows == nil {
		return
	}
	opens, closes := of(windows)
	what := fmt.Sprintf("window for the %s opens, until %d", link, closes)
	if link == LinkProof {
		what += ": proof " + t.session.GetProof()
	}
	t.add(opens, link, "%s", what)
}

// effect tells of the transactions of a kind, and of what they did.
func (t *timeline) effect(kind string, landed int64, done string) {
	for _, i := range t.intents {
		if i.GetKind() != kind {
			continue
		}
		tx := fmt.Sprintf("%s transaction %.8s/%d", kind, i.GetBatch(), i.GetAttempt())
		t.add(i.GetIntendedHeight(), kind, "%s decided: %s, hash %X", tx, plural(len(i.GetSessions()), "session"), i.GetTxHash())
		if i.GetStatus() == statusDead {
			t.add(i.GetHeight(), kind, "%s is dead: %s", tx, deathOf(i))
		}
	}
	if landed > 0 {
		t.add(landed, kind, "%s", done)
	}
}

func deathOf(i *adminpb.IntentRecord) string {
	if i.GetCode() != 0 {
		return fmt.Sprintf("code %d, %s", i.GetCode(), i.GetReason())
	}
	return i.GetReason()
}

// verdict names the link that is broken, or waited for.
func (t *timeline) verdict() Verdict {
	s := t.session
	switch s.GetStage() {
	case stageSettled:
		return Verdict{LinkPaid, false, fmt.Sprintf("settled: %d uPOKT for %s", s.GetUpokt(), plural(int(s.GetRelays()), "relay"))}
	case stageActive:
		return Verdict{LinkSealed, false, fmt.Sprintf("takes relays, %d so far", s.GetRelays())}
	case stageSealed:
		return Verdict{LinkClaim, false, "sealed, " + t.waiting(kindClaim)}
	case stageClaimed:
		if s.GetProof() == proofNotRequired {
			return Verdict{LinkPaid, false, "claimed, no proof is required, waits for settlement"}
		}
		return Verdict{LinkProof, false, fmt.Sprintf("claimed, proof %s, %s", s.GetProof(), t.waiting(kindProof))}
	case stageProved:
		return Verdict{LinkPaid, false, "proved, waits for settlement"}
	case stageSkipped:
		return Verdict{LinkClaim, true, "not claimed: " + s.GetReason()}
	}
	link := LinkSealed
	switch {
	case s.GetProofHeight() > 0, s.GetClaimHeight() > 0 && s.GetProof() == proofNotRequired:
		link = LinkPaid
	case s.GetClaimHeight() > 0:
		link = LinkProof
	case s.GetSealHeight() > 0:
		link = LinkClaim
	}
	why := fmt.Sprintf("%s: %s, worth %s", s.GetStage(), s.GetReason(), worth(s))
	if last := t.last(link); last != nil {
		why += fmt.Sprintf("; the last of %s: %s", plural(t.attempts(link), "transaction"), cmp.Or(deathOf(last), last.GetStatus()))
	} else if link == LinkClaim || link == LinkProof {
		why += "; no transaction was decided"
	}
	return Verdict{link, true, why}
}

// waiting says what a kind of transaction is up to.
func (t *timeline) waiting(kind string) string {
	last := t.last(kind)
	switch {
	case last == nil:
		return "no transaction yet"
	case last.GetStatus() == statusPending:
		return fmt.Sprintf("transaction %.8s/%d is sent every block", last.GetBatch(), last.GetAttempt())
	}
	return fmt.Sprintf("the last of %s is %s: %s", plural(t.attempts(kind), "transaction"), last.GetStatus(), deathOf(last))
}

func (t *timeline) last(kind string) (last *adminpb.IntentRecord) {
	for _, i := range t.intents {
		if i.GetKind() == kind {
			last = i
		}
	}
	return last
}

func (t *timeline) attempts(kind string) (n int) {
	for _, i := range t.intents {
		if i.GetKind() == kind {
			n++
		}
	}
	return n
}

func worth(s *adminpb.SessionRecord) string {
	if s.GetWorthUpokt() == 0 {
		return "an unknown sum"
	}
	return fmt.Sprintf("%d uPOKT", s.GetWorthUpokt())
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Text is a timeline for people, a line each.
func Text(happenings []Happening, verdict Verdict) string {
	var b strings.Builder
	for _, h := range happenings {
		height := "?"
		if h.Height > 0 {
			height = fmt.Sprint(h.Height)
		}
		fmt.Fprintf(&b, "%9s  %-6s  %s\n", height, h.Link, h.What)
	}
	switch {
	case verdict.Broken:
		fmt.Fprintf(&b, "broken link: %s\n  %s\n", verdict.Link, verdict.Why)
	case verdict.Link == LinkPaid && strings.HasPrefix(verdict.Why, stageSettled):
		fmt.Fprintf(&b, "every link holds\n")
	default:
		fmt.Fprintf(&b, "next link: %s\n  %s\n", verdict.Link, verdict.Why)
	}
	return b.String()
}
