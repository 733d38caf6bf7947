// Package ring verifies the bLSAG ring signatures that applications and their
// gateways put on relay requests. The verdict is the chain's: whatever
// ring-go's default backend accepts or rejects when a proof is validated
// (poktroll pkg/crypto/rings) is accepted or rejected here, except that sizes
// which ring-go mishandles are refused before any curve arithmetic.
package ring
