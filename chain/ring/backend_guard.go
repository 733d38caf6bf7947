//go:build ethereum_secp256k1

package ring

// The ethereum_secp256k1 build tag switches ring-go to a cgo backend that
// disagrees with the default one, which the chain runs, on about 0.7 % of
// valid signatures: its HashToScalar right-aligns values below 2^248 where the
// default backend left-aligns them. A relayer built with it would refuse paid
// relays and serve relays that get its supplier slashed. The next line stops
// the build.
var _ = the_ethereum_secp256k1_build_tag_forks_signature_validity_build_without_it
