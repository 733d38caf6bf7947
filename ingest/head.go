package ingest

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/fxamacker/cbor/v2"

	"github.com/raftminer/raftminer/chain"
)

// Head is the stored state of a session's tree.
type Head struct {
	Ref    chain.SessionRef `cbor:"1,keyasint"`
	Seq    uint64           `cbor:"-"` // counts the flushes, from 1
	Sealed bool             `cbor:"-"` // no relay enters the tree any more
	Root   []byte           `cbor:"2,keyasint"`
	Count  uint64           `cbor:"3,keyasint"` // relays
	Sum    uint64           `cbor:"4,keyasint"` // compute units
	Weight uint64           `cbor:"5,keyasint"` // compute units of each relay
}

// encode is what the heads hash holds: seq and sealed in a form that scripts
// read, then the rest.
func (h Head) encode() []byte {
	rest, err := cbor.Marshal(h)
	if err != nil {
		panic(fmt.Sprintf("ingest: encode head: %v", err)) // no field can fail
	}
	sealed := 0
	if h.Sealed {
		sealed = 1
	}
	return fmt.Appendf(nil, "%d;%d;%s", h.Seq, sealed, rest)
}

func decodeHead(bz []byte) (Head, error) {
	parts := bytes.SplitN(bz, []byte(";"), 3)
	if len(parts) != 3 {
		return Head{}, fmt.Errorf("head of %d bytes has no seq", len(bz))
	}
	var h Head
	if err := cbor.Unmarshal(parts[2], &h); err != nil {
		return Head{}, fmt.Errorf("decode head: %w", err)
	}
	seq, err := strconv.ParseUint(string(parts[0]), 10, 64)
	if err != nil {
		return Head{}, fmt.Errorf("seq of head: %w", err)
	}
	h.Seq, h.Sealed = seq, string(parts[1]) == "1"
	return h, nil
}
