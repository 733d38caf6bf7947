//go:build failpoints

package failpoint

import (
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// signalSelf sends a signal to the very thread that calls: it goes no instruction
// further, while a signal to the process may take another thread first.
func signalSelf(sig syscall.Signal) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return unix.Tgkill(os.Getpid(), unix.Gettid(), sig)
}
