#!/usr/bin/env bash
# System tests: the real chain in the test process, and the real binaries, built
# with the race detector and with failpoints, as its children.
set -euo pipefail
cd "$(dirname "$0")/.."

go build -race -tags failpoints -o bin/test/ ./cmd/raftminer ./cmd/raftctl
RAFTMINER_TEST_BIN="$PWD/bin/test" go test -timeout 45m -p 1 -parallel 2 ./e2e/... ./cmd/devnet/...
