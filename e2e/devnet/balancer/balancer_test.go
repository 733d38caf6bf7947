package balancer_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/raftminer/raftminer/e2e/devnet/balancer"
)

// backend greets with its name and echoes what follows, until the client ends.
func backend(t *testing.T, name string) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				fmt.Fprintln(conn, name)
				_, _ = io.Copy(conn, conn)
			}()
		}
	}()
	return listener
}

func start(t *testing.T, backends ...net.Listener) *balancer.Balancer {
	t.Helper()
	var addrs []balancer.Backend
	for _, b := range backends {
		addrs = append(addrs, balancer.Backend{Addr: b.Addr().String()})
	}
	b, err := balancer.Start("127.0.0.1:0", addrs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func greeting(t *testing.T, addr string) string {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		t.Fatalf("read greeting: %v", err)
	}
	return line[:len(line)-1]
}

func TestSpreadsConnections(t *testing.T) {
	b := start(t, backend(t, "one"), backend(t, "two"))
	seen := map[string]int{}
	for range 10 {
		seen[greeting(t, b.Addr())]++
	}
	if seen["one"] != 5 || seen["two"] != 5 {
		t.Errorf("connections = %v, want 5 each", seen)
	}
}

func TestSkipsDeadBackends(t *testing.T) {
	dead := backend(t, "dead")
	b := start(t, dead, backend(t, "alive"))
	dead.Close()
	for range 6 {
		if got := greeting(t, b.Addr()); got != "alive" {
			t.Errorf("connection went to %q", got)
		}
	}
}

// A backend that says that it leaves gets no new connection, unless it is the last.
func TestLeavesOutWhoIsNotReady(t *testing.T) {
	var status atomic.Int32
	status.Store(http.StatusOK)
	health := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(int(status.Load())) }))
	defer health.Close()
	stays, leaves := backend(t, "stays"), backend(t, "leaves")
	b, err := balancer.Start("127.0.0.1:0", []balancer.Backend{
		{Addr: stays.Addr().String()}, {Addr: leaves.Addr().String(), Ready: health.URL},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	// until waits for two connections in a row to go where they should.
	until := func(first, second string) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
			one, two := greeting(t, b.Addr()), greeting(t, b.Addr())
			if one == first && two == second || one == second && two == first {
				return
			}
		}
		t.Fatalf("connections do not go to %s and %s", first, second)
	}
	until("stays", "leaves")
	status.Store(http.StatusServiceUnavailable)
	until("stays", "stays")
	stays.Close()
	until("leaves", "leaves")
}

func TestClosesWhenNobodyAccepts(t *testing.T) {
	dead := backend(t, "dead")
	b := start(t, dead)
	dead.Close()
	conn, err := net.Dial("tcp", b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("connection without a backend stayed open")
	}
}

func TestPassesHalfClose(t *testing.T) {
	b := start(t, backend(t, "echo"))
	conn, err := net.Dial("tcp", b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("last words")); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	if want := "echo\nlast words"; string(got) != want {
		t.Errorf("after half-close read %q, want %q", got, want)
	}
}

func TestCloseEndsOpenConnections(t *testing.T) {
	b := start(t, backend(t, "one"))
	conn, err := net.Dial("tcp", b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := bufio.NewReader(conn).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("connection outlived the balancer")
	}
}
