package ingest

import (
	"bytes"
	"strings"
	"testing"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"

	"github.com/raftminer/raftminer/chain"
)

// servedRelay has every field that a relay in the field has.
func servedRelay(t testing.TB) MinedRelay {
	t.Helper()
	ref := testRef(1)
	relay := servicetypes.Relay{
		Req: &servicetypes.RelayRequest{
			Meta:    servicetypes.RelayRequestMetadata{SessionHeader: ref.Header(), SupplierOperatorAddress: ref.Supplier, Signature: []byte("ring")},
			Payload: []byte("request"),
		},
		Res: &servicetypes.RelayResponse{
			Meta:        servicetypes.RelayResponseMetadata{SessionHeader: ref.Header(), SupplierOperatorSignature: []byte("signature")},
			PayloadHash: bytes.Repeat([]byte{1}, 32),
		},
	}
	bz, err := relay.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return MinedRelay{Supplier: ref.Supplier, SessionID: ref.SessionID, ComputeUnits: testWeight, Relay: bz}
}

func TestServedRelayIsPlain(t *testing.T) {
	r := servedRelay(t)
	if supplier, header := plainly(r.Relay); string(supplier) != r.Supplier || !bytes.Equal(header, headerBytes(testRef(1))) {
		t.Errorf("a served relay needs the slow way: %q, %x", supplier, header)
	}
	answered := servedRelay(t)
	id := []byte(answered.SessionID)
	copy(answered.Relay[bytes.LastIndex(answered.Relay, id):], testRef(2).SessionID)
	for name, relay := range map[string][]byte{
		"other session answered": answered.Relay,
		"repeated request":       append(bytes.Clone(r.Relay), r.Relay...),
		"field unknown to us":    append(bytes.Clone(r.Relay), 0x1a, 0),
		"truncated":              r.Relay[:len(r.Relay)-1],
		"empty":                  nil,
	} {
		if supplier, header := plainly(relay); supplier != nil || header != nil {
			t.Errorf("%s: is plain, want a closer look", name)
		}
	}
}

func TestSessionOfPlainRelay(t *testing.T) {
	r, ref := servedRelay(t), testRef(1)
	known := &session{header: headerBytes(ref)}
	p := &partition{sessions: map[chain.SessionKey]*session{ref.Key(): known}}
	if p.plainSession(r.Relay) != known {
		t.Error("the session of a served relay was not found")
	}
	if n := testing.AllocsPerRun(100, func() { p.plainSession(r.Relay) }); n != 0 {
		t.Errorf("%v allocations a relay, want none", n)
	}
	known.header = headerBytes(testRef(2))
	if p.plainSession(r.Relay) != nil {
		t.Error("found by the id alone, want the whole header")
	}
}

// What is plain must be what decoding finds.
func FuzzPlainly(f *testing.F) {
	ref := testRef(1)
	header := headerBytes(ref)
	f.Add(servedRelay(f).Relay)
	f.Add(relayOf(testRef(1), 1).Relay)
	f.Add(relayOf(testRef(2), 1).Relay)
	f.Fuzz(func(t *testing.T, bz []byte) {
		supplier, found := plainly(bz)
		if string(supplier) != ref.Supplier || !bytes.Equal(found, header) {
			return
		}
		if decoded, err := refOf(bz); err != nil || decoded != ref {
			t.Errorf("plain, but decodes to %+v, %v", decoded, err)
		}
		if id := sessionID(found); string(id) != ref.SessionID {
			t.Errorf("session %q, want %q", id, ref.SessionID)
		}
	})
}

// A head is read back as it was written, and anything else is an error.
func FuzzHead(f *testing.F) {
	f.Add(Head{Seq: 7, Sealed: true}.encode())
	f.Add([]byte("1;0;"))
	f.Add([]byte(";;"))
	f.Fuzz(func(t *testing.T, bz []byte) {
		head, err := decodeHead(bz)
		if err != nil {
			return
		}
		if again, err := decodeHead(head.encode()); err != nil || again.Seq != head.Seq || again.Sealed != head.Sealed {
			t.Errorf("%q: %+v is read as %+v, %v", bz, head, again, err)
		}
	})
}

// Whatever is in a stream, nothing breaks who reads it.
func FuzzEntry(f *testing.F) {
	f.Add("100", servedRelay(f).Relay)
	f.Add("-1", []byte(nil))
	f.Fuzz(func(t *testing.T, name string, relay []byte) {
		if weight, text, err := entryOf(map[string]any{name: string(relay)}); err == nil && (text != string(relay) || weight == 0 && strings.Trim(name, "0") != "") {
			t.Errorf("%q is read as %d, %d bytes", name, weight, len(text))
		}
		_ = sessionID(relay)
		_, _ = refOf(relay)
	})
}

func FuzzStreamID(f *testing.F) {
	f.Add("1700000000000-3")
	f.Add("-")
	f.Fuzz(func(t *testing.T, text string) {
		id, err := parseStreamID(text)
		if err != nil {
			return
		}
		if again, err := parseStreamID(id.String()); err != nil || again != id {
			t.Errorf("%q is %s, which is %s, %v", text, id, again, err)
		}
	})
}
