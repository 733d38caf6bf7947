package main

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// silent is a socket that takes connections and never answers, like that of a
// stopped process.
func silent(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "silent.sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return path
}

// A question goes on to the next member when one is stuck. A change does not: the
// stuck member may have made it.
func TestStuckMember(t *testing.T) {
	stuck, good := silent(t), startGroup(t, 1)[0]
	if code, out, errs := raftctl([]string{stuck, good}, "status", "--timeout", "1s"); code != exitOK || !strings.Contains(out, "m1") {
		t.Errorf("status: exit %d, %q %q", code, out, errs)
	}
	if code, _, errs := raftctl([]string{stuck, good}, "drain", "m1", "--timeout", "1s"); code != exitUnreachable || !strings.Contains(errs, "silent.sock") {
		t.Errorf("drain: exit %d, %q", code, errs)
	}
	if code, _, errs := raftctl([]string{stuck}, "status", "--timeout", "100ms"); code != exitUnreachable {
		t.Errorf("status of the stuck one: exit %d, %q", code, errs)
	}
}

// Whoever answered is asked first the next time.
func TestTheOneThatAnsweredIsPreferred(t *testing.T) {
	stuck, good := silent(t), startGroup(t, 1)[0]
	o := &options{addrs: []string{stuck, good, "other"}, timeout: time.Second}
	for range 2 {
		if _, err := ask(t.Context(), o, askStatus); err != nil {
			t.Fatal(err)
		}
		if o.addrs[0] != good || len(o.addrs) != 3 || o.addrs[1] != stuck {
			t.Errorf("addresses are %v", o.addrs)
		}
		o.timeout = time.Minute // to ask the stuck one first would now take this long
	}
}
