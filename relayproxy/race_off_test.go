//go:build !race

package relayproxy

const raceEnabled = false
