package process_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/raftminer/raftminer/e2e/devnet/process"
)

func child(t *testing.T, script, readyURL string) *process.Child {
	t.Helper()
	c := process.New(process.Spec{
		Name: "child", Path: "/bin/sh", Args: []string{"-c", script},
		LogPath: filepath.Join(t.TempDir(), "child.log"), ReadyURL: readyURL,
	})
	t.Cleanup(func() { _ = c.Stop(time.Second) })
	return c
}

func TestKilledChildStartsAgain(t *testing.T) {
	ctx := context.Background()
	c := child(t, "sleep 60", "")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	first := c.PID()
	if err := c.Start(); !errors.Is(err, process.ErrRunning) {
		t.Errorf("second start = %v, want ErrRunning", err)
	}
	if err := c.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(ctx); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("wait = %v, want killed", err)
	}
	if c.Running() || c.PID() != 0 {
		t.Error("a killed child still counts as running")
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if c.PID() == first {
		t.Error("restart kept the old process")
	}
}

func TestStopKillsTheDeaf(t *testing.T) {
	c := child(t, `trap "" TERM; while :; do sleep 1; done`, "")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	// The trap may not be set yet, and then SIGTERM ends it: both are stops.
	if err := c.Stop(200 * time.Millisecond); err != nil && !strings.Contains(err.Error(), "killed") {
		t.Errorf("stop = %v, want killed", err)
	}
	if c.Running() {
		t.Error("child runs after Stop")
	}
}

func TestStopWakesTheSuspended(t *testing.T) {
	c := child(t, "sleep 60", "")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if err := c.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := c.Stop(10 * time.Second); err != nil {
		t.Errorf("stop = %v, want none", err)
	}
}

func TestReady(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	answers := make(chan int, 3)
	answers <- http.StatusServiceUnavailable
	answers <- http.StatusServiceUnavailable
	answers <- http.StatusOK
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(<-answers) })}
	go func() { _ = srv.Serve(listener) }()
	defer srv.Close()
	url := "http://" + listener.Addr().String()
	c := child(t, "sleep 60", url)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if err := c.Ready(context.Background()); err != nil {
		t.Fatal(err)
	}
	if len(answers) != 0 {
		t.Errorf("ready before the third answer: %d left", len(answers))
	}
}

func TestReadyTellsWhyAChildExited(t *testing.T) {
	c := child(t, "echo no such chain; exit 3", "http://127.0.0.1:1/readyz")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	err := c.Ready(context.Background())
	if !errors.Is(err, process.ErrExited) || !strings.Contains(err.Error(), "no such chain") {
		t.Errorf("ready = %v, want ErrExited with the log's end", err)
	}
}

// A child that was just killed has ended when Stop returns: it can be started again.
func TestStopAfterAKill(t *testing.T) {
	c := child(t, "sleep 60", "")
	for n := range 300 {
		if err := c.Start(); err != nil {
			t.Fatalf("start %d: %v", n, err)
		}
		if err := c.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if err := c.Stop(10 * time.Second); err != nil {
			t.Fatal(err)
		}
	}
}
