#!/usr/bin/env bash
# Sets the wall clocks of leading miners while relays flow. Setting this machine's
# clock would hit everybody on it, so the miners are built with a time package that
# adds a jump to what time.Now says of the wall clock; the monotonic clock is left
# alone, as settimeofday does it.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/deps.sh

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
package="$(go env GOROOT)/src/time"
awk '{ print }
     /^func Now\(\) Time \{$/ { now = 1 }
     now && /sec, nsec, mono := runtimeNow\(\)/ { print "\tsec += wallJump(mono - startNano)"; now = 0 }' \
  "$package/time.go" >"$work/time.go"
if ! grep -q wallJump "$work/time.go"; then
  echo "time.Now of $(go version) is not as this script knows it" >&2
  exit 1
fi
cat >"$work/walljump.go" <<'GO'
package time

import "syscall"

// RAFTMINER_CLOCK_JUMP is SECONDS@AFTER: the wall clock is off by so many seconds
// from so many seconds after the start on.
var jumpBy, jumpAfter int64

func init() {
	spec, _ := syscall.Getenv("RAFTMINER_CLOCK_JUMP")
	for i := range len(spec) {
		if spec[i] == '@' {
			by, errBy := atoi(spec[:i])
			after, errAfter := atoi(spec[i+1:])
			if errBy != nil || errAfter != nil {
				panic("RAFTMINER_CLOCK_JUMP=" + spec)
			}
			jumpBy, jumpAfter = int64(by), int64(after)*int64(Second)
		}
	}
}

func wallJump(sinceStart int64) int64 {
	if sinceStart > jumpAfter {
		return jumpBy
	}
	return 0
}
GO
cat >"$work/overlay.json" <<JSON
{"Replace": {"$package/time.go": "$work/time.go", "$package/walljump.go": "$work/walljump.go"}}
JSON
mkdir -p bin/clock
go build -overlay "$work/overlay.json" -o bin/clock/ ./cmd/raftminer
go build -o bin/ ./cmd/raftctl
go build -o bin/clockjump ./e2e/clockjump
exec bin/clockjump
