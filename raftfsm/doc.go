// Package raftfsm is the control plane: what was sealed, what was decided to be
// sent, and who may act. A small hashicorp/raft group replicates it, so that a
// follower takes over with every decision in hand.
//
// The parts, from the inside out: State is pure and deterministic (no clock, no
// IO, no map order) and changes only by Apply; FSM adapts it to raft; Node runs
// raft with its log on disk and turns leadership into epochs; the admin API lets
// an operator look and act. Relays never enter the log.
package raftfsm
