package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/raftfsm"
)

// plantedSecret is in the bytes of the seeded transactions, and must never come out.
const plantedSecret = "PLANTED-SECRET"

// seed brings sessions to every kind of state: pokt1a/s1 is settled, pokt1a/s2 has a
// claim pending after one that died, pokt1b/s3 is lost, pokt1b/s4 is active.
//
// It returns the member that led at the end.
func seed(t *testing.T, members []testMember) *raftfsm.Node {
	t.Helper()
	return proposeAll(t, members, seedCommands)
}

// proposeAll has a leader apply the commands, from the first on again when it is not
// the leader any more: on a busy machine that happens. To repeat them is fine.
func proposeAll(t *testing.T, members []testMember, commands func(raftfsm.Epoch) []raftfsm.Command) *raftfsm.Node {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		leader := awaitLeader(t, members)
		err := propose(t.Context(), leader, commands(leader.Status().Epoch))
		if err == nil {
			return leader
		}
		again := []error{raftfsm.ErrNotLeader, raftfsm.ErrStaleEpoch, raftfsm.ErrUncertain, raftfsm.ErrHeldBack}
		if !slices.ContainsFunc(again, func(e error) bool { return errors.Is(err, e) }) || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func propose(ctx context.Context, leader *raftfsm.Node, commands []raftfsm.Command) error {
	for _, cmd := range commands {
		if _, err := leader.Apply(ctx, cmd); err != nil {
			return fmt.Errorf("propose %T: %w", cmd, err)
		}
	}
	return nil
}

func seedCommands(epoch raftfsm.Epoch) []raftfsm.Command {
	root := bytes.Repeat([]byte{0xab}, 48)
	ref := func(supplier, id string) chain.SessionRef {
		return chain.SessionRef{Supplier: supplier, SessionID: id, Service: "anvil", Application: "pokt1app", StartHeight: 11, EndHeight: 20}
	}
	intend := func(batch string, attempt uint32, kind raftfsm.EffectKind, session string) raftfsm.Command {
		tx := []byte(plantedSecret + batch)
		hash := sha256.Sum256(tx)
		return raftfsm.Intend{Epoch: epoch, Intent: raftfsm.Intent{
			Batch: batch, Attempt: attempt, Kind: kind, Supplier: "pokt1a", Timeout: 1_700_000_000_000_000_000,
			Sessions: []raftfsm.IntentSession{{SessionID: session, Root: root}}, Tx: tx, TxHash: hash[:],
		}}
	}
	resolve := func(batch string, attempt uint32, status raftfsm.IntentStatus, reason string) raftfsm.Command {
		return raftfsm.Resolve{Epoch: epoch, Batch: batch, Attempt: attempt, Status: status, Height: 30, Reason: reason}
	}
	advance := func(supplier, id string, stage raftfsm.Stage, reason string) raftfsm.Command {
		return raftfsm.Advance{Epoch: epoch, Transitions: []raftfsm.Transition{{
			Key: ref(supplier, id).Key(), Stage: stage, Height: 40, Upokt: 700, Reason: reason,
		}}}
	}
	return []raftfsm.Command{
		raftfsm.Checkpoint{Epoch: epoch, Progress: []raftfsm.Progress{
			{Ref: ref("pokt1b", "s3"), Seq: 1, Count: 1, Sum: 10}, {Ref: ref("pokt1b", "s4"), Seq: 4, Count: 4, Sum: 40},
		}},
		raftfsm.Seal{Epoch: epoch, Ref: ref("pokt1a", "s1"), Root: root, Count: 7, Sum: 70, Seq: 7},
		raftfsm.Seal{Epoch: epoch, Ref: ref("pokt1a", "s2"), Root: root, Count: 8, Sum: 80, Seq: 8},
		intend("aa", 1, raftfsm.EffectClaim, "s1"), resolve("aa", 1, raftfsm.IntentLanded, ""),
		intend("bb", 1, raftfsm.EffectProof, "s1"), resolve("bb", 1, raftfsm.IntentLanded, ""),
		advance("pokt1a", "s1", raftfsm.StageSettled, ""),
		intend("cc", 1, raftfsm.EffectClaim, "s2"), resolve("cc", 1, raftfsm.IntentDead, "timed out"),
		intend("cc", 2, raftfsm.EffectClaim, "s2"),
		advance("pokt1b", "s3", raftfsm.StageLost, "no tree"),
	}
}
