#!/usr/bin/env bash
# What a relayer of a devnet adds to each event of 100 streams, and what 1,000
# idle WebSockets cost it. The last line is a JSON object.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/deps.sh

go build -o bin/ ./cmd/raftminer ./e2e/benchtransports
exec bin/benchtransports "$@"
