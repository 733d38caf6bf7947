package backends

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Server serves every HTTP-borne kind of backend on one loopback port.
type Server struct {
	addr string
	http *http.Server
	done chan struct{}
}

// Start serves on a free port. Paths: / is JSON-RPC, /rest REST, /comet CometBFT,
// /sse and /ndjson streams, /ws WebSocket; gRPC is served over h2c on the same port.
func Start() (*Server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("demo backends: %w", err)
	}
	s := &Server{addr: listener.Addr().String(), done: make(chan struct{})}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	s.http = &http.Server{Handler: handler(), ReadHeaderTimeout: 10 * time.Second, Protocols: protocols}
	go func() {
		defer close(s.done)
		// Serve returns when Close closes the listener.
		_ = s.http.Serve(listener)
	}()
	return s, nil
}

func handler() http.Handler {
	grpc := newGRPC()
	mux := http.NewServeMux()
	mux.HandleFunc("/", serveJSONRPC)
	mux.HandleFunc("/rest/", serveREST)
	mux.HandleFunc("/comet/", serveComet)
	mux.HandleFunc("/sse", serveSSE)
	mux.HandleFunc("/ndjson", serveNDJSON)
	mux.HandleFunc("/ws", serveWebSocket)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 2 && r.Header.Get("Content-Type") == "application/grpc" {
			grpc.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// URL is where the backend of a kind of RPC listens. Kinds are those of a
// raftminer service configuration.
func (s *Server) URL(kind string) string {
	switch kind {
	case "rest":
		return "http://" + s.addr + "/rest"
	case "cometbft":
		return "http://" + s.addr + "/comet"
	case "websocket":
		return "ws://" + s.addr + "/ws"
	case "stream":
		return "http://" + s.addr
	default:
		return "http://" + s.addr
	}
}

// Close stops the server, open streams included.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.http.Close()
	}
	<-s.done
	return err
}
