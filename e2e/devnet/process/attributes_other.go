//go:build !linux

package process

import "syscall"

// attributes put a child in a process group of its own: Ctrl-C goes to us, and
// we stop the children in order.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
