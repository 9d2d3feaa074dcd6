#!/usr/bin/env bash
# Runs the tests of the engines on PyTorch, in .venv-models: all of them, or what the arguments tell pytest.
. "$(dirname "$0")/common.sh"
scripts/setup.sh models
say "tests/models"
# Small models are slower on more threads, and threads that spin while they wait starve the others.
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE
exec .venv-models/bin/python -m pytest "${@:-tests/models}"
