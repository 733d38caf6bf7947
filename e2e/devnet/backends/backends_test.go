package backends_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/fasthttp/websocket"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/raftminer/raftminer/e2e/devnet/backends"
)

func start(t *testing.T) *backends.Server {
	t.Helper()
	s, err := backends.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func TestHTTPBackends(t *testing.T) {
	s := start(t)
	for _, tc := range []struct {
		name, method, kind, path, body string
		status                         int
		want                           string
	}{
		{"chain id", "POST", "jsonrpc", "", `{"id":7,"method":"eth_chainId"}`, 200, `{"jsonrpc":"2.0","id":7,"result":"0x2329"}`},
		{"batch", "POST", "jsonrpc", "", `[{"id":1,"method":"eth_blockNumber"}]`, 200, `[{"jsonrpc":"2.0","id":1,"result":"0x10"}]`},
		{"unknown method", "POST", "jsonrpc", "", `{"id":1,"method":"x"}`, 200, `"code":-32601`},
		{"not JSON", "POST", "jsonrpc", "", `x`, 200, `"code":-32700`},
		{"failing", "POST", "jsonrpc", "", `{"id":1,"method":"demo_status","params":[502]}`, 502, `"result":[502]`},
		{"REST", "PUT", "rest", "/a/b?c=d", "body", 200, `"path":"/rest/a/b","query":{"c":["d"]}`},
		{"REST status", "GET", "rest", "/a?status=404", "", 404, `"method":"GET"`},
		{"comet by path", "GET", "cometbft", "/status", "", 200, `"latest_block_height":"16"`},
		{"comet by method", "POST", "cometbft", "/", `{"id":2,"method":"health"}`, 200, `{"jsonrpc":"2.0","id":2,"result":{}}`},
		{"SSE", "GET", "stream", "/sse?n=2&ms=0", "", 200, "data: {\"token\":0}\n\ndata: {\"token\":1}\n\n"},
		{"NDJSON", "GET", "stream", "/ndjson?n=2&ms=0", "", 200, "{\"token\":0}\n{\"token\":1}\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			req, err := http.NewRequest(tc.method, s.URL(tc.kind)+tc.path, strings.NewReader(tc.body))
			if err != nil {
				t.Fatal(err)
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			got, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != tc.status || !strings.Contains(string(got), tc.want) {
				t.Errorf("answer = %d %s, want %d with %s", res.StatusCode, got, tc.status, tc.want)
			}
		})
	}
}

func TestWebSocketBackend(t *testing.T) {
	s := start(t)
	conn, _, err := websocket.DefaultDialer.Dial(s.URL("websocket"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.WriteMessage(websocket.BinaryMessage, []byte(`{"id":1,"method":"demo_subscribe","params":[2]}`)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"result":"subscribed"`, `{"n":0}`, `{"n":1}`} {
		kind, frame, err := conn.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		if kind != websocket.BinaryMessage || !strings.Contains(string(frame), want) {
			t.Errorf("frame = %d %s, want binary with %s", kind, frame, want)
		}
	}
}

func TestGRPCBackend(t *testing.T) {
	s := start(t)
	conn, err := grpc.NewClient(strings.TrimPrefix(s.URL("grpc"), "http://"),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in, out := wrapperspb.Bytes([]byte("hello")), new(wrapperspb.BytesValue)
	if err := conn.Invoke(context.Background(), backends.EchoMethod, in, out); err != nil {
		t.Fatal(err)
	}
	if string(out.Value) != "hello" {
		t.Errorf("echo = %q, want hello", out.Value)
	}
}
