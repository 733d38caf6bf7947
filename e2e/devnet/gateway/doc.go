// Package gateway is a Pocket gateway as a supplier sees one: it fetches
// sessions from the chain, ring-signs relay requests, sends them, and checks
// every byte of the answer, down to the leaf the answer must become.
package gateway
