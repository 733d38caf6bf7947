package raftfsm

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/raftminer/raftminer/chain"
)

const supplier = "pokt1supplier"

var (
	epoch1 = Epoch{Generation: 1, Term: 3}
	epoch2 = Epoch{Generation: 1, Term: 4}
)

// step is a command and the refusal it must meet, nil for none.
type step struct {
	cmd  Command
	want error
}

func ok(cmds ...Command) []step {
	var steps []step
	for _, c := range cmds {
		steps = append(steps, step{cmd: c})
	}
	return steps
}

func opened() []step {
	return ok(Init{ClusterID: "c", Partitions: 4}, OpenEpoch{Epoch: epoch1, Owner: "m1#a"})
}

func seal(id string) Seal {
	return Seal{Epoch: epoch1, Ref: ref(supplier, id), Root: root(1), Count: 5, Sum: 50, Seq: 9}
}

func intend(batch string, attempt uint32, kind EffectKind, ids ...string) Intend {
	return Intend{Epoch: epoch1, Intent: intent(batch, attempt, kind, supplier, ids...)}
}

func resolve(batch string, attempt uint32, status IntentStatus) Resolve {
	return Resolve{Epoch: epoch1, Batch: batch, Attempt: attempt, Status: status, Code: 7, Reason: "why", Height: 30}
}

func advance(id string, stage Stage) Advance {
	return Advance{Epoch: epoch1, Transitions: []Transition{{Key: key(id), Stage: stage, Reason: "why", Height: 40, Upokt: 11}}}
}

func forget(ids ...string) Forget {
	f := Forget{Epoch: epoch1}
	for _, id := range ids {
		f.Keys = append(f.Keys, key(id))
	}
	return f
}

func key(id string) chain.SessionKey { return chain.SessionKey{Supplier: supplier, SessionID: id} }

// claimed brings session s to claimed.
func claimed() []step {
	return append(opened(), ok(seal("s"), intend("b", 1, EffectClaim, "s"), resolve("b", 1, IntentLanded))...)
}

// refused is one command that must be refused.
func refused(cmd Command, want error) step { return step{cmd: cmd, want: want} }

