package relayproxy

import (
	"io"

	"github.com/valyala/fasthttp"
)

// Room for a body before any of it has come, if its length is told and if not. What a
// client or a backend announces takes no more: there is room for what has come, and
// once more.
const (
	firstRead   = 16 << 10
	firstUntold = 4 << 10
)

// held is what one relay takes of what may be in flight. One goroutine at a time may
// use it.
type held struct {
	of    *admission
	bytes int
	in    bool // counted as a relay
}

func (a *admission) hold() *held { return &held{of: a} }

// enter counts the relay in.
func (h *held) enter() *Refusal {
	if h.of.relays.Add(1) > h.of.maxConcurrent {
		h.of.relays.Add(-1)
		return &Refusal{Reason: ReasonOverloaded, Detail: "too many relays are in flight"}
	}
	h.in = true
	return nil
}

// grow admits more bytes; fewer if negative.
func (h *held) grow(bytes int) *Refusal {
	if total := h.of.bytes.Add(int64(bytes)); bytes > 0 && total > h.of.maxMemory {
		h.of.bytes.Add(int64(-bytes))
		return &Refusal{Reason: ReasonOverloaded, Detail: "relays in flight hold too much memory"}
	}
	h.bytes += bytes
	return nil
}

// leave gives everything back. It may be called twice.
func (h *held) leave() {
	h.of.bytes.Add(int64(-h.bytes))
	h.bytes = 0
	if h.in {
		h.of.relays.Add(-1)
		h.in = false
	}
}

// read reads to the end of what is expected to have a length (-1: nobody knows) and
// must have at most limit bytes. Room for it is admitted before it is made.
func (h *held) read(from io.Reader, length, limit int) ([]byte, error) {
	if length > limit {
		return nil, fasthttp.ErrBodyTooLarge
	}
	room := min(firstUntold, limit+1)
	if length >= 0 {
		room = min(firstRead, length+1) // for the end, too
	}
	var body []byte
	for {
		if len(body) == cap(body) {
			if refusal := h.grow(room - cap(body)); refusal != nil {
				return nil, refusal
			}
			body = append(make([]byte, 0, room), body...)
			room = min(2*room, limit+1)
		}
		n, err := from.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case len(body) > limit:
			return nil, fasthttp.ErrBodyTooLarge
		case err == io.EOF && length >= 0 && len(body) != length:
			return nil, io.ErrUnexpectedEOF
		case err == io.EOF:
			return body, nil
		case err != nil:
			return nil, err
		}
	}
}
