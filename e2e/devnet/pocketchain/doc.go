// Package pocketchain runs the real Pocket chain (poktroll's app) in process as
// one validator: a generated genesis, an in-memory database, CometBFT's RPC and
// the app's gRPC server on loopback. It is the referee of the devnet and of the
// system tests: what it settles is what was earned.
package pocketchain