func stateRefusals() map[string][]step {
	other := seal("s")
	other.Root = root(2)
	again := other
	again.Instead = root(1)
	mistaken := again
	mistaken.Instead = root(3)
	kept := append(opened(), ok(Admit{Epoch: epoch1, NodeID: "m2", Instance: "a"}, seal("s"), archivedBy("m2", "s"))...)
	badHash := intend("b", 1, EffectClaim, "s")
	badHash.Intent.TxHash = root(0)
	otherRoot := intend("b", 1, EffectClaim, "s")
	otherRoot.Intent.Sessions[0].Root = root(2)
	after := func(before []step, last step) []step { return append(before, last) }
	admit := func(instance string) Admit { return Admit{Epoch: epoch1, NodeID: "m2", Instance: instance} }
	retired := append(opened(), ok(admit("a"), Retire{Epoch: epoch1, NodeID: "m2"})...)
	return map[string][]step{
		"admit in another epoch":    after(opened(), refused(Admit{Epoch: epoch2, NodeID: "m2", Instance: "a"}, ErrStaleEpoch)),
		"admit no instance":         after(opened(), refused(admit(""), ErrInvalid)),
		"admit an odd id":           after(opened(), refused(Admit{Epoch: epoch1, NodeID: "a/b", Instance: "a"}, ErrInvalid)),
		"admit another directory":   after(append(opened(), ok(admit("a"))...), refused(admit("b"), ErrConflict)),
		"admit a retired directory": after(retired, refused(admit("a"), ErrConflict)),
		"retire in another epoch":   after(opened(), refused(Retire{Epoch: epoch2, NodeID: "m2"}, ErrStaleEpoch)),
		"drain a stranger":          after(opened(), refused(Drain{Epoch: epoch1, NodeID: "m2"}, ErrNotFound)),
		"drain in another epoch":    after(opened(), refused(Drain{Epoch: epoch2, NodeID: "m2"}, ErrStaleEpoch)),
		"init without cluster":      {refused(Init{Partitions: 1}, ErrInvalid)},
		"init without partitions":   {refused(Init{ClusterID: "c"}, ErrInvalid)},
		"init other cluster":        after(opened(), refused(Init{ClusterID: "d", Partitions: 4}, ErrClusterMismatch)),
		"init other partitions":     after(opened(), refused(Init{ClusterID: "c", Partitions: 5}, ErrClusterMismatch)),
		"epoch before init":         {refused(OpenEpoch{Epoch: epoch1, Owner: "m"}, ErrNotInitialized)},
		"epoch without owner":       after(opened(), refused(OpenEpoch{Epoch: epoch2}, ErrInvalid)),
		"epoch without generation":  after(opened(), refused(OpenEpoch{Epoch: Epoch{Term: 9}, Owner: "m"}, ErrInvalid)),
		"epoch in the past":         after(opened(), refused(OpenEpoch{Epoch: Epoch{1, 2}, Owner: "m1#a"}, ErrStaleEpoch)),
		"epoch of another owner":    after(opened(), refused(OpenEpoch{Epoch: epoch1, Owner: "m2#b"}, ErrStaleEpoch)),
		"checkpoint stale":          after(opened(), refused(Checkpoint{Epoch: epoch2}, ErrStaleEpoch)),
		"checkpoint no epoch":       {refused(Checkpoint{}, ErrStaleEpoch)},
		"checkpoint without id":     after(opened(), refused(Checkpoint{Epoch: epoch1, Progress: []Progress{{}}}, ErrInvalid)),
		"seal stale":                after(opened(), refused(Seal{Epoch: epoch2, Ref: ref(supplier, "s"), Root: root(1)}, ErrStaleEpoch)),
		"seal without root":         after(opened(), refused(Seal{Epoch: epoch1, Ref: ref(supplier, "s")}, ErrInvalid)),
		"seal huge root":            after(opened(), refused(Seal{Epoch: epoch1, Ref: ref(supplier, "s"), Root: make([]byte, 65)}, ErrInvalid)),
		"seal other root":           after(append(opened(), ok(seal("s"))...), refused(other, ErrConflict)),
		"seal instead of another":   after(append(opened(), ok(seal("s"))...), refused(mistaken, ErrConflict)),
		"seal instead, archived":    after(kept, refused(again, ErrConflict)),
		"seal instead, under way":   after(append(opened(), ok(seal("s"), intend("b", 1, EffectClaim, "s"))...), refused(again, ErrConflict)),
		"seal instead, claimed":     after(claimed(), refused(again, ErrConflict)),
		"seal instead, lost":        after(append(opened(), ok(seal("s"), advance("s", StageLost))...), refused(again, ErrConflict)),
		"seal after skip":           after(append(opened(), ok(Checkpoint{Epoch: epoch1, Progress: []Progress{{Ref: ref(supplier, "s")}}}, advance("s", StageSkipped))...), refused(seal("s"), ErrConflict)),
		"intend stale":              after(opened(), refused(Intend{Epoch: epoch2}, ErrStaleEpoch)),
		"intend nothing":            after(opened(), refused(Intend{Epoch: epoch1}, ErrInvalid)),
		"intend with a wrong hash":  after(append(opened(), ok(seal("s"))...), refused(badHash, ErrInvalid)),
		"intend twice the session":  after(append(opened(), ok(seal("s"))...), refused(intend("b", 1, EffectClaim, "s", "s"), ErrInvalid)),
		"intend unknown session":    after(opened(), refused(intend("b", 1, EffectClaim, "s"), ErrNotFound)),
		"intend other root":         after(append(opened(), ok(seal("s"))...), refused(otherRoot, ErrConflict)),
		"proof before the claim":    after(append(opened(), ok(seal("s"))...), refused(intend("b", 1, EffectProof, "s"), ErrConflict)),
		"claim after the claim":     after(claimed(), refused(intend("b2", 1, EffectClaim, "s"), ErrConflict)),
		"session in another intent": after(append(opened(), ok(seal("s"), intend("b", 1, EffectClaim, "s"))...), refused(intend("b2", 1, EffectClaim, "s"), ErrConflict)),
		"second attempt too early":  after(append(opened(), ok(seal("s"), intend("b", 1, EffectClaim, "s"))...), refused(intend("b", 2, EffectClaim, "s"), ErrAttemptOpen)),
		"second attempt first":      after(append(opened(), ok(seal("s"))...), refused(intend("b", 2, EffectClaim, "s"), ErrInvalid)),
		"resolve stale":             after(opened(), refused(Resolve{Epoch: epoch2}, ErrStaleEpoch)),
		"resolve as pending":        after(opened(), refused(resolve("b", 1, IntentPending), ErrInvalid)),
		"resolve unknown":           after(opened(), refused(resolve("b", 1, IntentDead), ErrNotFound)),
		"resolve otherwise":         after(claimed(), refused(resolve("b", 1, IntentDead), ErrConflict)),
		"advance stale":             after(opened(), refused(Advance{Epoch: epoch2}, ErrStaleEpoch)),
		"advance unknown":           after(opened(), refused(advance("s", StageLost), ErrNotFound)),
		"advance backwards":         after(claimed(), refused(advance("s", StageSealed), ErrTransition)),
		"advance to no stage":       after(claimed(), refused(advance("s", 99), ErrTransition)),
		"settle a sealed one":       after(append(opened(), ok(seal("s"))...), refused(advance("s", StageSettled), ErrTransition)),
		"skip a claimed one":        after(claimed(), refused(advance("s", StageSkipped), ErrTransition)),
		"revive a settled one":      after(append(claimed(), ok(advance("s", StageSettled))...), refused(advance("s", StageLost), ErrTransition)),
		"forget stale":              after(opened(), refused(Forget{Epoch: epoch2}, ErrStaleEpoch)),
		"forget a live one":         after(claimed(), refused(forget("s"), ErrTransition)),
		"forget before the verdict": after(append(opened(), ok(seal("s"), intend("b", 1, EffectClaim, "s"), advance("s", StageExpired))...), refused(forget("s"), ErrAttemptOpen)),
	}
}

