#!/usr/bin/env bash
# Checks Dockerfiles, compose files and Kubernetes manifests, in .venv-deploy: all of them, or what the arguments tell pytest.
# Nothing is built or started. Without Node.js, Docker's compose or Prometheus it says what is left out.
. "$(dirname "$0")/common.sh"
scripts/setup.sh deploy

schemas=tests/deploy/schemas

fetch_schemas() {
  local made_from
  made_from="$(digest "$schemas/package-lock.json")"
  [ -f "$schemas/node_modules/.made-from" ] && [ "$(cat "$schemas/node_modules/.made-from")" = "$made_from" ] && return
  say "Fetching the schemas of KEDA, the Prometheus operator and the Gateway API"
  rm -rf "$schemas/node_modules"
  npm ci --prefix "$schemas" --ignore-scripts --no-audit --no-fund --loglevel=error || return
  printf '%s' "$made_from" >"$schemas/node_modules/.made-from"
}

if command -v node >/dev/null && command -v npm >/dev/null; then
  fetch_schemas ||
    say "npm could not fetch them (see above; NODE_EXTRA_CA_CERTS or cafile in .npmrc for a proxy's certificate): resources of KEDA, the Prometheus operator and the Gateway API are NOT validated"
else
  say "Node.js is missing (Debian, Ubuntu: apt install nodejs npm; macOS: brew install node): resources of KEDA, the Prometheus operator and the Gateway API are NOT validated"
fi
docker compose version >/dev/null 2>&1 ||
  say "Docker's compose is missing (https://docs.docker.com/compose/install/): compose files are NOT checked"
command -v promtool >/dev/null ||
  say "Prometheus is missing (Debian, Ubuntu: apt install prometheus; macOS: brew install prometheus): the autoscalers' queries are NOT parsed"

say "Checks of images, compose files and manifests"
[ "$#" -gt 0 ] || set -- tests/deploy
exec .venv-deploy/bin/python -m pytest "$@"
