package ingest

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// streamID is the position of an entry in a Redis stream.
type streamID struct{ ms, seq uint64 }

func parseStreamID(text string) (streamID, error) {
	ms, seq, ok := strings.Cut(text, "-")
	if !ok {
		return streamID{}, fmt.Errorf("stream id %q", text)
	}
	var id streamID
	var err error
	if id.ms, err = strconv.ParseUint(ms, 10, 64); err != nil {
		return streamID{}, fmt.Errorf("stream id %q: %w", text, err)
	}
	if id.seq, err = strconv.ParseUint(seq, 10, 64); err != nil {
		return streamID{}, fmt.Errorf("stream id %q: %w", text, err)
	}
	return id, nil
}

func (id streamID) String() string { return fmt.Sprintf("%d-%d", id.ms, id.seq) }

func (id streamID) next() streamID { return streamID{id.ms, id.seq + 1} }

func (id streamID) compare(other streamID) int {
	return cmp.Or(cmp.Compare(id.ms, other.ms), cmp.Compare(id.seq, other.seq))
}