func TestRefusalsChangeNothing(t *testing.T) {
	for name, steps := range stateRefusals() {
		t.Run(name, func(t *testing.T) {
			s := run(t, steps[:len(steps)-1])
			before := encoded(t, s)
			last := steps[len(steps)-1]
			_, err := s.Apply(last.cmd)
			wantError(t, err, last.want)
			if !bytes.Equal(before, encoded(t, s)) {
				t.Error("the refused command changed the state")
			}
		})
	}
}

func TestPartlyRefusedCommandsChangeNothing(t *testing.T) {
	s := run(t, append(claimed(), ok(seal("t"))...))
	before := encoded(t, s)
	_, err := s.Apply(Advance{Epoch: epoch1, Transitions: []Transition{
		{Key: key("s"), Stage: StageSettled}, {Key: key("t"), Stage: StageSettled},
	}})
	wantError(t, err, ErrTransition)
	_, err = s.Apply(Checkpoint{Epoch: epoch1, Progress: []Progress{{Ref: ref(supplier, "u"), Seq: 1}, {}}})
	wantError(t, err, ErrInvalid)
	if !bytes.Equal(before, encoded(t, s)) {
		t.Error("a part of a refused command was applied")
	}
}

func TestSessionLife(t *testing.T) {
	sealed := Session{Ref: ref(supplier, "s"), Stage: StageSealed, Seq: 9, Root: root(1), Count: 5, Sum: 50}
	with := func(change func(*Session)) Session {
		s := sealed
		change(&s)
		return s
	}
	progress := func(seq uint64) Checkpoint {
		return Checkpoint{Epoch: epoch1, Progress: []Progress{{Ref: ref(supplier, "s"), Seq: seq, Root: root(byte(seq)), Count: seq, Sum: 10 * seq}}}
	}
	active := func(seq uint64) Session {
		return Session{Ref: ref(supplier, "s"), Stage: StageActive, Seq: seq, Root: root(byte(seq)), Count: seq, Sum: 10 * seq}
	}
	proofNeeded := Advance{epoch1, []Transition{{Key: key("s"), Stage: StageClaimed, ProofRequired: ProofRequired}}}
	tests := map[string]struct {
		steps []step
		want  Session
	}{
		"checkpoint":             {append(opened(), ok(progress(2))...), active(2)},
		"checkpoint grows":       {append(opened(), ok(progress(2), progress(4))...), active(4)},
		"checkpoint never sinks": {append(opened(), ok(progress(4), progress(2))...), active(4)},
		"sealed ignores it":      {append(opened(), ok(seal("s"), progress(20))...), sealed},
		"seal unknown":           {append(opened(), ok(seal("s"))...), sealed},
		"seal active":            {append(opened(), ok(progress(2), seal("s"))...), sealed},
		"seal again":             {append(opened(), ok(seal("s"), seal("s"))...), sealed},
		"claim landed":           {claimed(), with(func(s *Session) { s.Stage, s.ClaimHeight = StageClaimed, 30 })},
		"claim dead":             {append(opened(), ok(seal("s"), intend("b", 1, EffectClaim, "s"), resolve("b", 1, IntentDead))...), sealed},
		"claim landed late": {
			append(opened(), ok(seal("s"), intend("b", 1, EffectClaim, "s"), advance("s", StageExpired), resolve("b", 1, IntentLanded))...),
			with(func(s *Session) { s.Stage, s.Reason, s.EndedHeight, s.Upokt = StageExpired, "why", 40, 11 }),
		},
		"claim seen on chain first": {
			append(opened(), ok(seal("s"), advance("s", StageClaimed))...),
			with(func(s *Session) { s.Stage, s.Reason, s.ClaimHeight = StageClaimed, "why", 40 }),
		},
		"proof need": {
			append(claimed(), ok(proofNeeded)...),
			with(func(s *Session) { s.Stage, s.ClaimHeight, s.ProofRequired = StageClaimed, 30, ProofRequired }),
		},
		"proved and settled": {
			append(claimed(), ok(proofNeeded, intend("p", 1, EffectProof, "s"), resolve("p", 1, IntentLanded), advance("s", StageSettled))...),
			with(func(s *Session) {
				s.Stage, s.ClaimHeight, s.ProofHeight, s.ProofRequired = StageSettled, 30, 30, ProofRequired
				s.Reason, s.EndedHeight, s.Upokt = "why", 40, 11
			}),
		},
		"settled twice": {
			append(claimed(), ok(advance("s", StageSettled), advance("s", StageSettled))...),
			with(func(s *Session) {
				s.Stage, s.ClaimHeight, s.Reason, s.EndedHeight, s.Upokt = StageSettled, 30, "why", 40, 11
			}),
		},
		"two steps in one command": {
			append(claimed(), ok(Advance{epoch1, []Transition{
				{Key: key("s"), Stage: StageProved, Height: 35}, {Key: key("s"), Stage: StageLost, Reason: "r", Height: 36},
			}})...),
			with(func(s *Session) {
				s.Stage, s.ClaimHeight, s.ProofHeight, s.EndedHeight, s.Reason = StageLost, 30, 35, 36, "r"
			}),
		},
		"forgotten": {append(claimed(), ok(advance("s", StageSettled), forget("s", "never there"))...), Session{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, _ := run(t, test.steps).Session(key("s"))
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got  %+v\nwant %+v", got, test.want)
			}
		})
	}
}

