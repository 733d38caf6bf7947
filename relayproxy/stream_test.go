package relayproxy

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	"github.com/valyala/fasthttp"
)

// openStreamOf posts a relay and returns the answer's body while it is sent.
func openStreamOf(t *testing.T, url string, body []byte) *http.Response {
	t.Helper()
	client := &http.Client{Timeout: 20 * time.Second}
	res, err := client.Post(url, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatalf("post: %v", err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

// readChunk reads up to the next delimiter.
func readChunk(t *testing.T, r *bufio.Reader) *servicetypes.RelayResponse {
	t.Helper()
	var raw []byte
	for !bytes.HasSuffix(raw, []byte(streamDelimiter)) {
		b, err := r.ReadByte()
		if err != nil {
			t.Fatalf("read chunk after %q: %v", raw, err)
		}
		raw = append(raw, b)
	}
	out := new(servicetypes.RelayResponse)
	if err := out.Unmarshal(bytes.TrimSuffix(raw, []byte(streamDelimiter))); err != nil {
		t.Fatalf("decode chunk %q: %v", raw, err)
	}
	return out
}

func TestEventsArriveOneByOne(t *testing.T) {
	long := "data: " + strings.Repeat("x", 200<<10) + "\n\n"
	for _, tc := range []struct {
		kind   string
		events []string
	}{
		{"text/event-stream", []string{"data: 1\n\n", "event: a\ndata: 2\r\n\r\n", long, "data: last"}},
		{"application/x-ndjson", []string{"{\"a\":1}\n", "{\"a\":2}\n", "{}"}},
	} {
		t.Run(tc.kind, func(t *testing.T) {
			w := newWorld(t)
			next := make(chan struct{})
			w.backend.handle(func(ctx *fasthttp.RequestCtx) {
				ctx.SetContentType(tc.kind)
				ctx.SetBodyStreamWriter(func(out *bufio.Writer) {
					for _, event := range tc.events {
						_, _ = out.WriteString(event)
						_ = out.Flush()
						<-next
					}
				})
			})
			_, url := w.start()
			res := openStreamOf(t, url, w.signed("{}"))
			if got := res.Header.Get("Content-Type"); got != tc.kind {
				t.Errorf("content type %q, want %q", got, tc.kind)
			}
			body := bufio.NewReader(res.Body)
			for i, want := range tc.events {
				if i == len(tc.events)-1 {
					next <- struct{}{} // an unfinished event arrives when the stream ends
					next <- struct{}{}
				}
				chunk := readChunk(t, body)
				if err := chunk.VerifySupplierOperatorSignature(w.supplier.PubKey()); err != nil {
					t.Errorf("event %d: %v", i, err)
				}
				if got := string(backendAnswer(t, chunk).BodyBz); got != want {
					t.Errorf("event %d: got %.40q, want %.40q", i, got, want)
				}
				if n := len(w.stream.published()); n != 1 {
					t.Errorf("after event %d: %d leaves, want one for the whole stream", i, n)
				}
				if i < len(tc.events)-2 {
					next <- struct{}{}
				}
			}
			if rest, err := io.ReadAll(body); err != nil || len(rest) != 0 {
				t.Errorf("after the last event: %q, %v", rest, err)
			}
		})
	}
}

func TestADelimiterInAnEventDoesNotEndAChunk(t *testing.T) {
	w := newWorld(t)
	event := "data: a" + streamDelimiter + streamDelimiter + "b\n\n"
	w.backend.handle(func(ctx *fasthttp.RequestCtx) {
		ctx.SetContentType("text/event-stream")
		ctx.SetBodyString(event)
	})
	_, url := w.start()
	body, err := io.ReadAll(openStreamOf(t, url, w.signed("{}")).Body)
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for chunk := range bytes.SplitSeq(body, []byte(streamDelimiter)) {
		if len(chunk) == 0 {
			continue
		}
		var res servicetypes.RelayResponse
		if err := res.Unmarshal(chunk); err != nil {
			t.Fatalf("chunk %q: %v", chunk, err)
		}
		got.Write(backendAnswer(t, &res).BodyBz)
	}
	if got.String() != event {
		t.Errorf("got %q, want %q", got.String(), event)
	}
}

func TestAStreamThatIsNotRecordedIsRefused(t *testing.T) {
	for _, tc := range []struct {
		name   string
		body   string
		err    error
		reason Reason
	}{
		{"empty", "", nil, ReasonEmptyResponse},
		{"stream away", "data: 1\n\n", io.ErrClosedPipe, ReasonPublish},
	} {
		w := newWorld(t)
		w.stream.err = tc.err
		w.backend.handle(func(ctx *fasthttp.RequestCtx) {
			ctx.SetContentType("text/event-stream")
			ctx.SetBodyString(tc.body)
		})
		_, url := w.start()
		if _, res := post(t, url, w.signed("{}")); res.RelayMinerError.GetCode() != wireForms[tc.reason].code {
			t.Errorf("%s: got %v, want refusal %s", tc.name, res.RelayMinerError, tc.reason)
		}
	}
}

func TestABackendThatBreaksOffSaysSo(t *testing.T) {
	w := newWorld(t)
	read := make(chan struct{})
	w.backend.handle(func(ctx *fasthttp.RequestCtx) {
		ctx.SetContentType("text/event-stream")
		conn := ctx.Conn()
		ctx.SetBodyStreamWriter(func(out *bufio.Writer) {
			_, _ = out.WriteString("data: 1\n\n")
			_ = out.Flush()
			<-read
			_ = conn.Close()
		})
	})
	_, url := w.start()
	body := bufio.NewReader(openStreamOf(t, url, w.signed("{}")).Body)
	if first := readChunk(t, body); first.RelayMinerError != nil {
		t.Fatalf("first chunk: %v", first.RelayMinerError)
	}
	close(read)
	last := readChunk(t, body)
	if last.RelayMinerError.GetCode() != 9 || len(last.Meta.SupplierOperatorSignature) != 0 {
		t.Errorf("last chunk: %v", last.RelayMinerError)
	}
}

func TestACutOffBodyIsNotSigned(t *testing.T) {
	w := newWorld(t)
	w.config.Services[testService].Backends[RPCJSON] = one(rawBackend(t,
		"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n"))
	_, url := w.start()
	if _, res := post(t, url, w.signed("{}")); res.RelayMinerError.GetCode() != 9 || len(w.stream.published()) != 0 {
		t.Errorf("got %v and %d leaves, want a refusal", res.RelayMinerError, len(w.stream.published()))
	}
}

// rawBackend answers every request with these bytes and hangs up.
func rawBackend(t *testing.T, answer string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = http.ReadRequest(bufio.NewReader(conn))
			_, _ = io.WriteString(conn, answer)
			_ = conn.Close()
		}
	}()
	return "http://" + ln.Addr().String()
}
