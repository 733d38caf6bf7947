package ingest

import (
	"bytes"
	"testing"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"
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

func TestServedRelayPlainlyFits(t *testing.T) {
	r, header := servedRelay(t), headerBytes(testRef(1))
	if !plainlyFits(r.Relay, header, r.Supplier) {
		t.Error("a served relay needs the slow way")
	}
	tests := map[string]struct {
		relay, header []byte
		supplier      string
	}{
		"other supplier":      {r.Relay, header, "other"},
		"other session":       {r.Relay, headerBytes(testRef(2)), r.Supplier},
		"repeated request":    {append(bytes.Clone(r.Relay), r.Relay...), header, r.Supplier},
		"field unknown to us": {append(bytes.Clone(r.Relay), 0x1a, 0), header, r.Supplier},
		"truncated":           {r.Relay[:len(r.Relay)-1], header, r.Supplier},
		"empty":               {nil, header, r.Supplier},
	}
	for name, test := range tests {
		if plainlyFits(test.relay, test.header, test.supplier) {
			t.Errorf("%s: fits, want a closer look", name)
		}
	}
	if n := testing.AllocsPerRun(100, func() { plainlyFits(r.Relay, header, r.Supplier) }); n != 0 {
		t.Errorf("%v allocations a relay, want none", n)
	}
}

// What plainly fits must be what decoding finds.
func FuzzPlainlyFits(f *testing.F) {
	header := headerBytes(testRef(1))
	f.Add(servedRelay(f).Relay)
	f.Add(relayOf(testRef(1), 1).Relay)
	f.Add(relayOf(testRef(2), 1).Relay)
	f.Fuzz(func(t *testing.T, bz []byte) {
		mined := relayOf(testRef(1), 1)
		mined.Relay = bz
		if !plainlyFits(bz, header, mined.Supplier) {
			return
		}
		if ref, err := refOf(mined); err != nil || ref != testRef(1) {
			t.Errorf("plainly fits, but decodes to %+v, %v", ref, err)
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

// Whatever is in a stream, its relay is of the session that it was published for, or
// refused.
func FuzzEntry(f *testing.F) {
	r := servedRelay(f)
	f.Add(r.Supplier, r.SessionID, "100", r.Relay)
	f.Add("", "", "-1", []byte(nil))
	f.Fuzz(func(t *testing.T, supplier, session, weight string, relay []byte) {
		mined, err := decodeEntry(map[string]any{"u": supplier, "s": session, "w": weight, "r": string(relay)})
		if err != nil {
			return
		}
		if ref, err := refOf(mined); err == nil && (ref.Supplier != supplier || ref.SessionID != session) {
			t.Errorf("%v was published for %s, %s", ref, supplier, session)
		}
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
