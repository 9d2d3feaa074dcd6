# What the scripts share. To be sourced, from any folder; the repository's root becomes the working directory.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv=.venv
oldest_python="3, 11"

say() { printf '\033[1m==> %s\033[0m\n' "$*" | plain_unless_terminal >&2; }

fail() {
  printf '%s\n' "$@" >&2
  exit 1
}

plain_unless_terminal() {
  if [ -t 2 ]; then cat; else sed $'s/\033\\[[0-9;]*m//g'; fi
}

# Hash of files and folders given, names and contents.
digest() {
  local sum=sha256sum
  command -v sha256sum >/dev/null || sum="shasum -a 256"
  find "$@" -type f ! -name '*.pyc' -print0 | LC_ALL=C sort -z | xargs -0 $sum | $sum | cut -c1-64
}

# Path of a Python that is new enough. $PYTHON, if set, is the only one asked.
find_python() {
  local name
  for name in ${PYTHON:-python3.11 python3.12 python3.13 python3.14 python3 python}; do
    if command -v "$name" >/dev/null &&
      "$name" -c "import sys; sys.exit(sys.version_info < ($oldest_python))" 2>/dev/null; then
      command -v "$name"
      return
    fi
  done
  fail "Antiphon needs Python 3.11 or newer, and found none${PYTHON:+ (PYTHON=$PYTHON)}." \
    "  Debian, Ubuntu:  apt install python3 python3-venv" \
    "  macOS:           brew install python@3.13" \
    "Or name one: PYTHON=/path/to/python3.12 make ..."
}

# fetch_packages WITHOUT FOLDER...: fetches by npm what each folder's package-lock.json names, unless it is there; where that
# cannot be had, says so, and WITHOUT.
fetch_packages() {
  local without="$1" folder made_from
  shift
  if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    say "Node.js is missing (Debian, Ubuntu: apt install nodejs npm; macOS: brew install node): $without"
    return
  fi
  for folder in "$@"; do
    made_from="$(digest "$folder/package-lock.json")"
    [ -f "$folder/node_modules/.made-from" ] && [ "$(cat "$folder/node_modules/.made-from")" = "$made_from" ] && continue
    say "Fetching what $folder needs"
    rm -rf "$folder/node_modules"
    if npm ci --prefix "$folder" --ignore-scripts --no-audit --no-fund --loglevel=error; then
      printf '%s' "$made_from" >"$folder/node_modules/.made-from"
    else
      say "npm could not fetch it (see above; NODE_EXTRA_CA_CERTS or cafile in .npmrc for a proxy's certificate): $without"
    fi
  done
}
