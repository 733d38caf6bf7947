// Package devnet is a whole Pocket network on one machine: the real chain in
// process, Redis, demo backends, miners and relayers as child processes of the
// real binary, and a balancer in front. System tests and the devnet command
// drive relays through it and read from the chain what was paid.
package devnet
