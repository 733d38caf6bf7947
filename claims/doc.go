// Package claims turns sealed trees into money. Every block, the leader plans
// (pure: a height and the replicated state in, ordered actions out), submits
// (an intent through the log, then the broadcast), and observes what the chain
// did. Nothing it does depends on memory: any node can take over at any action.
package claims
