#!/usr/bin/env bash
# Builds the images, starts the pipeline with compose and tests it: all of it, or what the arguments tell pytest.
# Without Docker or compose it says what is missing, and leaves them out.
#   WITHOUT_CONTAINERS="no room"  builds, starts and tests nothing, for that reason
. "$(dirname "$0")/common.sh"

oldest=2.24.4

compose_version() { docker compose version --short 2>/dev/null | sed 's/^v//'; }

# Where nobody watches, two thousand lines about what went well are of no use.
build() {
  local log
  if [ -t 2 ]; then
    docker compose --env-file /dev/null build && return
  else
    log="$(mktemp)"
    docker compose --env-file /dev/null build >"$log" 2>&1 && rm "$log" && return
    tail -n 100 "$log" >&2
    rm "$log"
  fi
  fail "The images could not be built; the end of what Docker said stands above." \
    "Where no package can be fetched, see whether containers reach the network: docker run --rm python:3.11-slim-bookworm pip download pip"
}

# Images and project of the tests' own, beside those that one works with.
unset COMPOSE_FILE COMPOSE_PROFILES
export ANTIPHON_VERSION=test COMPOSE_PROJECT_NAME="${COMPOSE_PROJECT_NAME:-antiphon-test}"

if ! command -v docker >/dev/null || ! printf '%s\n' "$oldest" "$(compose_version)" | sort -V -C; then
  say "Docker with compose $oldest or newer is missing (https://docs.docker.com/engine/install): all tests of compose are left out"
  exit 0
fi
if [ -z "${WITHOUT_CONTAINERS:-}" ] && ! docker info >/dev/null 2>&1; then
  WITHOUT_CONTAINERS="no container engine answers (see what 'docker info' says)"
fi
if [ -n "${WITHOUT_CONTAINERS:-}" ]; then
  say "No containers here: $WITHOUT_CONTAINERS: all tests of images and compose are left out"
  exit 0
fi
say "Building the images (a few minutes the first time)"
build

say "Tests of images and compose"
[ "$#" -gt 0 ] || set -- tests/compose
exec "$venv/bin/python" -m pytest "$@"
