package relayproxy

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/valyala/fasthttp"
)

func TestHeldReads(t *testing.T) {
	const limit = 300_000
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		from   io.Reader
		length int
		memory int
		want   int // bytes
		err    error
	}{
		"nothing":                  {strings.NewReader(""), 0, 1 << 20, 0, nil},
		"known length":             {strings.NewReader("hello"), 5, 1 << 20, 5, nil},
		"byte by byte":             {iotest.OneByteReader(strings.NewReader("hello")), 5, 1 << 20, 5, nil},
		"end with the last byte":   {iotest.DataErrReader(strings.NewReader("hello")), 5, 1 << 20, 5, nil},
		"unknown length":           {bytes.NewReader(make([]byte, 200_000)), -1, 1 << 20, 200_000, nil},
		"just the limit":           {bytes.NewReader(make([]byte, limit)), limit, 1 << 20, limit, nil},
		"over the limit":           {bytes.NewReader(make([]byte, limit+1)), -1, 1 << 20, 0, fasthttp.ErrBodyTooLarge},
		"announced over the limit": {strings.NewReader(""), limit + 1, 1 << 20, 0, fasthttp.ErrBodyTooLarge},
		"shorter than announced":   {strings.NewReader("hell"), 5, 1 << 20, 0, io.ErrUnexpectedEOF},
		"longer than announced":    {strings.NewReader("hello"), 4, 1 << 20, 0, io.ErrUnexpectedEOF},
		"broken":                   {iotest.ErrReader(broken), 5, 1 << 20, 0, broken},
		"no memory":                {bytes.NewReader(make([]byte, limit)), limit, 100_000, 0, &Refusal{}},
	} {
		t.Run(name, func(t *testing.T) {
			h := (&admission{maxConcurrent: 1, maxMemory: int64(test.memory)}).hold()
			got, err := h.read(test.from, test.length, limit)
			var refusal *Refusal
			if _, refused := test.err.(*Refusal); refused {
				if !errors.As(err, &refusal) || refusal.Reason != ReasonOverloaded {
					t.Errorf("got %v, want a refusal", err)
				}
			} else if !errors.Is(err, test.err) {
				t.Errorf("got %v, want %v", err, test.err)
			}
			if len(got) != test.want {
				t.Errorf("got %d bytes, want %d", len(got), test.want)
			}
			if err == nil && int(h.of.bytes.Load()) < cap(got) {
				t.Errorf("%d bytes are counted for room for %d", h.of.bytes.Load(), cap(got))
			}
			h.leave()
			if n := h.of.bytes.Load(); n != 0 {
				t.Errorf("%d bytes are still counted", n)
			}
		})
	}
}

// What is announced takes no room: only what has come does.
func TestAnAnnouncedBodyTakesNoRoom(t *testing.T) {
	h := (&admission{maxConcurrent: 1, maxMemory: 1 << 30}).hold()
	from, to := io.Pipe()
	done := make(chan error)
	go func() { _, err := h.read(from, 20_000_000, 20_000_000); done <- err }()
	if _, err := to.Write(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	if n := h.of.bytes.Load(); n > firstRead {
		t.Errorf("%d bytes are counted for a thousand", n)
	}
	_ = to.Close()
	if err := <-done; !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", err)
	}
}
