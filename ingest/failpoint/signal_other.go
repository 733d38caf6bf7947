//go:build failpoints && !linux

package failpoint

import (
	"os"
	"syscall"
)

func signalSelf(sig syscall.Signal) error { return syscall.Kill(os.Getpid(), sig) }
