#!/usr/bin/env bash
# Runs the tests that need a browser or Node.js: all of them, or what the arguments tell pytest.
# Without Chromium or Node.js it says what is missing, and which tests are left out for it.
. "$(dirname "$0")/common.sh"

fetch_packages "its tests are left out" tests/browser/agents examples/quickstart/node
command -v chromium >/dev/null || command -v google-chrome >/dev/null || [ -n "${CHROMIUM:-}" ] ||
  say "Chromium is missing (Debian: apt install chromium; or CHROMIUM=/path/to/it): its tests are left out"

say "Tests with a browser, and with clients in Node.js"
[ "$#" -gt 0 ] || set -- tests/browser
exec "$venv/bin/python" -m pytest "$@"
