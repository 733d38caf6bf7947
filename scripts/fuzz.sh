#!/usr/bin/env bash
# Runs every fuzz target for FUZZTIME (default one minute).
set -euo pipefail
cd "$(dirname "$0")/.."

for package in $(go list ./... | grep -v -e '/e2e' -e '/cmd/devnet$'); do
  for target in $(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
    echo "== $package $target"
    go test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-1m}" -fuzzminimizetime 1s "$package"
  done
done
