package raftfsm

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/raftminer/raftminer/chain"
)

// drawCommand makes commands over so few names that they meet and collide.
func drawCommand(t *rapid.T, epochs []Epoch) Command {
	epoch := rapid.SampledFrom(epochs).Draw(t, "epoch")
	id := rapid.SampledFrom([]string{"s1", "s2", "s3"}).Draw(t, "session")
	r := ref(rapid.SampledFrom([]string{"pokt1a", "pokt1b"}).Draw(t, "supplier"), id)
	n := rapid.Uint64Range(0, 5).Draw(t, "n")
	batch, attempt := rapid.SampledFrom([]string{"b1", "b2"}).Draw(t, "batch"), uint32(rapid.IntRange(1, 3).Draw(t, "attempt"))
	kind := rapid.SampledFrom([]EffectKind{EffectClaim, EffectProof}).Draw(t, "kind")
	switch rapid.IntRange(0, 10).Draw(t, "command") {
	case 0:
		return OpenEpoch{Epoch: epoch, Owner: rapid.SampledFrom([]string{"m1#a", "m2#b"}).Draw(t, "owner")}
	case 1:
		return Checkpoint{Epoch: epoch, Progress: []Progress{{Ref: r, Seq: n, Root: root(byte(n)), Count: n, Sum: n}}}
	case 2, 3:
		return Seal{Epoch: epoch, Ref: r, Root: root(byte(n % 2)), Count: n, Sum: n, Seq: n}
	case 4:
		i := intent(batch, attempt, kind, r.Supplier, id)
		i.Sessions[0].Root = root(byte(n % 2))
		return Intend{epoch, i}
	case 5:
		status := rapid.SampledFrom([]IntentStatus{IntentLanded, IntentDead}).Draw(t, "status")
		return Resolve{Epoch: epoch, Batch: batch, Attempt: attempt, Status: status, Height: int64(n)}
	case 6:
		stage := rapid.SampledFrom(Stages()).Draw(t, "stage")
		return Advance{epoch, []Transition{{Key: r.Key(), Stage: stage, Height: int64(n), ProofRequired: ProofNeed(n % 3)}}}
	case 7:
		return Admit{Epoch: epoch, NodeID: batch, Instance: fmt.Sprint(batch, n%3), Commands: uint8(n)}
	case 8:
		return Retire{Epoch: epoch, NodeID: batch}
	case 9:
		return Drain{Epoch: epoch, NodeID: batch, Drained: n%2 == 0}
	}
	return Forget{epoch, []chain.SessionKey{r.Key()}}
}

// A replica that restored a snapshot half-way and replayed the rest, from bytes,
// is the same, byte for byte, as one that applied everything.
func TestRestoreAndReplayEqualsApply(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		commands := []Command{Init{"c", 4}, OpenEpoch{epoch1, "m1#a"}}
		for range rapid.IntRange(0, 60).Draw(t, "length") {
			commands = append(commands, drawCommand(t, []Epoch{epoch1, epoch1, epoch1, epoch2}))
		}
		cut := rapid.IntRange(0, len(commands)).Draw(t, "cut")
		direct, half := NewState(), NewState()
		for n, cmd := range commands {
			if n == cut {
				half = restored(t, encoded(t, direct))
			}
			result, err := direct.Apply(cmd)
			if n < cut {
				continue
			}
			again, againErr := half.Apply(recoded(t, cmd))
			if fmt.Sprint(result, err) != fmt.Sprint(again, againErr) {
				t.Fatalf("command %d %T: %+v, %v after a restore, %+v, %v before", n, cmd, again, againErr, result, err)
			}
		}
		if cut == len(commands) {
			half = restored(t, encoded(t, direct))
		}
		if !bytes.Equal(encoded(t, direct), encoded(t, half)) {
			t.Fatal("states differ")
		}
		checkIndex(t, half)
	})
}

// checkIndex holds the derived index against the intents.
func checkIndex(t *rapid.T, s *State) {
	want := newIntentIndex()
	for i := range s.Intents() {
		want.add(&i)
	}
	if fmt.Sprint(want.of) != fmt.Sprint(s.index.of) {
		t.Fatalf("index %v, want %v", s.index.of, want.of)
	}
}

