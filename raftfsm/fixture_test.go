package raftfsm

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/raftminer/raftminer/chain"
)

// ref names a session of a supplier; the other fields do not matter to State.
func ref(supplier, session string) chain.SessionRef {
	return chain.SessionRef{
		Supplier: supplier, SessionID: session, Service: "anvil", Application: "pokt1app",
		StartHeight: 11, EndHeight: 20,
	}
}

// root is a recognisable root of the right size.
func root(n byte) []byte { return bytes.Repeat([]byte{n}, 48) }

// intent is a proposed intent over sessions that all have root(1).
func intent(batch string, attempt uint32, kind EffectKind, supplier string, sessions ...string) Intent {
	tx := []byte("tx of " + batch + " for " + kind.String())
	hash := sha256.Sum256(tx)
	i := Intent{Batch: batch, Attempt: attempt, Kind: kind, Supplier: supplier, Timeout: 1, Tx: tx, TxHash: hash[:]}
	for _, id := range sessions {
		i.Sessions = append(i.Sessions, IntentSession{SessionID: id, Root: root(1)})
	}
	return i
}

func wantError(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("got error %v, want %v", got, want)
	}
}

// enveloped is a log entry with a right checksum over any content.
func enveloped(version, kind byte, payload ...byte) []byte {
	entry := []byte{version, kind}
	entry = binary.BigEndian.AppendUint32(entry, checksum(version, kind, payload))
	return append(entry, payload...)
}
