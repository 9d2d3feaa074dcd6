#!/usr/bin/env bash
# Makes an environment from a lock file, installs this checkout into it, fetches the models of the CPU default.
#   scripts/setup.sh local           what `antiphon up` and `antiphon demo` need; in .venv
#   scripts/setup.sh dev             all that development needs, `local` included; in .venv
#   scripts/setup.sh stt-parakeet    one engine on PyTorch; in .venv-stt-parakeet, where `antiphon up` looks for it
#   scripts/setup.sh tts-qwen3       another one; in .venv-tts-qwen3
#   scripts/setup.sh models          both, and what their tests need; in .venv-models
#   scripts/setup.sh deploy          the tools that check images, compose files and manifests, without this checkout; in .venv-deploy
# Every step leaves a stamp that says what it was made from, so that it is done again only when that has changed, and an
# interrupted run goes on where it stopped.
. "$(dirname "$0")/common.sh"

wanted="${1:-}"
case "$wanted" in
  local | dev) ;;
  stt-parakeet | tts-qwen3 | models | deploy) venv=".venv-$wanted" ;;
  *)
    fail "Which environment?${wanted:+ There is none for '$wanted'.} Say one of:" \
      "  make setup-models EXTRA=stt-parakeet" \
      "  make setup-models EXTRA=tts-qwen3"
    ;;
esac
stamps="$venv/stamps"

stamped() { [ -f "$stamps/$1" ] && [ "$(cat "$stamps/$1")" = "$2" ]; }

stamp() {
  mkdir -p "$stamps"
  printf '%s' "$2" >"$stamps/$1"
}

make_venv() {
  if [ -x "$venv/bin/python" ] && "$venv/bin/python" -c \
    "import sys, pip; sys.exit(sys.version_info < ($oldest_python))" 2>/dev/null; then
    return
  fi
  local python
  python="$(find_python)"
  "$python" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "$python cannot make virtual environments: its venv module is a package of its own." \
      "  Debian, Ubuntu:  apt install python3-venv" \
      "Then run this again."
  say "Making $venv with $("$python" --version)"
  "$python" -m venv --clear "$venv"
}

install_dependencies() {
  local lock="requirements/$1.lock" made_from
  made_from="$(digest "$lock")"
  stamped "$1" "$made_from" && return
  say "Installing $lock (a few hundred MB the first time; may be interrupted and run again)"
  "$venv/bin/python" -m pip install --disable-pip-version-check --require-hashes -r "$lock"
  stamp "$1" "$made_from"
}

# Which build of PyTorch: cuda is the lock's own for Linux, with gigabytes of libraries; cpu is what TORCH_INDEX_URL offers,
# or else pip's own index, where that has one.
torch_build() {
  case "${TORCH:-}" in
    cuda | cpu)
      echo "$TORCH"
      return
      ;;
    "") ;;
    *) fail "TORCH=$TORCH is no build of PyTorch; there are: cpu, cuda" ;;
  esac
  if [ "$(uname -s)" = Darwin ] || { command -v nvidia-smi && nvidia-smi -L; } >/dev/null 2>&1; then
    echo cuda
  else
    echo cpu
  fi
}

install_with_torch() {
  local lock="requirements/$1.lock" build made_from version
  build="$(torch_build)"
  made_from="$build $(digest "$lock")"
  stamped "$1" "$made_from" && return
  # To pip one build of a version is as good as the other.
  if [ -f "$stamps/$1" ] && [ "$(cut -d' ' -f1 "$stamps/$1")" != "$build" ]; then
    "$venv/bin/python" -m pip uninstall --disable-pip-version-check --quiet --yes torch
    rm "$stamps/$1"
  fi
  if [ "$build" = cuda ]; then
    say "Installing $lock (several GB the first time; may be interrupted and run again)"
    "$venv/bin/python" -m pip install --disable-pip-version-check --require-hashes --no-deps -r "$lock"
  else
    say "Installing $lock without PyTorch (a few hundred MB the first time; may be interrupted and run again)"
    scripts/without-torch.sh "$lock" >"$venv/without-torch.lock"
    "$venv/bin/python" -m pip install --disable-pip-version-check --require-hashes --no-deps -r "$venv/without-torch.lock"
    version="$(sed -n 's/^torch==\([0-9.]*\).*/\1/p' "$lock")"
    say "Installing PyTorch $version for machines without GPU"
    "$venv/bin/python" -m pip install --disable-pip-version-check \
      ${TORCH_INDEX_URL:+--index-url "$TORCH_INDEX_URL"} "torch==$version" ||
      fail "PyTorch $version could not be installed; what pip said stands above." \
        "Check the network, or name an index that has builds for the CPU, as pytorch.org lists them:" \
        "  TORCH_INDEX_URL=https://... make ..."
  fi
  stamp "$1" "$made_from"
}

install_checkout() {
  local made_from
  made_from="$(digest pyproject.toml build_protos.py protos)"
  stamped checkout "$made_from" && [ -f antiphon/v1/__init__.py ] && return
  say "Installing this checkout and generating the contract's stubs"
  "$venv/bin/python" -m pip install --disable-pip-version-check --quiet --no-build-isolation --no-deps --editable .
  stamp checkout "$made_from"
}

# fetch_models ABOUT [MODEL]...    default: all
fetch_models() {
  local about="$1" folder made_from
  shift
  folder="${ANTIPHON_MODELS:-${XDG_CACHE_HOME:-$HOME/.cache}/antiphon/models}"
  made_from="$folder $(digest services/runtime/models.toml)"
  stamped fetched "$made_from" && [ -d "$folder" ] && return
  say "Fetching the models of $about"
  "$venv/bin/antiphon" fetch "$@"
  stamp fetched "$made_from"
}

check_machine() {
  if [ "$(uname -s)-$(uname -m)" = Darwin-x86_64 ]; then
    fail "Antiphon's CPU default needs onnxruntime, which is no longer built for Macs with Intel processors." \
      "Run it in a Linux virtual machine there, or on another machine."
  fi
}

check_machine
make_venv
# dev.lock holds all of local.lock, at the same versions.
if [ "$wanted" = local ] && stamped dev "$(digest requirements/dev.lock)"; then wanted=dev; fi
case "$wanted" in
  local | dev | deploy) install_dependencies "$wanted" ;;
  *) install_with_torch "$wanted" ;;
esac
[ "$wanted" = deploy ] || install_checkout
case "$wanted" in
  local | dev) fetch_models "the CPU default (about 245 MB the first time)" ;;
  # Engines on PyTorch are tested on small models that the tests make; the gateway before them is the real one.
  models) fetch_models "the gateway (about 23 MB the first time)" silero-vad smart-turn ;;
esac
