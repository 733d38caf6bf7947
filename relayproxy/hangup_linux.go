package relayproxy

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// hungUp reports whether the other side will send nothing more, whatever of it has not
// been read yet: TLS says goodbye in a record of its own.
func hungUp(socket syscall.Conn) bool {
	raw, err := socket.SyscallConn()
	if err != nil {
		return true
	}
	var end bool
	err = raw.Control(func(fd uintptr) {
		asked := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		_, err := unix.Poll(asked, 0)
		end = asked[0].Revents != 0 || err != nil && !errors.Is(err, unix.EINTR)
	})
	return end || err != nil
}
