#!/usr/bin/env bash
# Runs the tests that need a browser or Node.js: all of them, or what the arguments tell pytest.
# Without Chromium or Node.js it says what is missing, and which tests are left out for it.
. "$(dirname "$0")/common.sh"

fetch_client() {
  local client="$1" made_from
  made_from="$(digest "$client/package-lock.json")"
  [ -f "$client/node_modules/.made-from" ] && [ "$(cat "$client/node_modules/.made-from")" = "$made_from" ] && return
  say "Fetching what $client needs"
  rm -rf "$client/node_modules"
  npm ci --prefix "$client" --ignore-scripts --no-audit --no-fund --loglevel=error || return
  printf '%s' "$made_from" >"$client/node_modules/.made-from"
}

if command -v node >/dev/null && command -v npm >/dev/null; then
  for client in tests/browser/agents examples/quickstart/node; do
    fetch_client "$client" ||
      say "npm could not fetch it (see above; NODE_EXTRA_CA_CERTS or cafile in .npmrc for a proxy's certificate): its tests are left out"
  done
else
  say "Node.js is missing (Debian, Ubuntu: apt install nodejs npm; macOS: brew install node): its tests are left out"
fi
command -v chromium >/dev/null || command -v google-chrome >/dev/null || [ -n "${CHROMIUM:-}" ] ||
  say "Chromium is missing (Debian: apt install chromium; or CHROMIUM=/path/to/it): its tests are left out"

say "Tests with a browser, and with clients in Node.js"
[ "$#" -gt 0 ] || set -- tests/browser
exec "$venv/bin/python" -m pytest "$@"
