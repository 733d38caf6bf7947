package main

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"
)

// drainable is a server that can be taken out of service.
type drainable interface {
	Drain()                             // not ready any more, but serving
	Late() uint64                       // requests that came since
	Shutdown(ctx context.Context) error // nothing new, and the end of what is in flight
}

// drainState is how far a relayer is on its way out of service.
type drainState string

// The states, in their order.
const (
	drainServing drainState = "serving"
	drainUnready drainState = "unready" // serving what still comes, until the balancer has noticed
	drainClosing drainState = "closing" // finishing what is in flight
	drainDone    drainState = "drained" // nothing is in flight, everything is published
)

// drainer takes a relayer out of service, once, whoever asks first: a signal or
// POST /drain. The process outlives it, so that its state can be read; what
// publishes must be closed only after wait returns.
type drainer struct {
	server  drainable
	grace   time.Duration // from not being ready to not being reachable
	timeout time.Duration // for what is in flight then
	log     *zap.Logger

	start   sync.Once
	hurry   chan struct{} // closed to cut grace short
	hurried sync.Once
	done    chan struct{}

	mu     sync.Mutex
	status drainStatus
}

// drainStatus is the answer of /drain.
type drainStatus struct {
	State drainState `json:"state"`
	Since time.Time  `json:"since"`
	Error string     `json:"error,omitempty"` // relays that were cut off
}

func newDrainer(server drainable, grace, timeout time.Duration, log *zap.Logger) *drainer {
	d := &drainer{
		server: server, grace: grace, timeout: timeout, log: log,
		hurry: make(chan struct{}), done: make(chan struct{}),
	}
	d.enter(drainServing, nil)
	return d
}

// begin starts draining and returns at once.
func (d *drainer) begin() {
	d.start.Do(func() {
		d.server.Drain()
		d.enter(drainUnready, nil)
		go d.run()
	})
}

// cut ends the grace: nobody is served, so nobody needs to notice.
func (d *drainer) cut() { d.hurried.Do(func() { close(d.hurry) }) }

// wait drains and returns when it is done.
func (d *drainer) wait() {
	d.begin()
	<-d.done
}

func (d *drainer) run() {
	defer close(d.done)
	d.awaitQuiet()
	d.enter(drainClosing, nil)
	ctx, cancel := context.WithTimeout(context.Background(), d.timeout)
	defer cancel()
	d.enter(drainDone, d.server.Shutdown(ctx))
}

// awaitQuiet returns when the grace is over and no request has come for a quarter of
// it, at the latest after twice the grace. A connection that is closed just when its
// client sends a request on it costs that request.
func (d *drainer) awaitQuiet() {
	if !d.pause(d.grace) {
		return
	}
	for range 4 {
		before := d.server.Late()
		if !d.pause(d.grace/4) || d.server.Late() == before {
			return
		}
	}
}

// pause waits, unless waiting is of no use any more.
func (d *drainer) pause(length time.Duration) bool {
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-d.hurry:
		return false
	}
}

func (d *drainer) enter(state drainState, err error) {
	status := drainStatus{State: state, Since: time.Now().UTC()}
	if err != nil {
		status.Error = err.Error()
	}
	d.mu.Lock()
	d.status = status
	d.mu.Unlock()
	if state != drainServing {
		d.log.Info("drain", zap.String("state", string(state)), zap.Error(err))
	}
}

func (d *drainer) current() drainStatus {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.status
}

// routes adds /drain to the ops server. Whoever may read metrics may not stop a
// relayer: POST is taken from this host only.
func (d *drainer) routes(mux *http.ServeMux) {
	mux.HandleFunc("GET /drain", func(w http.ResponseWriter, _ *http.Request) { d.answer(w, http.StatusOK) })
	mux.HandleFunc("POST /drain", func(w http.ResponseWriter, r *http.Request) {
		if !fromLoopback(r) {
			http.Error(w, "POST /drain is taken from loopback only", http.StatusForbidden)
			return
		}
		d.begin()
		d.answer(w, http.StatusAccepted)
	})
}

func (d *drainer) answer(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(d.current()) // a client that left needs no answer
}

// fromLoopback tells requests of this host, other than those that a browser here
// was talked into: they carry an Origin.
func fromLoopback(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	ip := net.ParseIP(host)
	return err == nil && ip != nil && ip.IsLoopback() && r.Header.Get("Origin") == ""
}
