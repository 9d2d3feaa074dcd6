#!/usr/bin/env bash
# Runs a command of .venv: scripts/in-venv.sh antiphon talk question.wav
. "$(dirname "$0")/common.sh"
command="$1"
shift
exec "$venv/bin/$command" "$@"
