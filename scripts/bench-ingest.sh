#!/usr/bin/env bash
# The way of a relay from the stream into a stored tree, against a real
# redis-server, miner and Redis together on one core (CORE, default 0). The last
# line is a JSON object. Arguments go to the program, e.g. -leaves 1000 -aof=false.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/deps.sh
go build -o bin/benchingest ./ingest/benchingest
pin=()
if command -v taskset >/dev/null; then pin=(taskset -c "${CORE:-0}"); fi
"${pin[@]}" bin/benchingest "$@"
