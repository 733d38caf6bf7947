// Package port finds ports for servers that start later, and again after a kill.
package port

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"syscall"
)

// The ports are below those that systems give to outgoing connections (Linux from
// 32,768, others from 49,152): one of these could take the port of a server that is
// dead for the moment.
const (
	first = 20_000
	last  = 32_000
	tries = 1_000
)

// The ports of this process are numbered from anywhere: none is given twice before
// all have been, or a server that has not started yet could lose its port.
var (
	start = rand.Uint32N(last - first)
	given atomic.Uint32
)

// Addrs finds n addresses of loopback that nobody listens on.
func Addrs(n int) (addrs []string, err error) {
	ports, err := Free(n)
	for _, port := range ports {
		addrs = append(addrs, fmt.Sprintf("127.0.0.1:%d", port))
	}
	return addrs, err
}

// Free finds n ports of loopback that nobody listens on.
func Free(n int) (ports []int, err error) {
	for range tries {
		if len(ports) == n {
			return ports, nil
		}
		port := first + int((start+given.Add(1))%(last-first))
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		if err := listener.Close(); err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		ports = append(ports, port)
	}
	return nil, fmt.Errorf("find %d free ports from %d to %d: %d are in use", n, first, last, tries-len(ports))
}
