#!/usr/bin/env bash
# Removes all that was made here; fetched models stay in the user's cache.
. "$(dirname "$0")/common.sh"
rm -rf "$venv" "$venv"-* antiphon/v1 demo bench dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
find . \( -name __pycache__ -o -name node_modules \) -type d -prune -exec rm -rf {} +
