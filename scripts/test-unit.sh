#!/usr/bin/env bash
# Unit tests with the race detector: every package but those of e2e, which link
# the whole chain application.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=$(go list ./... | grep -v '/e2e')
# shellcheck disable=SC2086
go test -race -shuffle=on -timeout 10m $packages
go test -timeout 5m ./e2e/house
