#!/usr/bin/env bash
# Ring verification against ring-go in one run. The last line is a JSON object:
# per ring size the time of a warm verification, of ring-go's whole check, their
# ratio, and the allocations of the warm one.
set -euo pipefail
cd "$(dirname "$0")/.."

out=$(go test -run '^$' -bench 'BenchmarkVerify|BenchmarkFirstVerify' -benchmem -count "${COUNT:-3}" ./chain/ring)
echo "$out"
echo "$out" | awk '
  /^BenchmarkFirstVerify/ { first += $3; firsts++; next }
  /^BenchmarkVerify/ {
    match($1, /members=[0-9]+/); n = substr($1, RSTART + 8, RLENGTH - 8)
    by = $1; sub(/.*by=/, "", by); sub(/-[0-9]+$/, "", by)
    time[n, by] += $3; runs[n, by]++; allocs[n, by] = $7
  }
  END {
    printf "{\"first_verify_us\":%.1f", first / firsts / 1000
    split("2 3 5 10", sizes, " ")
    for (i = 1; i <= 4; i++) {
      n = sizes[i]
      ours = time[n, "tables"] / runs[n, "tables"] / 1000
      ringgo = time[n, "ring-go"] / runs[n, "ring-go"] / 1000
      printf ",\"%d\":{\"verify_us\":%.1f,\"ringgo_us\":%.1f,\"ratio\":%.1f,\"allocs\":%d}", n, ours, ringgo, ringgo / ours, allocs[n, "tables"]
    }
    print "}"
  }'
