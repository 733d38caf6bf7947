#!/usr/bin/env bash
# How long the miners are without a leader that stores relays: real processes under
# relay load, whose leader is killed, stopped, or asked to hand over. The last line
# is a JSON object. Flags are passed on, see `-h`.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/deps.sh
mkdir -p bin
go build -o bin/ ./cmd/raftminer
go build -o bin/benchfailover ./e2e/benchfailover
exec bin/benchfailover "$@"
