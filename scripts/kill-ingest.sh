#!/usr/bin/env bash
# Kills KILLS (default 1,000) owners of a real Redis's partitions at every instant
# of a flush, a trim and a seal, each followed by a takeover, and compares every
# tree, node by node, with one that smt makes of the acknowledged relays. The last
# line is a JSON object.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/deps.sh
report=$(mktemp)
trap 'rm -f "$report"' EXIT
RAFTMINER_KILLS="${KILLS:-1000}" RAFTMINER_KILL_REPORT="$report" \
  go test -count=1 -timeout 2h -tags failpoints -run TestTreesSurviveKills ./ingest >&2
cat "$report"
