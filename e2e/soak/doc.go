// Package soak lets a relayer serve relays for long and judges whether it keeps
// anything of them: its resident memory against a least squares line, its
// goroutines against those it had in the beginning.
package soak
