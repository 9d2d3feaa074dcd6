#!/usr/bin/env bash
# Prints a lock file without PyTorch and the CUDA libraries that its build on the Python index brings: what is left is the
# same for every build of PyTorch. PyTorch itself is then installed in the version of the lock, from wherever there is a
# build for the machine.
#   scripts/without-torch.sh requirements/models.lock
set -euo pipefail
# A requirement begins at the line's beginning; its hashes are indented.
exec awk '/^[^ ]/ { left_out = /^(torch|triton|cuda-toolkit|nvidia-[a-z0-9-]+)==/ } !left_out' "$1"
