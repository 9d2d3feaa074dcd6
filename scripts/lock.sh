#!/usr/bin/env bash
# Writes requirements/*.lock anew from pyproject.toml, with uv from an environment of its own.
. "$(dirname "$0")/common.sh"

own="$venv/lock"
if [ ! -x "$own/bin/uv" ]; then
  say "Making $own with uv"
  python="$(find_python)"
  "$python" -m venv --clear "$own"
  "$own/bin/python" -m pip install --disable-pip-version-check --quiet "uv>=0.9,<1"
fi

# Pins that still fit are kept; a lock file that was removed beforehand gets the newest versions.
compile() {
  local lock="requirements/$1.lock"
  shift
  say "Writing $lock"
  "$own/bin/uv" pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-annotate --no-header --quiet "$@" --output-file "$lock"
}

compile dev --extra dev
compile local --extra local --extra build --constraint requirements/dev.lock
