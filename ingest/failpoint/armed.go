//go:build failpoints

// Package failpoint marks the instants at which the system tests kill or stop
// a process. This build arms them from RAFTMINER_FAILPOINTS, a comma separated
// list of name=action[@once-file]: action kill raises SIGKILL, stop raises
// SIGSTOP. With a once-file the action happens only for the process that
// manages to create that file, so that a restarted process goes on.
package failpoint

import (
	"os"
	"strings"
	"syscall"
)

// Hit runs the action armed for name, if any.
func Hit(name string) {
	for _, spec := range strings.Split(os.Getenv("RAFTMINER_FAILPOINTS"), ",") {
		point, action, ok := strings.Cut(spec, "=")
		if !ok || point != name {
			continue
		}
		action, once, limited := strings.Cut(action, "@")
		if limited && !claim(once) {
			continue
		}
		raise(action)
	}
}

// claim reports whether this call created the file at path.
func claim(path string) bool {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return false
	}
	return f.Close() == nil
}

func raise(action string) {
	signals := map[string]syscall.Signal{"kill": syscall.SIGKILL, "stop": syscall.SIGSTOP}
	sig, known := signals[action]
	if !known {
		return
	}
	if err := signalSelf(sig); err != nil {
		panic(err)
	}
}
