#!/usr/bin/env bash
# A relayer pinned to one core of a devnet, everything else on another, against
# the same relayer with ring-go's verification and cosmos-sdk's signing, in
# turns. The last line is a JSON object. CORE is the relayers' core, REST the
# others'.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/deps.sh

if [ "$(nproc)" -lt 2 ]; then
  echo "bench-relay needs two cores: one for the relayer, one for everything else" >&2
  exit 1
fi
go build -o bin/ ./cmd/raftminer ./e2e/benchrelay ./e2e/benchrelay/stock
exec taskset -c "${REST:-0}" bin/benchrelay -core "${CORE:-1}" "$@"
