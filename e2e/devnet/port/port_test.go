package port_test

import (
	"fmt"
	"net"
	"slices"
	"testing"

	"github.com/raftminer/raftminer/e2e/devnet/port"
)

func TestFree(t *testing.T) {
	ports, err := port.Free(100)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(ports)
	if got := len(slices.Compact(slices.Clone(ports))); got != 100 || ports[0] < 20_000 || ports[99] >= 32_000 {
		t.Errorf("got %d different ports from %d to %d, want 100 from 20000 to 31999", got, ports[0], ports[99])
	}
	for _, p := range ports {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", p))
		if err != nil {
			t.Errorf("port %d is not free: %v", p, err)
			continue
		}
		l.Close()
	}
}

func TestFreeGivesUp(t *testing.T) {
	if _, err := port.Free(2_000); err == nil {
		t.Error("got more ports than it tries")
	}
}
