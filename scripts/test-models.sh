#!/usr/bin/env bash
# Runs the tests of the engines on PyTorch, in .venv-models: all of them, or what the arguments tell pytest.
. "$(dirname "$0")/common.sh"
scripts/setup.sh models
say "Tests of the engines on PyTorch"
# Small models are slower on more threads, and threads that spin while they wait starve the others.
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE
# The Hub's client is an older one here than in .venv.
[ "$#" -gt 0 ] || set -- tests/models tests/unit/runtime/test_hub.py
exec .venv-models/bin/python -m pytest "$@"
