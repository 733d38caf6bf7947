//go:build race

package raftfsm

// raceEnabled: time limits mean nothing under the race detector.
const raceEnabled = true
