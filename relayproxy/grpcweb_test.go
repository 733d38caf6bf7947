package relayproxy

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"io"
	"net/http"
	"strings"
	"testing"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	"github.com/valyala/fasthttp"
	"google.golang.org/grpc"
)

// callWeb sends a relay over gRPC-Web and returns its answers.
func (w *world) callWeb(url, kind string, body []byte) (answers []*servicetypes.RelayResponse) {
	w.t.Helper()
	text := strings.HasSuffix(kind, "-text")
	framed := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(body))), body...)
	if text {
		framed = base64.StdEncoding.AppendEncode(nil, framed)
	}
	req, err := http.NewRequest(http.MethodPost, url+"/"+relayService+"/"+relayMethod, bytes.NewReader(framed))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", kind)
	req.Header.Set(headerRPCType, "3")
	res, err := w.httpClient().Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != kind {
		w.t.Fatalf("status %d, content type %q, %v", res.StatusCode, res.Header.Get("Content-Type"), err)
	}
	if text {
		raw = w.decodeSegments(raw)
	}
	for len(raw) > 0 {
		size := binary.BigEndian.Uint32(raw[1:])
		flags, message := raw[0], raw[frameHead:frameHead+size]
		if raw = raw[frameHead+size:]; flags == frameTrails {
			if string(message) != "grpc-status:0\r\n" || len(raw) > 0 {
				w.t.Errorf("trailers %q, and %d bytes after them", message, len(raw))
			}
			return answers
		}
		answer := new(servicetypes.RelayResponse)
		if err := answer.Unmarshal(message); err != nil {
			w.t.Fatal(err)
		}
		answers = append(answers, answer)
	}
	w.t.Error("an answer without trailers")
	return answers
}

// decodeSegments decodes base64 whose frames are padded each.
func (w *world) decodeSegments(raw []byte) (out []byte) {
	w.t.Helper()
	for ; len(raw) > 0; raw = raw[4:] {
		var err error
		if out, err = base64.StdEncoding.AppendDecode(out, raw[:4]); err != nil {
			w.t.Fatal(err)
		}
	}
	return out
}

// What a backend streams arrives as one answer an event; all of them are one relay.
func TestStreamsOverGRPC(t *testing.T) {
	for name, call := range map[string]func(w *world, url string, body []byte) []*servicetypes.RelayResponse{
		"grpc": (*world).callStream,
		"grpc-web": func(w *world, url string, body []byte) []*servicetypes.RelayResponse {
			return w.callWeb(url, "application/grpc-web", body)
		},
		"grpc-web-text": func(w *world, url string, body []byte) []*servicetypes.RelayResponse {
			return w.callWeb(url, "application/grpc-web-text", body)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			events := []string{"data: 1\n\n", "data: two\n\n", "data: 3\n\n"}
			w.backend.handle(func(ctx *fasthttp.RequestCtx) {
				ctx.SetContentType("text/event-stream")
				ctx.SetBodyStreamWriter(func(out *bufio.Writer) {
					for _, event := range events {
						_, _ = out.WriteString(event)
						_ = out.Flush()
					}
				})
			})
			s, url := w.start()
			answers := call(w, url, w.signed("{}"))
			var got []string
			for _, a := range answers {
				if err := a.VerifySupplierOperatorSignature(w.supplier.PubKey()); err != nil {
					t.Error(err)
				}
				got = append(got, string(backendAnswer(t, a).BodyBz))
			}
			if strings.Join(got, "|") != strings.Join(events, "|") {
				t.Errorf("got %q, want %q", got, events)
			}
			if n := len(w.stream.published()); n != 1 {
				t.Errorf("%d relays were published, want 1", n)
			}
			waitFor(t, func() bool { return s.pipeline.admission.relays.Load() == 0 && s.pipeline.admission.bytes.Load() == 0 })
			w.checkCharged(1)
		})
	}
}

// callStream sends a relay over gRPC and takes all answers.
func (w *world) callStream(url string, body []byte) (answers []*servicetypes.RelayResponse) {
	w.t.Helper()
	conn := w.grpcConn(url)
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), socketPatience)
	defer cancel()
	call, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/"+relayService+"/"+relayMethod)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := call.SendMsg(&body); err != nil {
		w.t.Fatal(err)
	}
	_ = call.CloseSend()
	for {
		var raw []byte
		if err := call.RecvMsg(&raw); err != nil {
			if err != io.EOF {
				w.t.Error(err)
			}
			return answers
		}
		answer := new(servicetypes.RelayResponse)
		if err := answer.Unmarshal(raw); err != nil {
			w.t.Fatal(err)
		}
		answers = append(answers, answer)
	}
}

// Any bytes are one message or none, and never more than they are.
func FuzzGRPCWebMessage(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\x05hello"), false)
	f.Add([]byte("AAAAAAVoZWxsbw=="), true)
	f.Add([]byte("\x01\xff\xff\xff\xff"), false)
	f.Fuzz(func(t *testing.T, body []byte, text bool) {
		g := &grpcWeb{text: text}
		message, refusal := g.message(bytes.Clone(body))
		if refusal != nil {
			return
		}
		if again := g.frame(nil, 0, message); !text && !bytes.Equal(again, body) {
			t.Errorf("%q holds %q, which is framed as %q", body, message, again)
		}
		if len(g.frame(nil, 0, message)) > g.room(len(message)) {
			t.Errorf("a message of %d bytes has no room", len(message))
		}
	})
}
