package raftfsm

import (
	"fmt"
	"strings"
)

var kindNames = [...]string{
	KindInit: "Init", KindOpenEpoch: "OpenEpoch", KindCheckpoint: "Checkpoint", KindSeal: "Seal",
	KindIntend: "Intend", KindResolve: "Resolve", KindAdvance: "Advance", KindForget: "Forget",
	KindAdmit: "Admit", KindRetire: "Retire", KindDrain: "Drain",
	KindMark: "Mark", KindCompare: "Compare",
	KindArchived: "Archived", KindAssign: "Assign",
}

// String is the name that operators see.
func (k Kind) String() string {
	if int(k) >= len(kindNames) || kindNames[k] == "" {
		return fmt.Sprintf("kind(%d)", uint8(k))
	}
	return kindNames[k]
}

// Summarize is a command in one line, for operators. It never has the bytes of a
// transaction.
func Summarize(cmd Command) string {
	switch c := cmd.(type) {
	case *Init:
		return fmt.Sprintf("cluster %s, %d partitions", c.ClusterID, c.Partitions)
	case *OpenEpoch:
		return fmt.Sprintf("%s for %s", c.Epoch, c.Owner)
	case *Checkpoint:
		return plural(len(c.Progress), "session")
	case *Seal:
		return fmt.Sprintf("%s, %d relays, %d compute units, root %.12x", SessionName(c.Ref.Key()), c.Count, c.Sum, c.Root)
	case *Intend:
		i := c.Intent
		return fmt.Sprintf("%s %s of %s, %s, tx %x", i.Kind, i.Key(), i.Supplier, plural(len(i.Sessions), "session"), i.TxHash)
	case *Resolve:
		return withReason(fmt.Sprintf("%s %s at height %d", IntentKey{c.Batch, c.Attempt}, c.Status, c.Height), c.Reason)
	case *Advance:
		return summarizeAdvance(c.Transitions)
	case *Forget:
		return plural(len(c.Keys), "session")
	case *Admit:
		return fmt.Sprintf("%s with data directory %s, version %s", c.NodeID, c.Instance, c.Version)
	case *Retire:
		return c.NodeID
	case *Drain:
		return fmt.Sprintf("%s %v", c.NodeID, c.Drained)
	case *Archived:
		return fmt.Sprintf("%s on %s", plural(len(c.Trees), "tree"), c.Node)
	case *Assign:
		return summarizeMoves(c.Moves)
	case *Compare:
		return fmt.Sprintf("entry %d, hash %.12x", c.Index, c.Hash)
	}
	return ""
}

func summarizeAdvance(list []Transition) string {
	if len(list) == 1 {
		t := list[0]
		return withReason(fmt.Sprintf("%s %s at height %d", SessionName(t.Key), t.Stage, t.Height), t.Reason)
	}
	counts := make(map[Stage]int)
	for _, t := range list {
		counts[t.Stage]++
	}
	var parts []string
	for _, stage := range Stages() {
		if n := counts[stage]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, stage))
		}
	}
	return strings.Join(parts, ", ")
}

func summarizeMoves(moves []Move) string {
	parts := make([]string, 0, len(moves))
	for _, m := range moves {
		parts = append(parts, fmt.Sprintf("%d to %s", m.Partition, m.Node))
	}
	return "partition " + strings.Join(parts, ", ")
}

func withReason(text, reason string) string {
	if reason == "" {
		return text
	}
	return text + ": " + reason
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
