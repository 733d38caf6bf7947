// Command stock is a relayer for benchmarks only: everything of ours but the
// cryptography, which is ring-go's verification and cosmos-sdk's signing, as
// in poktroll's own relay miner. It reads the configuration of a relayer, and
// serves profiles beside its readiness.
package main
