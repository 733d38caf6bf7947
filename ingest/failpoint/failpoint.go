//go:build !failpoints

// Package failpoint marks the instants at which the system tests kill or stop
// a process. In an ordinary build a mark compiles to nothing.
package failpoint

// Hit marks the instant called name.
func Hit(string) {}
