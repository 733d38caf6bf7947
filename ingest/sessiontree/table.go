package sessiontree

// table holds compact nodes in memory that the garbage collector need not look
// through: a grown session has tens of thousands of them. Slots of removed
// nodes are used again, so what get returned is valid until the next remove.
type table struct {
	slots map[Digest]slot
	slabs [][]byte
	used  int             // bytes of the last slab
	free  map[byte][]slot // by kind: nodes of a kind are of one size
}

// slot is a place in the slabs: slab number, offset.
type slot struct{ slab, offset uint32 }

const (
	firstSlab = 2 << 10
	slabSize  = 256 << 10
	// slotOverhead approximates the map entry of a node.
	slotOverhead = 56
)

func newTable() *table { return &table{slots: make(map[Digest]slot), free: make(map[byte][]slot)} }

// sizeOf is the size of a compact node of a kind.
func sizeOf(kind byte) int {
	switch kind {
	case kindInner:
		return innerSize
	case kindExtension:
		return extSize
	}
	return leafStub
}

func (t *table) get(d Digest) ([]byte, bool) {
	at, ok := t.slots[d]
	if !ok {
		return nil, false
	}
	return t.bytes(at), true
}

func (t *table) bytes(at slot) []byte {
	slab := t.slabs[at.slab]
	end := int(at.offset) + sizeOf(slab[at.offset])
	return slab[at.offset:end:end]
}

// put copies what growing a trie needs of a valid node. Of a leaf that is the
// path: its digest comes from the parent and a persisted leaf is never encoded
// again, so the relay itself (most of the bytes) is not kept. One byte of value
// stays, to tell a present leaf from an absent one.
func (t *table) put(d Digest, node []byte) []byte {
	if known, ok := t.get(d); ok {
		return known
	}
	at := t.allocate(node[0])
	t.slots[d] = at
	size := sizeOf(node[0])
	copy(t.slabs[at.slab][at.offset:], node[:size])
	return t.bytes(at)
}

func (t *table) allocate(kind byte) slot {
	if free := t.free[kind]; len(free) > 0 {
		t.free[kind] = free[:len(free)-1]
		return free[len(free)-1]
	}
	size := sizeOf(kind)
	last := len(t.slabs) - 1
	if last < 0 || t.used+size > len(t.slabs[last]) {
		next := firstSlab
		if last >= 0 {
			next = min(2*len(t.slabs[last]), slabSize)
		}
		t.slabs = append(t.slabs, make([]byte, next))
		last, t.used = last+1, 0
	}
	at := slot{uint32(last), uint32(t.used)}
	t.used += size
	return at
}

func (t *table) remove(d Digest) {
	at, ok := t.slots[d]
	if !ok {
		return
	}
	kind := t.slabs[at.slab][at.offset]
	t.free[kind] = append(t.free[kind], at)
	delete(t.slots, d)
}

// size estimates the memory in use.
func (t *table) size() int {
	total := len(t.slots) * slotOverhead
	for _, slab := range t.slabs {
		total += len(slab)
	}
	return total
}
