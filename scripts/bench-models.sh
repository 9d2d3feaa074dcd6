#!/usr/bin/env bash
# Measures the full-size models on PyTorch, with random weights; on a GPU if there is one. Arguments go to the benchmark.
. "$(dirname "$0")/common.sh"
scripts/setup.sh models
exec .venv-models/bin/python -m tests.bench.models "$@"
