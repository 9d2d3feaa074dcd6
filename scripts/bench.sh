#!/usr/bin/env bash
# Runs the benchmarks.
. "$(dirname "$0")/common.sh"
[ -f tests/bench/__main__.py ] || fail "There is nothing to measure yet: tests/bench/__main__.py is not there."
exec "$venv/bin/python" -m tests.bench "$@"
