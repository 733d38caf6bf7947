package ring

import (
	"sync"
	"sync/atomic"

	"github.com/maypok86/otter/v2"
)

// What is kept per point. A ring is the same for every relay of an application
// in a session, gateways are in the rings of many applications, and the key
// image of a signer is the same in all its signatures; so everything is cached
// by point, not by ring.
const (
	// knownPoints bounds the points whose parsed form is kept, about 1.2 KiB each.
	knownPoints = 1 << 14
	// hotAfter is how many signatures a point is in before it gets window tables:
	// about as many as the tables need to pay for their own construction. It is
	// counted anew after an eviction, so that too small a budget costs little.
	hotAfter = 64
	// hotWidth makes tables of 256 KiB that are built in about a millisecond.
	hotWidth = 8
	// generatorWidth makes one table of 832 KiB for the generator.
	generatorWidth = 10
)

// pointID is a compressed point and what it is in a signature.
type pointID struct {
	role role
	key  [pointLen]byte
}

type role uint8

const (
	roleMember role = iota
	roleImage
)

func idOf(r role, compressed []byte) pointID {
	return pointID{role: r, key: [pointLen]byte(compressed)}
}

// knownPoint is a parsed point, for a ring member with the point its key hashes
// to.
type knownPoint struct {
	point, hash affine
	pointOdds   *odds
	hashOdds    *odds // nil for a key image
	uses        atomic.Uint32
}

// hotPoint has window tables.
type hotPoint struct {
	point, hash *table // hash is nil for a key image
}

func (h *hotPoint) bytes() int {
	n := len(h.point.entries)
	if h.hash != nil {
		n += len(h.hash.entries)
	}
	return n * affineBytes
}

// pointCache holds points and the tables of those that are hot, within a budget
// of memory. It is safe for concurrent use.
type pointCache struct {
	generator *table
	known     *otter.Cache[pointID, *knownPoint]
	hot       *otter.Cache[pointID, *hotPoint] // nil when not even one ring member fits
	building  sync.Mutex                       // one table at a time, whoever needs more goes on without
}

func newPointCache(budget int) *pointCache {
	c := &pointCache{
		generator: generatorTable(),
		known:     otter.Must(&otter.Options[pointID, *knownPoint]{MaximumSize: knownPoints}),
	}
	if budget >= 2*tableBytes(hotWidth) {
		c.hot = otter.Must(&otter.Options[pointID, *hotPoint]{
			MaximumWeight: uint64(budget),
			Weigher:       func(_ pointID, h *hotPoint) uint32 { return uint32(h.bytes()) },
		})
	}
	return c
}

// member returns a ring member's point. The caller has checked that the key is
// in the ring of an application, so strangers cannot fill the cache.
func (c *pointCache) member(compressed []byte) (*knownPoint, *hotPoint, error) {
	id := idOf(roleMember, compressed)
	if p, ok := c.known.GetIfPresent(id); ok {
		return p, c.tables(id, p), nil
	}
	point, err := parsePoint(compressed)
	if err != nil {
		return nil, nil, err
	}
	hash, err := hashToCurve(compressed)
	if err != nil {
		return nil, nil, err
	}
	p := &knownPoint{point: point, hash: hash, pointOdds: newOdds(point), hashOdds: newOdds(hash)}
	c.known.Set(id, p)
	return p, nil, nil
}

// image returns a key image's point. It is kept only once a valid signature
// carries it: see keepImage.
func (c *pointCache) image(compressed []byte) (*knownPoint, *hotPoint, error) {
	id := idOf(roleImage, compressed)
	if p, ok := c.known.GetIfPresent(id); ok {
		return p, c.tables(id, p), nil
	}
	point, err := parsePoint(compressed)
	if err != nil {
		return nil, nil, err
	}
	return &knownPoint{point: point, pointOdds: newOdds(point)}, nil, nil
}

// keepImage remembers the key image of a valid signature.
func (c *pointCache) keepImage(compressed []byte, p *knownPoint) {
	id := idOf(roleImage, compressed)
	if _, ok := c.known.GetIfPresent(id); !ok {
		c.known.Set(id, p)
	}
}

// tables returns the tables of a point, nil if it has none, and makes them when
// it has become hot.
func (c *pointCache) tables(id pointID, p *knownPoint) *hotPoint {
	if c.hot == nil {
		return nil
	}
	if h, ok := c.hot.GetIfPresent(id); ok {
		return h
	}
	if p.uses.Add(1) < hotAfter || !c.building.TryLock() {
		return nil
	}
	defer c.building.Unlock()
	if h, ok := c.hot.GetIfPresent(id); ok {
		return h
	}
	p.uses.Store(0)
	h := &hotPoint{point: newTable(p.point, hotWidth)}
	if p.hashOdds != nil {
		h.hash = newTable(p.hash, hotWidth)
	}
	c.hot.Set(id, h)
	return h
}
