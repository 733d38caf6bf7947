package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// server is a redis-server of its own.
type server struct {
	addr string
	cmd  *exec.Cmd
	dir  string
	rdb  *redis.Client
}

func startServer(ctx context.Context, aof bool) (*server, error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, errors.New("redis-server is missing: scripts/deps.sh installs it")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := listener.Addr().String()
	if err := listener.Close(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "benchingest")
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(addr)
	s := &server{addr: addr, dir: dir, rdb: redis.NewClient(&redis.Options{Addr: addr, PoolSize: 64})}
	s.cmd = exec.Command(path, "--port", port, "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--appendonly", map[bool]string{true: "yes", false: "no"}[aof], "--auto-aof-rewrite-percentage", "0")
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start redis-server: %w", err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		if err = s.rdb.Ping(ctx).Err(); err == nil {
			return s, nil
		}
		if time.Now().After(deadline) {
			s.stop()
			return nil, fmt.Errorf("redis-server does not answer: %w", err)
		}
	}
}

func (s *server) stop() {
	_ = s.rdb.Close()
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	_ = os.RemoveAll(s.dir)
}

// info reads one numeric field of INFO, 0 when it is absent.
func (s *server) info(ctx context.Context, section, field string) float64 {
	text, err := s.rdb.Info(ctx, section).Result()
	if err != nil {
		return 0
	}
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), field+":"); ok {
			n, _ := strconv.ParseFloat(value, 64)
			return n
		}
	}
	return 0
}

// cpu is what the server has used, in seconds.
func (s *server) cpu(ctx context.Context) float64 {
	return s.info(ctx, "cpu", "used_cpu_user") + s.info(ctx, "cpu", "used_cpu_sys")
}
