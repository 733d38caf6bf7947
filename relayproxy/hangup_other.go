//go:build !linux

package relayproxy

import (
	"errors"
	"syscall"
)

// hungUp reports whether the next thing to read is the end. Over TLS a client that says
// goodbye is not noticed here.
func hungUp(socket syscall.Conn) bool {
	raw, err := socket.SyscallConn()
	if err != nil {
		return true
	}
	var end bool
	err = raw.Control(func(fd uintptr) {
		var first [1]byte
		n, _, err := syscall.Recvfrom(int(fd), first[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		waiting := errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR)
		end = !waiting && (err != nil || n == 0)
	})
	return end || err != nil
}
