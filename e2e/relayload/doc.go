// Package relayload puts load on one relayer: relays that are signed
// beforehand, as fast as answers come or at a fixed rate, and what the
// relayer's process spent on them.
package relayload
