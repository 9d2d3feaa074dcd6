#!/usr/bin/env bash
# Makes .venv from a lock file, installs this checkout into it, fetches the models of the CPU default.
#   scripts/setup.sh local    what `antiphon up` and `antiphon demo` need
#   scripts/setup.sh dev      all that development needs, `local` included
# Every step leaves a stamp that says what it was made from, so that it is done again only when that has changed, and an
# interrupted run goes on where it stopped.
. "$(dirname "$0")/common.sh"

wanted="$1"
stamps="$venv/stamps"

stamped() { [ -f "$stamps/$1" ] && [ "$(cat "$stamps/$1")" = "$2" ]; }

stamp() {
  mkdir -p "$stamps"
  printf '%s' "$2" >"$stamps/$1"
}

make_venv() {
  if [ -x "$venv/bin/python" ] && "$venv/bin/python" -c \
    "import sys, pip; sys.exit(sys.version_info < ($oldest_python))" 2>/dev/null; then
    return
  fi
  local python
  python="$(find_python)"
  "$python" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "$python cannot make virtual environments: its venv module is a package of its own." \
      "  Debian, Ubuntu:  apt install python3-venv" \
      "Then run this again."
  say "Making $venv with $("$python" --version)"
  "$python" -m venv --clear "$venv"
}

install_dependencies() {
  local lock="requirements/$1.lock" made_from
  made_from="$(digest "$lock")"
  stamped "$1" "$made_from" && return
  say "Installing $lock (a few hundred MB the first time; may be interrupted and run again)"
  "$venv/bin/python" -m pip install --disable-pip-version-check --require-hashes -r "$lock"
  stamp "$1" "$made_from"
}

install_checkout() {
  local made_from
  made_from="$(digest pyproject.toml build_protos.py protos)"
  stamped checkout "$made_from" && [ -f antiphon/v1/__init__.py ] && return
  say "Installing this checkout and generating the contract's stubs"
  "$venv/bin/python" -m pip install --disable-pip-version-check --quiet --no-build-isolation --no-deps --editable .
  stamp checkout "$made_from"
}

fetch_models() {
  local folder made_from
  folder="${ANTIPHON_MODELS:-${XDG_CACHE_HOME:-$HOME/.cache}/antiphon/models}"
  made_from="$folder $(digest services/runtime/models.toml)"
  stamped models "$made_from" && [ -d "$folder" ] && return
  say "Fetching the models of the CPU default (about 245 MB the first time)"
  "$venv/bin/antiphon" fetch
  stamp models "$made_from"
}

check_machine() {
  if [ "$(uname -s)-$(uname -m)" = Darwin-x86_64 ]; then
    fail "Antiphon's CPU default needs onnxruntime, which is no longer built for Macs with Intel processors." \
      "Run it in a Linux virtual machine there, or on another machine."
  fi
}

check_machine
make_venv
# dev.lock holds all of local.lock, at the same versions.
if [ "$wanted" = local ] && stamped dev "$(digest requirements/dev.lock)"; then wanted=dev; fi
install_dependencies "$wanted"
install_checkout
fetch_models
