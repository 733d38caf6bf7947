package raftfsm

import (
	"strings"
	"testing"
	"time"
)

func TestMoment(t *testing.T) {
	m := newMoment()
	if !m.get().IsZero() {
		t.Errorf("never is %s", m.get())
	}
	before := time.Now()
	m.mark()
	got := m.get()
	if got.Before(before) || got.After(time.Now()) {
		t.Errorf("got %s, want a time after %s", got, before)
	}
	if !strings.Contains(got.String(), " m=") { // time.Time tells only there
		t.Errorf("%s has no monotonic clock: it would follow the wall clock when that is set", got)
	}
}
