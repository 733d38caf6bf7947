package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// check is one condition of readiness; nil means it holds.
type check struct {
	name string
	err  func() error
}

// newRegistry has the runtime's own metrics.
func newRegistry() *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewBuildInfoCollector())
	return reg
}

// ops is what the ops server tells of a process.
type ops struct {
	checks   []check
	services map[string][]check   // what each service needs besides, at /readyz/<service>
	extend   func(*http.ServeMux) // adds what only this role has; nil for nothing
}

// opsServer answers /metrics, /livez and /readyz, apart from the relays.
type opsServer struct {
	listener net.Listener
	server   *http.Server
}

func newOpsServer(addr string, reg *prometheus.Registry, o ops) (*opsServer, error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("metrics.addr: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { serveReady(w, r, o.checks) })
	mux.HandleFunc("GET /readyz/{service}", func(w http.ResponseWriter, r *http.Request) {
		own, known := o.services[r.PathValue("service")]
		if !known {
			http.Error(w, "no such service", http.StatusNotFound)
			return
		}
		serveReady(w, r, slices.Concat(o.checks, own))
	})
	if o.extend != nil {
		o.extend(mux)
	}
	return &opsServer{listener: listener, server: &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}}, nil
}

// serveReady answers 200 only when every check holds; ?verbose lists them.
func serveReady(w http.ResponseWriter, r *http.Request, checks []check) {
	ready := true
	results := make(map[string]string, len(checks))
	for _, c := range checks {
		results[c.name] = "ok"
		if err := c.err(); err != nil {
			ready = false
			results[c.name] = err.Error()
		}
	}
	w.Header().Set("Content-Type", "application/json")
	if !ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	answer := map[string]any{"ready": ready}
	if r.URL.Query().Has("verbose") || !ready {
		answer["checks"] = results
	}
	_ = json.NewEncoder(w).Encode(answer) // a client that left needs no answer
}

func (s *opsServer) run() error {
	if err := s.server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve metrics: %w", err)
	}
	return nil
}

func (s *opsServer) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = s.server.Shutdown(ctx) // the process is ending
}
