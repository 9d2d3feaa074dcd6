#!/usr/bin/env bash
# Lint, types and contract, then all tests; every step runs, whatever became of the one before, and the end tells.
#   scripts/test.sh          all of it
#   scripts/test.sh lint     without the tests
. "$(dirname "$0")/common.sh"

failed=0
summary=""

step() {
  local name="$1" began=$SECONDS outcome=ok
  shift
  say "$name"
  "$@" || { outcome=FAILED failed=1; }
  summary="$summary$(printf '  %-10s %-7s %4d s' "$name" "$outcome" $((SECONDS - began)))"$'\n'
}

step lint "$venv/bin/ruff" check .
step format "$venv/bin/ruff" format --check .
step types "$venv/bin/mypy"
step contract scripts/contract.sh
if [ "${1:-all}" = all ]; then
  command -v promtool >/dev/null ||
    say "Prometheus is missing (Debian, Ubuntu: apt install prometheus; macOS: brew install prometheus): its tests are left out"
  step tests "$venv/bin/python" -m pytest tests
fi

say "Summary"
printf '%s' "$summary"
exit "$failed"
