// Command benchingest measures the way of a relay from the stream into a stored
// tree against a real redis-server, and prints one JSON object as its last line.
//
// It grows a number of live sessions to their size, consumes a backlog on top
// of them, does the same at an injected round trip of 1 ms, and compares with
// flushing every relay by itself. Pin it to one core (taskset) to read
// relays_per_s as miner and Redis sharing that core.
package main
