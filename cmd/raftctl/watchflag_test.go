package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
)

// countingWriter calls full once it has so many lines.
type countingWriter struct {
	bytes.Buffer
	lines int
	full  func()
}

func (w *countingWriter) Write(b []byte) (int, error) {
	n, err := w.Buffer.Write(b)
	if strings.Count(w.String(), "\n") >= w.lines {
		w.full()
	}
	return n, err
}

// One value per round, until the interrupt.
func TestWatchEndsWhenInterrupted(t *testing.T) {
	socket := startGroup(t, 1)[0]
	for _, verb := range []string{"members", "status"} {
		ctx, cancel := context.WithCancel(t.Context())
		out := &countingWriter{lines: 3, full: cancel}
		var errs bytes.Buffer
		code := execute(ctx, []string{verb, "--watch=100ms", "-o", "jsonl", "--addr", socket}, out, &errs)
		if code != exitInterrupted || errs.Len() > 0 {
			t.Errorf("%s: exit %d, %q", verb, code, errs.String())
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != 3 {
			t.Errorf("%s: %d rounds, want 3: %q", verb, len(lines), lines)
		}
		for _, line := range lines {
			if !json.Valid([]byte(line)) {
				t.Errorf("%s: round %q is not one value", verb, line)
			}
		}
	}
}

// A group without an answer is what one watches for: the rounds go on.
func TestWatchOutlivesAnOutage(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	errs := &countingWriter{lines: 2, full: cancel}
	var out bytes.Buffer
	code := execute(ctx, []string{"status", "--watch=100ms", "--addr", "unix:///nonexistent/admin.sock"}, &out, errs)
	if code != exitInterrupted || strings.Count(errs.String(), "nonexistent") < 2 {
		t.Errorf("exit %d, %q", code, errs.String())
	}
}
