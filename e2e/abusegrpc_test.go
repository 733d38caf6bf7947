package e2e

import (
	"bytes"
	"context"
	bytesorder "encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// Sizes of what gRPC abusers send.
const (
	abusedStreams  = 100      // of one connection
	endlessStreams = 8        // with messages that never end
	announced      = 19 << 20 // bytes of such a message
	sentOfIt       = 48 << 10 // of each, at once
	hugeHeaders    = 1 << 20  // bytes of a header list
	resetsAtOnce   = 100      // ten times a second
	comeBack       = time.Second
)

// grpcKinds are what one connection of an abuser does, until the relayer or the test
// closes it.
func grpcKinds() map[string]func(a *grpcAbuser) error {
	return map[string]func(a *grpcAbuser) error{
		"settings and no more":       func(*grpcAbuser) error { return nil },
		"streams without a message":  func(a *grpcAbuser) error { return a.openAll(abusedStreams, nil) },
		"messages without an end":    func(a *grpcAbuser) error { return a.openAll(endlessStreams, endless()) },
		"a header list without end":  (*grpcAbuser).endlessHeaders,
		"huge header lists":          (*grpcAbuser).hugeHeaders,
		"junk, and answers not read": func(a *grpcAbuser) error { return a.openAll(abusedStreams, frameOf([]byte("\xff junk"))) },
		"streams opened and reset":   (*grpcAbuser).resets,
	}
}

// checkGRPC is the same for what costs a client nothing over gRPC.
func (f *flood) checkGRPC(size abuse) {
	f.t.Helper()
	good, n := f.good, f.good.net
	conn, err := grpc.NewClient(f.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		f.t.Fatal(err)
	}
	defer conn.Close()
	good.conn = conn
	good.relay()
	good.relay()
	heap := n.metric(good.ctx, "relayer-1", heapMetric)
	g := newFlood(f.t, good.ctx, good)
	opened := g.floodGRPC(size.grpc)
	good.took = nil
	for began := time.Now(); len(good.took) < size.relays || time.Since(began) < size.lasts; {
		good.relay()
		g.heap = max(g.heap, n.metric(good.ctx, "relayer-1", heapMetric)-heap)
	}
	connected := n.metric(good.ctx, "relayer-1", "ha_relayer_active_connections")
	inFlight := n.metric(good.ctx, "relayer-1", "ha_relayer_in_flight_bytes")
	g.close()
	slices.Sort(good.took)
	f.t.Logf("gRPC: %g connections, %d streams opened; %d good relays served, p50 %s, p99 %s; heap grew by %.0f MiB, %.0f KiB in flight",
		connected, opened.Load(), len(good.took), good.took[len(good.took)/2].Round(time.Microsecond),
		good.took[len(good.took)*99/100].Round(time.Microsecond), g.heap/(1<<20), inFlight/1024)
	if g.heap > float64(size.heap) || connected < float64(size.grpc) {
		f.t.Errorf("the heap grew by %.0f bytes, at most %d are wanted; %g connections were open", g.heap, size.heap, connected)
	}
	good.checkNothingLeft()
}

// grpcAbuser is one connection. It keeps to flow control, so that nobody can tell it from
// a client that means well.
type grpcAbuser struct {
	conn   net.Conn
	opened *atomic.Int64
	huge   []byte // a list of headers
	hpack  *hpack.Encoder
	block  bytes.Buffer
	next   uint32 // id of the next stream

	mu      sync.Mutex // of what follows, and of writing
	out     *http2.Framer
	windows map[uint32]int // what may be sent, 0 is the connection
	changed *sync.Cond
	gone    bool // the relayer has hung up
}

// errGone ends an abuser whose connection the relayer has closed.
var errGone = errors.New("the relayer has hung up")

// floodGRPC keeps so many connections of each kind open, and returns how many streams
// they have opened.
func (f *flood) floodGRPC(each int) *atomic.Int64 {
	opened, huge := new(atomic.Int64), hugeList()
	for _, abuse := range grpcKinds() {
		for range each {
			f.all.Go(func() {
				for f.ctx.Err() == nil {
					f.abuse(abuse, opened, huge)
					select {
					case <-f.ctx.Done():
					case <-time.After(comeBack):
					}
				}
			})
		}
	}
	return opened
}

func (f *flood) abuse(how func(a *grpcAbuser) error, opened *atomic.Int64, huge []byte) {
	conn, err := net.DialTimeout("tcp", f.addr, 30*time.Second)
	if err != nil {
		return
	}
	stop := context.AfterFunc(f.ctx, func() { _ = conn.Close() })
	defer stop()
	defer conn.Close()
	a := &grpcAbuser{conn: conn, next: 1, opened: opened, huge: huge, out: http2.NewFramer(conn, conn), windows: map[uint32]int{0: 65535}}
	a.hpack, a.changed = hpack.NewEncoder(&a.block), sync.NewCond(&a.mu)
	f.all.Go(a.read)
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		return
	}
	// No window: what the relayer answers stays with it.
	err = a.write(func(out *http2.Framer) error {
		return out.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	})
	if err == nil {
		err = how(a)
	}
	if err == nil {
		a.wait()
	}
}

