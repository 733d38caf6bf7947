#!/usr/bin/env bash
# Makes sure that redis-server is there: the tests need a real one, the demo
# (--optional) falls back on an in-process stand-in.
set -euo pipefail

command -v redis-server >/dev/null && exit 0

sudo=()
if [ "$(id -u)" -ne 0 ]; then
  if sudo -n true 2>/dev/null; then sudo=(sudo -n); fi
fi
if command -v apt-get >/dev/null && { [ "$(id -u)" -eq 0 ] || [ ${#sudo[@]} -gt 0 ]; }; then
  echo "installing redis-server"
  "${sudo[@]}" apt-get update -qq
  # Without a service of its own: the tests start servers where they need them.
  DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y -qq --no-install-recommends redis-server >/dev/null
fi

if ! command -v redis-server >/dev/null; then
  if [ "${1:-}" = --optional ]; then exit 0; fi
  echo "redis-server is missing and cannot be installed from here: install it with your package manager, then run this again" >&2
  exit 1
fi
