// Package ring verifies the bLSAG ring signatures that applications and their
// gateways put on relay requests. The verdict is the chain's: whatever
// ring-go's default backend accepts or rejects when a proof is validated
// (poktroll pkg/crypto/rings) is accepted or rejected here, except that sizes
// which ring-go mishandles are refused before any curve arithmetic.
//
// Verification is our own, in pure Go: 4x64-bit field arithmetic for the curve's
// prime, window tables for the generator and for the points of rings that are
// hot, and one inversion per ring member. ring-go
// stays the judge: it verifies a sample of the signatures too, and takes over
// when the verdicts ever differ.
package ring
