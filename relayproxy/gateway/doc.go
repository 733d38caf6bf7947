// Package gateway is a Pocket gateway as a supplier sees one: it fetches
// sessions from the chain, ring-signs relay requests, sends them over every
// transport, and checks every byte of the answer, down to the leaf the answer must
// become. It asks the chain with poktroll's own code and shares nothing with the
// relay server, so that the one can be a witness of the other.
package gateway
