#!/usr/bin/env bash
# Checks Dockerfiles, compose files and Kubernetes manifests, in .venv-deploy: all of them, or what the arguments tell pytest.
# Nothing is built or started. Without Node.js, Docker's compose or Prometheus it says what is left out.
. "$(dirname "$0")/common.sh"
scripts/setup.sh deploy

fetch_packages "resources of KEDA, the Prometheus operator and the Gateway API are NOT validated" tests/deploy/schemas
docker compose version >/dev/null 2>&1 ||
  say "Docker's compose is missing (https://docs.docker.com/compose/install/): compose files are NOT checked"
command -v promtool >/dev/null ||
  say "Prometheus is missing (Debian, Ubuntu: apt install prometheus; macOS: brew install prometheus): the autoscalers' queries are NOT parsed"

say "Checks of images, compose files and manifests"
[ "$#" -gt 0 ] || set -- tests/deploy
exec .venv-deploy/bin/python -m pytest "$@"
