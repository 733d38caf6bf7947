#!/usr/bin/env bash
# A million relays through one relayer of a devnet; fails when its memory or its
# goroutines grow. The last line is a JSON object.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/deps.sh

go build -o bin/ ./cmd/raftminer ./e2e/soakrelay
exec bin/soakrelay "$@"
