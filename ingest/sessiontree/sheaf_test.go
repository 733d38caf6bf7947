package sessiontree

import (
	"bytes"
	"context"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Whatever the sizes of relays and wherever they have what they share, every one is in
// one record of those that are stored, under its digest, and records keep to their size.
func TestSheavesHoldEveryLeaf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.OneOf(rapid.IntRange(1, 300), rapid.IntRange(1, 2*sheafBytes)), 1, 60).Draw(t, "sizes")
		fresh := sheaves{shared: rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "shared")}
		var want [][]byte
		digests := make(map[Digest][]byte)
		for n, size := range sizes {
			body := bytes.Repeat([]byte{byte(n)}, size)
			for range rapid.IntRange(0, 3).Draw(t, "times") {
				body = slices.Insert(body, rapid.IntRange(0, len(body)).Draw(t, "at"), fresh.shared...)
			}
			path := Path(body)
			want = append(want, body)
			digests[fresh.add(&path, body, 7)] = body
		}
		var got [][]byte
		for _, record := range fresh.records() {
			leaves, err := Expand(record)
			if err != nil {
				t.Fatal(err)
			}
			if len(leaves) > 1 && len(record.Data) > sheafBytes {
				t.Fatalf("%d leaves in a record of %d bytes", len(leaves), len(record.Data))
			}
			if alone := record.Data[0] == kindLeaf; alone != (len(leaves) == 1) {
				t.Fatalf("%d leaves stored as kind %d", len(leaves), record.Data[0])
			}
			for _, leaf := range leaves {
				found, ok := FindLeaf(record, leaf.Digest)
				if !ok || !bytes.Equal(found, leaf.Data) {
					t.Fatalf("leaf %x is not found", leaf.Digest)
				}
				if body, ok := leafRelay(leaf, 7); !ok || !bytes.Equal(body, digests[leaf.Digest]) {
					t.Fatalf("leaf %x is another", leaf.Digest)
				}
			}
			got = slices.AppendSeq(got, Relays(record, 7))
			if heavier := slices.Collect(Relays(record, 8)); len(heavier) > 0 {
				t.Fatalf("%d relays of another weight", len(heavier))
			}
		}
		if !slices.EqualFunc(got, want, bytes.Equal) {
			t.Fatalf("%d relays came back, want the %d that were stored, in order", len(got), len(want))
		}
	})
}

// What relays share is stored once.
func TestSheavesShareTheHeader(t *testing.T) {
	header := bytes.Repeat([]byte("header"), 20)
	fresh := sheaves{shared: header}
	const relays = 10
	for n := range relays {
		body := slices.Concat([]byte{byte(n)}, header, []byte("request"), header, []byte("response"))
		path := Path(body)
		fresh.add(&path, body, 7)
	}
	stored := fresh.records()[0].Data
	if n := bytes.Count(stored, header); n != 1 {
		t.Errorf("the header is stored %d times, want once", n)
	}
	if most := len(header) + relays*60; len(stored) > most {
		t.Errorf("%d bytes stored, want at most %d", len(stored), most)
	}
}

// A byte that changes in a sheaf costs the leaf that it is in, those from there on, or
// all if they share it, and never makes another relay.
func TestDamagedSheaf(t *testing.T) {
	m, relays, _ := grown(t, 20)
	known := make(map[string]bool)
	for _, r := range relays {
		known[string(r)] = true
	}
	for digest, data := range m.nodes {
		if data[0] != kindSheaf {
			continue
		}
		for at := range data {
			record := Node{digest, bytes.Clone(data)}
			record.Data[at] ^= 0x10
			if _, err := Expand(record); err == nil {
				t.Errorf("byte %d changed, and nothing was noticed", at)
			}
			left := 0
			for r := range Relays(record, 7) {
				if left++; !known[string(r)] {
					t.Errorf("byte %d changed, and made relay %x", at, r)
				}
			}
			if left >= len(relays) {
				t.Errorf("byte %d changed, and all relays are there", at)
			}
		}
		return
	}
	t.Error("no sheaf was stored")
}

// A relay that comes alone is found by its digest at once.
func TestALeafThatIsAloneIsARecord(t *testing.T) {
	m, _, root := grown(t, 1)
	if nodes, err := m.Nodes(context.Background(), []Digest{Digest(root)}); err != nil || len(nodes[0]) == 0 || nodes[0][0] != kindLeaf {
		t.Errorf("root of one relay: got %x, %v", nodes, err)
	}
}
