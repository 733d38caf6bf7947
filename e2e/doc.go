// Package e2e holds the system tests: the real chain in the test process, the
// real binaries as its children, killed and stopped at chosen instants.
package e2e
