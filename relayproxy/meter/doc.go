// Package meter keeps applications within what they can pay. Every relayer takes
// parts of a session's budget out of Redis ahead of time, and serves from its part
// without asking again.
package meter
