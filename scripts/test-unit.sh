#!/usr/bin/env bash
# Unit tests with the race detector: every package but those that link
# the whole chain application: building that twice takes minutes.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=$(go list ./... | grep -v -e '/e2e' -e '/cmd/devnet$')
# shellcheck disable=SC2086
go test -race -shuffle=on -timeout 10m $packages
go test -timeout 5m ./e2e/house
# Allocations are counted without the race detector, which allocates itself.
go test -count=1 -run 'Allocat' ./chain/ring ./relayproxy
# Owners that are killed inside the flush, a slice of make kill-ingest.
go test -count=1 -tags failpoints -run 'TestTreesSurviveKills|TestAnOwnerThatSlept' ./ingest
