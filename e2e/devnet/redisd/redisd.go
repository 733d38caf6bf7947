// Package redisd gives the devnet a Redis of its own: the system's redis-server
// as a child process, or miniredis in process where none is installed.
package redisd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/raftminer/raftminer/e2e/devnet/port"
	"github.com/raftminer/raftminer/e2e/devnet/process"
)

// Kinds of server.
const (
	RedisServer = "redis-server"
	Miniredis   = "miniredis"
)

// Options describe a server.
type Options struct {
	Dir     string // its data
	LogPath string
	// Fsync is the appendfsync policy: everysec (the default), always, or no for
	// a server that keeps nothing.
	Fsync string
	// Users are users besides the default one: a name and its rules.
	Users []string
}

// Server is a running Redis on loopback.
type Server struct {
	kind  string
	addr  string
	child *process.Child
	mini  *miniredis.Miniredis
}

// Start starts redis-server when it is installed, else miniredis.
func Start(ctx context.Context, opts Options) (*Server, error) {
	path, err := exec.LookPath(RedisServer)
	if err != nil {
		return startMini()
	}
	if err := os.MkdirAll(opts.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("redis directory: %w", err)
	}
	var last error
	for range 3 { // another process may take the free port before redis does
		s, err := startServer(ctx, path, opts)
		if err == nil {
			return s, nil
		}
		last = err
	}
	return nil, last
}

func startMini() (*Server, error) {
	mini := miniredis.NewMiniRedis()
	if err := mini.StartAddr("127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("start miniredis: %w", err)
	}
	return &Server{kind: Miniredis, addr: mini.Addr(), mini: mini}, nil
}

func startServer(ctx context.Context, path string, opts Options) (*Server, error) {
	ports, err := port.Free(1)
	if err != nil {
		return nil, err
	}
	s := &Server{kind: RedisServer, addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[0]))}
	s.child = process.New(process.Spec{
		Name: RedisServer, Path: path, Args: serverArgs(ports[0], opts), Dir: opts.Dir, LogPath: opts.LogPath,
	})
	if err := s.child.Start(); err != nil {
		return nil, err
	}
	if err := s.waitReady(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func serverArgs(port int, opts Options) []string {
	args := []string{
		"--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--dir", opts.Dir, "--save", "",
		"--daemonize", "no", "--pidfile", filepath.Join(opts.Dir, "redis.pid"),
	}
	for _, user := range opts.Users {
		args = append(append(args, "--user"), strings.Fields(user)...)
	}
	switch opts.Fsync {
	case "no":
		return append(args, "--appendonly", "no")
	case "":
		return append(args, "--appendonly", "yes", "--appendfsync", "everysec")
	default:
		return append(args, "--appendonly", "yes", "--appendfsync", opts.Fsync)
	}
}

func (s *Server) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	client := redis.NewClient(&redis.Options{Addr: s.addr, MaxRetries: -1})
	defer client.Close()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		// PING is refused while the server loads its log.
		err := client.Ping(ctx).Err()
		if err == nil {
			return nil
		}
		if !s.child.Running() {
			return fmt.Errorf("%s: %w", RedisServer, process.ErrExited)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w", RedisServer, err)
		}
	}
}

// Kind is RedisServer or Miniredis.
func (s *Server) Kind() string { return s.kind }

// Addr is host:port.
func (s *Server) Addr() string { return s.addr }

// URL is the address as clients take it.
func (s *Server) URL() string { return "redis://" + s.addr + "/0" }

// PID is redis-server's process, 0 for none.
func (s *Server) PID() int {
	if s.child == nil {
		return 0
	}
	return s.child.PID()
}

// Signal sends a signal to redis-server; miniredis has no process to send to.
func (s *Server) Signal(sig os.Signal) error {
	if s.child == nil {
		return fmt.Errorf("signal %s: %w", Miniredis, errors.ErrUnsupported)
	}
	return s.child.Signal(sig)
}

// Restart starts a redis-server that was killed, on its port and its data.
func (s *Server) Restart(ctx context.Context) error {
	if s.child == nil {
		return fmt.Errorf("restart %s: %w", Miniredis, errors.ErrUnsupported)
	}
	if s.child.Running() {
		if err := s.child.Stop(10 * time.Second); err != nil {
			return err
		}
	}
	if err := s.child.Start(); err != nil {
		return err
	}
	return s.waitReady(ctx)
}

// Close stops the server.
func (s *Server) Close() error {
	if s.mini != nil {
		s.mini.Close()
		return nil
	}
	return s.child.Stop(10 * time.Second)
}
