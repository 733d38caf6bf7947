package main

import (
	"bytes"
	"crypto/sha256"
	"testing"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/raftfsm"
)

// plantedSecret is in the bytes of the seeded transactions, and must never come out.
const plantedSecret = "PLANTED-SECRET"

// seed brings sessions to every kind of state: pokt1a/s1 is settled, pokt1a/s2 has a
// claim pending after one that died, pokt1b/s3 is lost, pokt1b/s4 is active.
func seed(t *testing.T, leader *raftfsm.Node) {
	t.Helper()
	epoch := leader.Status().Epoch
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
	for _, cmd := range []raftfsm.Command{
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
	} {
		if _, err := leader.Apply(t.Context(), cmd); err != nil {
			t.Fatalf("seed %T: %v", cmd, err)
		}
	}
}
