package sessiontree

import (
	"errors"
	"fmt"
)

// ErrUnread: a relay's way leads to a record that was not read yet. Missing names it.
var ErrUnread = errors.New("tree node not read yet")

// Missing are the records to read now, for all relays that Add answered ErrUnread
// since the last Supply. What they lead to may be missing next.
func (t *Tree) Missing() []Digest {
	missing := make([]Digest, len(t.trie.wanted))
	for i, p := range t.trie.wanted {
		missing[i] = t.trie.inners[t.trie.get(p).at()].hash
	}
	return missing
}

// Supply takes the records that Missing named, in its order, nil for one that is not
// stored. After an error the tree must be dropped.
func (t *Tree) Supply(records [][]byte) error {
	wanted := t.trie.wanted
	if len(records) != len(wanted) {
		return fmt.Errorf("%d tree nodes asked for, %d supplied", len(wanted), len(records))
	}
	for i, p := range wanted {
		if len(records[i]) == 0 {
			return fmt.Errorf("%w: %x", ErrNodeMissing, t.trie.inners[t.trie.get(p).at()].hash)
		}
		if err := t.trie.load(p, records[i]); err != nil {
			return err
		}
	}
	t.trie.wanted = nil
	return nil
}