func TestFirstIntentWins(t *testing.T) {
	s := run(t, append(opened(), ok(seal("s"), seal("t"))...))
	first := intend("b", 1, EffectClaim, "s")
	result, err := s.Apply(first)
	if err != nil || !result.Fresh || result.Intent.Status != IntentPending {
		t.Fatalf("first intent: %+v, %v", result, err)
	}
	second := intend("b", 1, EffectClaim, "t")
	second.Intent.Timeout = 99
	result, err = s.Apply(second)
	if err != nil || result.Fresh || result.Intent.Timeout != first.Intent.Timeout || result.Intent.Sessions[0].SessionID != "s" {
		t.Fatalf("second intent: %+v, %v", result, err)
	}
	// A status in the proposal is not believed.
	cheat := intend("c", 1, EffectClaim, "t")
	cheat.Intent.Status, cheat.Intent.Height = IntentLanded, 5
	if result, err = s.Apply(cheat); err != nil || result.Intent.Status != IntentPending || result.Intent.Height != 0 {
		t.Fatalf("cheating intent: %+v, %v", result, err)
	}
}

func TestAttemptsFollowEachOther(t *testing.T) {
	s := run(t, append(opened(), ok(seal("s"),
		intend("b", 1, EffectClaim, "s"), resolve("b", 1, IntentDead), resolve("b", 1, IntentDead),
		intend("b", 2, EffectClaim, "s"), resolve("b", 2, IntentLanded), resolve("b", 2, IntentLanded))...))
	first, _ := s.Intent("b", 1)
	last, found := s.LastIntent("b")
	if !found || last.Attempt != 2 || last.Status != IntentLanded || first.Status != IntentDead {
		t.Fatalf("first %+v, last %+v", first, last)
	}
	if first.Tx != nil || last.Tx != nil || first.Code != 7 || first.Reason != "why" || first.Height != 30 {
		t.Errorf("resolved intents: %+v, %+v", first, last)
	}
	if of := s.IntentsOf(key("s")); len(of) != 2 || of[0].Attempt != 1 || of[1].Attempt != 2 {
		t.Errorf("intents of the session: %+v", of)
	}
	if _, found := s.LastIntent("a"); found {
		t.Error("found the last intent of a batch that has none")
	}
}

