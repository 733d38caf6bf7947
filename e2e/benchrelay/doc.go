// Command benchrelay measures a relayer on one core of a devnet against the
// same relayer with stock cryptography, in turns of one run, and prints one
// JSON object as its last line. scripts/bench-relay.sh pins and runs it.
package main
