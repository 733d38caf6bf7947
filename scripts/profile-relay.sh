#!/usr/bin/env bash
# Where a relayer's processor time goes under the load of make bench-relay: a
# table by stage, and the functions that take most, out of a profile in OUT. The
# measured relayer is bin/stock -ours, which serves profiles.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/deps.sh

out=${OUT:-/tmp/relay.pprof}
go build -o bin/ ./cmd/raftminer ./e2e/benchrelay ./e2e/benchrelay/stock
result=$(taskset -c "${REST:-0}" bin/benchrelay -core "${CORE:-1}" -ours 'bin/stock -ours' -profile "$out" "$@" | tail -1)
us=$(grep -o '"cpu_us_per_relay":[0-9.]*' <<<"$result" | head -1 | cut -d: -f2)

# A sample belongs to the first stage that has a function on its stack.
go tool pprof -traces "$out" 2>/dev/null | awk -v us="$us" '
  function stage(name, pattern) { names[++stages] = name; patterns[stages] = pattern }
  BEGIN {
    stage("garbage collection", "runtime\\.(gcBgMarkWorker|gcAssistAlloc|bgsweep|bgscavenge|gcStart)")
    stage("ring verification", "ring\\.\\(\\*Verifier\\)\\.Verify")
    stage("signature", "SupplierKey\\.Sign|SupplierKey\\)\\.Sign")
    stage("publisher: pipelines to Redis", "ingest\\.\\(\\*Publisher\\)\\.write")
    stage("publisher and spool: hand over", "relayproxy\\.\\(\\*pipeline\\)\\.mine.*Publish|spool\\.|ingest\\.\\(\\*Publisher\\)")
    stage("backend: request and answer", "relayproxy\\.\\(\\*upstream\\)|relayproxy\\.\\(\\*exchange\\)")
    stage("decode, session, price", "relayproxy\\.\\(\\*pipeline\\)\\.admit")
    stage("hash and encode", "relayproxy\\.\\(\\*pipeline\\)\\.settle")
    stage("redis client: replies", "go-redis")
    stage("HTTP: request and reply", "fasthttp\\.\\(\\*Server\\)|fasthttp\\.\\(\\*workerPool\\)")
    stage("scheduler and network poller", "runtime\\.")
  }
  function flush_stack() {
    if (stack == "") return
    for (i = 1; i <= stages; i++) if (stack ~ patterns[i]) { spent[i] += value; break }
    if (i > stages) other += value
    total += value
    stack = ""
  }
  /^-+\+/ { flush_stack(); started = 1; next }
  !started { next }
  /^ +[0-9.]+(ms|s) / { value = $1; value = (value ~ /ms$/) ? value + 0 : (value + 0) * 1000; $1 = "" }
  { stack = stack " " $0 }
  END {
    flush_stack()
    print "| stage | share | us per relay |\n|---|---|---|"
    for (i = 1; i <= stages; i++) printf "| %s | %.1f %% | %.1f |\n", names[i], 100 * spent[i] / total, us * spent[i] / total
    printf "| other | %.1f %% | %.1f |\n| all | | %.1f |\n", 100 * other / total, us * other / total, us
  }'
echo
go tool pprof -top -cum -nodecount=60 "$out" 2>/dev/null
echo "$result"