// read takes what the relayer says, and gives the signs of life that it asks for.
func (a *grpcAbuser) read() {
	for {
		frame, err := a.out.ReadFrame()
		a.mu.Lock()
		switch f := frame.(type) {
		case *http2.WindowUpdateFrame:
			a.windows[f.StreamID] += int(f.Increment)
		case *http2.PingFrame:
			if !f.IsAck() {
				_ = a.out.WritePing(true, f.Data)
			}
		case *http2.RSTStreamFrame:
			delete(a.windows, f.StreamID)
		}
		a.gone = err != nil
		a.changed.Broadcast()
		a.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (a *grpcAbuser) write(frame func(out *http2.Framer) error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.gone {
		return errGone
	}
	return frame(a.out)
}

// send sends on a stream as fast as the relayer lets it, until that ends the stream.
func (a *grpcAbuser) send(stream uint32, data []byte) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(data) > 0 {
		window, open := a.windows[stream]
		if room := min(window, a.windows[0], 16<<10, len(data)); room > 0 {
			if err := a.out.WriteData(stream, false, data[:room]); err != nil {
				return err
			}
			a.windows[stream] -= room
			a.windows[0] -= room
			data = data[room:]
			continue
		}
		if a.gone {
			return errGone
		}
		if !open {
			return nil
		}
		a.changed.Wait()
	}
	return nil
}

// wait waits until the relayer has had enough.
func (a *grpcAbuser) wait() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for !a.gone {
		a.changed.Wait()
	}
}

// open begins a call.
func (a *grpcAbuser) open(end bool, more ...byte) (stream uint32, err error) {
	a.block.Reset()
	for _, field := range []hpack.HeaderField{
		{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"}, {Name: ":authority", Value: "x"},
		{Name: ":path", Value: "/pocket.service.RelayService/SendRelay"},
		{Name: "content-type", Value: "application/grpc"}, {Name: "te", Value: "trailers"},
	} {
		if err := a.hpack.WriteField(field); err != nil {
			return 0, err
		}
	}
	a.block.Write(more)
	stream = a.next
	a.next += 2
	a.opened.Add(1)
	return stream, a.write(func(out *http2.Framer) error {
		a.windows[stream] = 65535
		const frame = 16 << 10
		block := a.block.Bytes()
		part := block[:min(frame, len(block))]
		rest := block[len(part):]
		err := out.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: part, EndHeaders: end && len(rest) == 0})
		for err == nil && len(rest) > 0 {
			part, rest = rest[:min(frame, len(rest))], rest[min(frame, len(rest)):]
			err = out.WriteContinuation(stream, end && len(rest) == 0, part)
		}
		return err
	})
}

// openAll opens streams and sends the same on each.
func (a *grpcAbuser) openAll(streams int, data []byte) error {
	for range streams {
		stream, err := a.open(true)
		if err == nil {
			err = a.send(stream, data)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// endless is the beginning of a message that does not end.
func endless() []byte {
	return append(bytesorder.BigEndian.AppendUint32([]byte{0}, announced), make([]byte, sentOfIt)...)
}

func frameOf(message []byte) []byte {
	return append(bytesorder.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
}

// hugeList is a list of headers as it is sent. It refers to nothing that was sent before.
func hugeList() []byte {
	var block bytes.Buffer
	out := hpack.NewEncoder(&block)
	for i := range hugeHeaders >> 10 {
		_ = out.WriteField(hpack.HeaderField{Name: fmt.Sprintf("x-%d", i), Value: strings.Repeat("x", 1<<10), Sensitive: true})
	}
	return block.Bytes()
}

func (a *grpcAbuser) endlessHeaders() error {
	_, err := a.open(false, a.huge...)
	return err
}

func (a *grpcAbuser) hugeHeaders() error {
	for range abusedStreams / 10 {
		if _, err := a.open(true, a.huge...); err != nil {
			return err
		}
	}
	return nil
}

// resets opens calls, with a message that has to be looked at, and takes them back.
func (a *grpcAbuser) resets() error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for ; ; <-tick.C {
		for range resetsAtOnce {
			stream, err := a.open(true)
			if err == nil {
				err = a.send(stream, frameOf([]byte("\xff junk")))
			}
			if err == nil {
				err = a.write(func(out *http2.Framer) error {
					delete(a.windows, stream)
					return out.WriteRSTStream(stream, http2.ErrCodeCancel)
				})
			}
			if err != nil {
				return err
			}
		}
	}
}