func restored(t *rapid.T, snapshot []byte) *State {
	s, err := DecodeState(bytes.NewReader(snapshot))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func recoded(t *rapid.T, cmd Command) Command {
	entry, err := EncodeCommand(cmd)
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := DecodeCommand(entry)
	if err != nil {
		t.Fatal(err)
	}
	return decoded
}

// A snapshot that was taken keeps its content while the state goes on.
func TestSnapshotIsFrozen(t *testing.T) {
	s := run(t, append(claimed(), ok(seal("t"))...))
	before := encoded(t, s)
	copied := s.clone()
	for _, cmd := range []Command{advance("s", StageSettled), forget("s"), seal("u"), intend("x", 1, EffectClaim, "t", "u")} {
		if _, err := s.Apply(cmd); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(before, encoded(t, copied)) {
		t.Error("the copy changed with the state")
	}
	if bytes.Equal(before, encoded(t, s)) {
		t.Error("the state did not change: this test proves nothing")
	}
}

func TestDamagedSnapshotsAreRefused(t *testing.T) {
	good := encoded(t, run(t, append(claimed(), ok(seal("t"))...)))
	for n := range good {
		bad := bytes.Clone(good)
		bad[n] ^= 0x10
		if _, err := DecodeState(bytes.NewReader(bad)); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("byte %d flipped: %v", n, err)
		}
		if _, err := DecodeState(bytes.NewReader(good[:n])); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("cut at %d: %v", n, err)
		}
	}
	_, err := DecodeState(bytes.NewReader(append(good, 0)))
	wantError(t, err, ErrCorrupt)
}

func TestDamagedCommandsAreRefused(t *testing.T) {
	good, err := EncodeCommand(seal("s"))
	if err != nil {
		t.Fatal(err)
	}
	for n := range good {
		bad := bytes.Clone(good)
		bad[n] ^= 0x10
		if _, err := DecodeCommand(bad); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("byte %d flipped: %v", n, err)
		}
		if _, err := DecodeCommand(good[:n]); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("cut at %d: %v", n, err)
		}
	}
	for name, entry := range map[string][]byte{"kind": enveloped(commandVersion, 200), "version": enveloped(9, byte(KindSeal))} {
		_, err := DecodeCommand(entry)
		if !errors.Is(err, ErrUnknownCommand) {
			t.Errorf("unknown %s: %v", name, err)
		}
	}
}

func FuzzDecodeCommand(f *testing.F) {
	for _, cmd := range []Command{Init{"c", 4}, OpenEpoch{epoch1, "m"}, seal("s"), intend("b", 1, EffectClaim, "s"), resolve("b", 1, IntentDead), advance("s", StageLost), forget("s")} {
		entry, err := EncodeCommand(cmd)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(entry)
	}
	f.Fuzz(func(t *testing.T, entry []byte) {
		if len(entry) >= envelopeSize { // let the fuzzer past the checksum
			entry = append(enveloped(entry[0], entry[1], entry[envelopeSize:]...), nil...)
		}
		cmd, err := DecodeCommand(entry)
		if err != nil {
			return
		}
		again, err := EncodeCommand(cmd)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := DecodeCommand(again); err != nil {
			t.Fatalf("own encoding is refused: %v", err)
		}
		_ = Summarize(cmd)
		s := run(t, opened())
		seen := newWitness(s, cmd)
		_, _ = s.Apply(cmd) // whatever it says, it must not panic
		seen.changes(s)
	})
}

func FuzzDecodeState(f *testing.F) {
	s := NewState()
	for _, step := range append(claimed(), ok(seal("t"))...) {
		if _, err := s.Apply(step.cmd); err != nil {
			f.Fatal(err)
		}
	}
	good := encoded(f, s)
	f.Add(good[:len(good)-sha256.Size])
	f.Fuzz(func(t *testing.T, body []byte) {
		digest := sha256.Sum256(body) // let the fuzzer past the trailer
		s, err := DecodeState(bytes.NewReader(append(bytes.Clone(body), digest[:]...)))
		if err != nil {
			return
		}
		first := encoded(t, s)
		second, err := DecodeState(bytes.NewReader(first))
		if err != nil {
			t.Fatalf("own encoding is refused: %v", err)
		}
		if !bytes.Equal(first, encoded(t, second)) {
			t.Fatal("decoding and encoding is not stable")
		}
	})
}
