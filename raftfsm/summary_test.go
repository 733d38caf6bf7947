package raftfsm

import (
	"strings"
	"testing"
)

// A kind that operators cannot read would be a number in their log.
func TestEveryKindHasAName(t *testing.T) {
	for k := range Kind(64) {
		cmd, known := newCommand(k)
		if named := !strings.HasPrefix(k.String(), "kind("); named != known {
			t.Errorf("kind %d: known %v, named %v", k, known, named)
		}
		if _, marks := cmd.(*Mark); known && !marks && k != KindAdvance && Summarize(cmd) == "" && k != KindRetire {
			t.Errorf("%s has no summary", k)
		}
	}
}
