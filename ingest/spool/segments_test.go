package spool

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/fxamacker/cbor/v2"
)

// A file that was cut off or damaged yields no relay that was not written.
func FuzzRecord(f *testing.F) {
	payload, err := cbor.Marshal(testRelay(1))
	if err != nil {
		f.Fatal(err)
	}
	record := binary.BigEndian.AppendUint32(nil, uint32(len(payload)))
	record = append(binary.BigEndian.AppendUint32(record, checksum(payload)), payload...)
	f.Add(record)
	f.Add(record[:len(record)-1])
	f.Add([]byte("\xff\xff\xff\xff\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, bz []byte) {
		if _, err := readRecord(bytes.NewReader(bz)); err == nil && checksum(bz[8:8+binary.BigEndian.Uint32(bz)]) != binary.BigEndian.Uint32(bz[4:]) {
			t.Errorf("%q is taken for a relay", bz)
		}
	})
}