func TestForgetDropsIntentsWithTheirLastSession(t *testing.T) {
	s := run(t, append(opened(), ok(seal("s"), seal("t"),
		intend("b", 1, EffectClaim, "s", "t"), resolve("b", 1, IntentLanded),
		advance("s", StageSettled), advance("t", StageSettled), forget("s"))...))
	if _, found := s.Intent("b", 1); !found {
		t.Error("the intent is gone while a session of it is left")
	}
	if _, err := s.Apply(forget("t")); err != nil {
		t.Fatal(err)
	}
	if _, found := s.Intent("b", 1); found || s.SessionCount() != 0 || len(s.index.of) != 0 {
		t.Error("something is left after the last session was forgotten")
	}
}

func TestEpochsGrow(t *testing.T) {
	s := run(t, append(opened(), ok(OpenEpoch{epoch1, "m1#a"}, OpenEpoch{Epoch{2, 1}, "m2#b"})...))
	epoch, owner := s.Epoch()
	if epoch != (Epoch{2, 1}) || owner != "m2#b" || s.Generation() != 2 {
		t.Errorf("epoch %s of %s, generation %d", epoch, owner, s.Generation())
	}
	if a, b := (Epoch{1, 99}).String(), (Epoch{2, 1}).String(); a >= b || a != "000001.000000000099" {
		t.Errorf("%s is not before %s", a, b)
	}
}

// run applies steps to a new state.
func run(t *testing.T, steps []step) *State {
	t.Helper()
	s := NewState()
	for n, step := range steps {
		if _, err := s.Apply(step.cmd); err != nil {
			t.Fatalf("step %d, %T: %v", n, step.cmd, err)
		}
	}
	return s
}

// encoded is the canonical form, in which equal states are equal bytes.
func encoded(t interface {
	Helper()
	Fatal(...any)
}, s *State) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := s.Encode(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
