package relayproxy

import (
	"bufio"
	"bytes"
	"net/http"
	"strings"
	"testing"

	sdktypes "github.com/pokt-network/shannon-sdk/types"
	"github.com/valyala/fasthttp"
	"google.golang.org/protobuf/proto"
)

// Decoders of outside bytes that have no file of tests to themselves.

// Whatever a client signs, the request goes to our backend, is one request, and says
// of itself only what we say of it.
func FuzzBackendRequest(f *testing.F) {
	up, err := newUpstream(RPCREST, Backend{URL: "http://backend:1/api"}, Service{ForwardPocketHeaders: true})
	if err != nil {
		f.Fatal(err)
	}
	w := newWorld(f)
	add := func(in *sdktypes.POKTHTTPRequest) {
		bz, err := proto.Marshal(in)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(bz)
	}
	add(jsonRPC("{}"))
	for _, name := range []string{"Transfer-Encoding", "Content-Length", "Pocket-Supplier", "Host", "X-A\r\nX-B", "Connection"} {
		add(&sdktypes.POKTHTTPRequest{Method: "PUT", Url: "/a?b", BodyBz: []byte("GET / HTTP/1.1\r\n\r\n"), Header: map[string]*sdktypes.Header{
			name: {Key: name, Values: []string{"chunked", "1\r\nX: y"}},
		}})
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		r := &relay{req: *w.request(jsonRPC(""))}
		r.req.Payload = payload
		var req fasthttp.Request
		if up.build(&req, r) != nil {
			return
		}
		var wire bytes.Buffer
		if _, err := req.WriteTo(&wire); err != nil {
			return
		}
		in := bufio.NewReader(&wire)
		got, err := http.ReadRequest(in)
		if err != nil {
			t.Fatalf("%q is not a request: %v", wire.Bytes(), err)
		}
		var body bytes.Buffer
		if _, err := body.ReadFrom(got.Body); err != nil || in.Buffered() > 0 {
			t.Fatalf("%d bytes follow the request, %v", in.Buffered(), err)
		}
		if supplier := got.Header.Values(pocketSupplier); len(supplier) != 1 || supplier[0] != w.supplier.Address() {
			t.Errorf("the backend is told of suppliers %q", supplier)
		}
		if got.Host != "backend:1" || !strings.HasPrefix(got.URL.Path, "/api") {
			t.Errorf("the request goes to %s, %s", got.Host, got.URL)
		}
	})
}

// Frames are anybody's. A push is never paired by its id.
func FuzzRPCID(f *testing.F) {
	for _, seed := range []string{`{"id":1}`, `{"id":null,"method":"m"}`, `[{"id":2},{"id":"x"}]`, `[]`, `{`, `1`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		if id, push := rpcID(frame); push && id != "" && id != "null" {
			t.Errorf("%q is an event with id %s", frame, id)
		}
	})
}

// Events are all that a backend sends, in order, and none holds what ends a chunk.
func FuzzEvents(f *testing.F) {
	f.Add([]byte("data: 1\n\ndata: 2\r\n\r\nrest"), true)
	f.Add([]byte("{}\n{}\n"), false)
	f.Add([]byte("a"+streamDelimiter+streamDelimiter+"|\n\n"), true)
	f.Fuzz(func(t *testing.T, body []byte, blank bool) {
		s := &stream{
			exchange: &exchange{res: new(fasthttp.Response), conn: &backendConn{Conn: silentConn{}}}, source: bufio.NewReader(bytes.NewReader(body)),
			blank: blank, limit: 1 << 20, relay: &relay{held: (&admission{maxMemory: 1 << 30}).hold()},
		}
		var got []byte
		for {
			part, err := s.next()
			if bytes.Contains(part, []byte(streamDelimiter)) {
				t.Errorf("%q holds the delimiter", part)
			}
			if got = append(got, part...); len(part) == 0 {
				if err == nil {
					t.Fatal("an empty event")
				}
				break
			}
		}
		if !bytes.Equal(got, body) {
			t.Errorf("got %q of %q", got, body)
		}
	})
}

// A node's answer names a height or none.
func FuzzHeight(f *testing.F) {
	f.Add([]byte(`{"result":{"height":"12"}}`), "result.height")
	f.Add([]byte(`{"result":"0x1F"}`), "result")
	f.Add([]byte(`[1]`), "")
	f.Fuzz(func(_ *testing.T, answer []byte, field string) { _, _ = height(answer, field) })
}
