package process

import "syscall"

// attributes put a child in a process group of its own, since Ctrl-C goes to us
// and we stop the children in order; should we die first, they die with us.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
