#!/usr/bin/env bash
# Makes sure that redis-server is there, and the programs that are named: the tests
# need real ones, the demo (--optional) falls back on an in-process stand-in.
set -euo pipefail

optional=
if [ "${1:-}" = --optional ]; then optional=1; shift; fi
missing=()
for program in redis-server "$@"; do
  command -v "$program" >/dev/null || missing+=("$program")
done
[ ${#missing[@]} -eq 0 ] && exit 0

sudo=()
if [ "$(id -u)" -ne 0 ]; then
  if sudo -n true 2>/dev/null; then sudo=(sudo -n); fi
fi
if command -v apt-get >/dev/null && { [ "$(id -u)" -eq 0 ] || [ ${#sudo[@]} -gt 0 ]; }; then
  echo "installing ${missing[*]}"
  "${sudo[@]}" apt-get update -qq
  # Without services of their own: the tests start servers where they need them.
  DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

for program in "${missing[@]}"; do
  if ! command -v "$program" >/dev/null; then
    if [ "$optional" ]; then exit 0; fi
    echo "$program is missing and cannot be installed from here: install it with your package manager, then run this again" >&2
    exit 1
  fi
done
