package keystore

import (
	"slices"

	"github.com/raftminer/raftminer/chain"
)

// held is a key and what has become of it.
type held struct {
	key     *chain.SupplierKey
	retired bool
	until   int64 // a retired key serves no session that starts above; 0: the height is not known yet
	gone    bool  // it is in no source any more: memory has the last copy
}

// changes are the suppliers that a merge changed something for, sorted.
type changes struct{ added, retired, restored []string }

func (c changes) none() bool { return len(c.added)+len(c.retired)+len(c.restored) == 0 }

// merge is what is held after sources were read. A key is retired when it is listed
// so, or when it is missing and everything could be read; what cannot be read never
// takes a key away.
func merge(old map[string]held, found Loaded, retired map[string]bool, height int64) (map[string]held, changes) {
	all := make(map[string]held, len(found.Keys))
	var c changes
	put := func(address string, was held, existed, retire bool) {
		now := held{key: was.key, retired: retire, gone: was.gone}
		switch {
		case retire && was.retired:
			now.until = was.until
		case retire:
			now.until = height
			c.retired = append(c.retired, address)
		case !existed:
			c.added = append(c.added, address)
		case was.retired:
			c.restored = append(c.restored, address)
		}
		all[address] = now
	}
	for address, key := range found.Keys {
		was, existed := old[address]
		was.key, was.gone = key, false
		put(address, was, existed, retired[address])
	}
	for address, was := range old {
		if _, here := found.Keys[address]; !here {
			was.gone = was.gone || found.Complete()
			put(address, was, true, was.gone || retired[address])
		}
	}
	for _, list := range [][]string{c.added, c.retired, c.restored} {
		slices.Sort(list)
	}
	return all, c
}
