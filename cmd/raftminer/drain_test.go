package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
)

// fakeServer notes what is asked of it.
type fakeServer struct {
	calls   chan string
	release chan error
	late    atomic.Uint64
	busy    bool // requests never stop coming
}

func (f *fakeServer) Late() uint64 {
	if f.busy {
		f.late.Add(1)
	}
	return f.late.Load()
}

func (f *fakeServer) Drain() { f.calls <- "drain" }

func (f *fakeServer) Shutdown(ctx context.Context) error {
	f.calls <- "shutdown"
	select {
	case err := <-f.release:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func newFakeServer() *fakeServer {
	return &fakeServer{calls: make(chan string, 4), release: make(chan error, 1)}
}

func request(t *testing.T, d *drainer, method, from string, header ...string) (int, drainStatus) {
	t.Helper()
	mux := http.NewServeMux()
	d.routes(mux)
	req := httptest.NewRequest(method, "/drain", nil)
	req.RemoteAddr = from
	if len(header) == 2 {
		req.Header.Set(header[0], header[1])
	}
	res := httptest.NewRecorder()
	mux.ServeHTTP(res, req)
	var status drainStatus
	if res.Code < 300 {
		if err := json.Unmarshal(res.Body.Bytes(), &status); err != nil {
			t.Fatalf("%s: %v", res.Body, err)
		}
	}
	return res.Code, status
}

func TestDrainGoesStepByStep(t *testing.T) {
	server := newFakeServer()
	d := newDrainer(server, time.Hour, time.Hour, zap.NewNop())
	states := func(want drainState) {
		t.Helper()
		if _, got := request(t, d, http.MethodGet, "192.0.2.1:1"); got.State != want {
			t.Errorf("state %q, want %q", got.State, want)
		}
	}
	states(drainServing)
	for range 2 { // the second asks for what is under way
		if code, got := request(t, d, http.MethodPost, "127.0.0.1:1"); code != http.StatusAccepted || got.State != drainUnready {
			t.Errorf("POST: got %d %q", code, got.State)
		}
	}
	if got := <-server.calls; got != "drain" {
		t.Errorf("asked for %s first, want drain", got)
	}
	d.cut()
	if got := <-server.calls; got != "shutdown" {
		t.Errorf("asked for %s next, want shutdown", got)
	}
	states(drainClosing)
	server.release <- errors.New("2 relays were cut off")
	d.wait()
	if _, got := request(t, d, http.MethodGet, "192.0.2.1:1"); got.State != drainDone || got.Error != "2 relays were cut off" {
		t.Errorf("got %+v", got)
	}
}

// A balancer that does not notice holds nobody up for long.
func TestDrainWaitsForQuiet(t *testing.T) {
	for _, busy := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			server := newFakeServer()
			server.busy = busy
			server.release <- nil
			d := newDrainer(server, 4*time.Second, time.Minute, zap.NewNop())
			began := time.Now()
			d.wait()
			want := 5 * time.Second
			if busy {
				want = 8 * time.Second
			}
			if took := time.Since(began); took != want {
				t.Errorf("busy %t: took %s, want %s", busy, took, want)
			}
		})
	}
}

// What is in flight has its time and no more.
func TestDrainEnds(t *testing.T) {
	server := newFakeServer()
	d := newDrainer(server, 0, time.Millisecond, zap.NewNop())
	d.wait()
	if got := d.current(); got.State != drainDone || got.Error == "" {
		t.Errorf("got %+v, want an error", got)
	}
}

func TestWhoMayDrain(t *testing.T) {
	for name, tc := range map[string]struct {
		from   string
		header []string
		want   int
	}{
		"loopback":      {"127.0.0.1:1", nil, http.StatusAccepted},
		"loopback IPv6": {"[::1]:1", nil, http.StatusAccepted},
		"elsewhere":     {"192.0.2.1:1", nil, http.StatusForbidden},
		"a browser":     {"127.0.0.1:1", []string{"Origin", "https://evil.example"}, http.StatusForbidden},
	} {
		d := newDrainer(newFakeServer(), time.Hour, time.Hour, zap.NewNop())
		if code, _ := request(t, d, http.MethodPost, tc.from, tc.header...); code != tc.want {
			t.Errorf("%s: got %d, want %d", name, code, tc.want)
		}
	}
}

func TestReadiness(t *testing.T) {
	bad := check{"bad", func() error { return errors.New("not today") }}
	good := check{"good", func() error { return nil }}
	for _, tc := range []struct {
		path   string
		status int
		checks []string
	}{
		{"/readyz", 200, nil},
		{"/readyz?verbose", 200, []string{"good"}},
		{"/readyz/fine", 200, nil},
		{"/readyz/out", 503, []string{"bad", "good"}},
		{"/readyz/none", 404, nil},
		{"/livez", 200, nil},
	} {
		server, err := newOpsServer("127.0.0.1:0", newRegistry(), ops{
			checks: []check{good}, services: map[string][]check{"fine": nil, "out": {bad}},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer server.listener.Close()
		res := httptest.NewRecorder()
		server.server.Handler.ServeHTTP(res, httptest.NewRequest(http.MethodGet, tc.path, nil))
		var answer struct {
			Ready  bool              `json:"ready"`
			Checks map[string]string `json:"checks"`
		}
		_ = json.Unmarshal(res.Body.Bytes(), &answer) // the others are plain text
		var names []string
		for name := range answer.Checks {
			names = append(names, name)
		}
		slices.Sort(names)
		if res.Code != tc.status || !slices.Equal(names, tc.checks) {
			t.Errorf("%s: got %d with checks %v, want %d with %v", tc.path, res.Code, names, tc.status, tc.checks)
		}
	}
}
