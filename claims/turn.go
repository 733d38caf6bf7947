package claims

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/raftfsm"
)

const (
	// politePart is the part of a window, one of so many, over whose blocks first attempts
	// are spread. More than half of the window stays for the attempts after.
	politePart = 3
	// politeWindow is the shortest window that has time to give away: a change of leaders
	// takes seconds.
	politeWindow = time.Minute
)

// turns spread what is sent over the first blocks of a window, so that one block that is
// full, or that is never made, does not hold all of an operator's claims or proofs.
// They follow from names and heights alone.
type turns map[company]int // sessions that end together

// company is whose sessions share transactions: one supplier's, of one end.
type company struct {
	supplier string
	end      int64
}

func turnsOf(sessions []raftfsm.Session) turns {
	t := make(turns)
	for _, s := range sessions {
		t[company{s.Ref.Supplier, s.Ref.EndHeight}]++
	}
	return t
}

// of is how many blocks after the opening of a window it is the turn of a session. A
// supplier's sessions stay together as far as a transaction takes them: each
// transaction costs. Only more than that are parted, by session.
func (t turns) of(ref chain.SessionRef, window int64, spacing time.Duration) int64 {
	if time.Duration(window)*spacing < politeWindow {
		return 0
	}
	blocks := max(1, window/politePart)
	transactions := int64(t[company{ref.Supplier, ref.EndHeight}]+maxBatch-1) / maxBatch
	turn := hashOf(ref.Supplier, ref.EndHeight) % blocks
	if transactions > 1 {
		turn += hashOf(ref.SessionID, ref.EndHeight) % transactions
	}
	return turn % blocks
}

func hashOf(name string, end int64) int64 {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(name), uint64(end)))
	return int64(binary.BigEndian.Uint64(sum[:]) >> 1)
}
