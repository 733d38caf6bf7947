package relayproxy

import (
	"net/http"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
)

// Pages of allowed origins may send relays from a browser, others get no leave from
// it, and who is no browser notices nothing.
func TestCORS(t *testing.T) {
	const mine, other = "https://app.example", "https://other.example"
	for name, tc := range map[string]struct {
		allowed []string
		origin  string
		want    string // Access-Control-Allow-Origin
		vary    string
	}{
		"none":         {nil, mine, "", ""},
		"any":          {[]string{"*"}, mine, "*", ""},
		"one":          {[]string{mine}, mine, mine, "Origin"},
		"case":         {[]string{"https://APP.example"}, mine, mine, "Origin"},
		"another":      {[]string{mine}, other, "", "Origin"},
		"a part of it": {[]string{mine}, mine + ".evil.example", "", "Origin"},
		"no browser":   {[]string{mine}, "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.config.AllowedOrigins = tc.allowed
			_, url := w.start()
			if tc.allowed != nil && tc.origin != "" {
				res := w.fetch(http.MethodOptions, url, tc.origin, "", nil)
				if got := res.Header.Get("Access-Control-Allow-Origin"); got != tc.want || res.StatusCode != http.StatusNoContent {
					t.Errorf("preflight: status %d, origin %q, want %q", res.StatusCode, got, tc.want)
				}
				for _, header := range []string{"X-Grpc-Web", "Rpc-Type", "Content-Type"} {
					if allowed := strings.Contains(res.Header.Get("Access-Control-Allow-Headers"), header); allowed != (tc.want != "") {
						t.Errorf("preflight: %s allowed: %v", header, allowed)
					}
				}
			}
			for _, kind := range []string{"application/json", "application/grpc-web-text"} {
				res := w.fetch(http.MethodPost, url, tc.origin, kind, w.signed("{}"))
				if got := res.Header.Get("Access-Control-Allow-Origin"); got != tc.want || res.Header.Get("Vary") != tc.vary || res.StatusCode != http.StatusOK {
					t.Errorf("%s: status %d, origin %q, want %q, vary %q", kind, res.StatusCode, got, tc.want, res.Header.Get("Vary"))
				}
				if exposed := res.Header.Get("Access-Control-Expose-Headers"); (exposed != "") != (tc.want != "") {
					t.Errorf("%s: exposed %q", kind, exposed)
				}
			}
		})
	}
}

// A page that waits for a stream may read it as well.
func TestCORSOfAStream(t *testing.T) {
	w := newWorld(t)
	w.config.AllowedOrigins = []string{"*"}
	w.backend.handle(func(ctx *fasthttp.RequestCtx) {
		ctx.SetContentType("text/event-stream")
		ctx.SetBodyString("data: 1\n\n")
	})
	_, url := w.start()
	res := w.fetch(http.MethodPost, url, "https://app.example", "application/grpc-web", new(grpcWeb).frame(nil, 0, w.signed("{}")))
	if got := res.Header.Get("Access-Control-Allow-Origin"); got != "*" {
		t.Errorf("origin %q", got)
	}
}

// fetch asks as a browser does.
func (w *world) fetch(method, url, origin, contentType string, body []byte) *http.Response {
	w.t.Helper()
	req, err := http.NewRequest(method, url+"/"+relayService+"/"+relayMethod, strings.NewReader(string(body)))
	if err != nil {
		w.t.Fatal(err)
	}
	if origin != "" {
		req.Header.Set("Origin", origin)
	}
	if method == http.MethodOptions {
		req.Header.Set("Access-Control-Request-Method", "POST")
		req.Header.Set("Access-Control-Request-Headers", "content-type,x-grpc-web,rpc-type")
	} else {
		req.Header.Set("Content-Type", contentType)
		req.Header.Set(headerRPCType, "3")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	_ = res.Body.Close()
	return res
}
