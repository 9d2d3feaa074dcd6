#!/usr/bin/env bash
# Writes requirements/*.lock anew from pyproject.toml, with uv from an environment of its own.
. "$(dirname "$0")/common.sh"

own="$venv/lock"
if [ ! -x "$own/bin/uv" ]; then
  say "Making $own with uv"
  python="$(find_python)"
  "$python" -m venv --clear "$own"
  "$own/bin/python" -m pip install --disable-pip-version-check --quiet "uv>=0.9,<1"
fi

# Pins that still fit are kept; a lock file that was removed beforehand gets the newest versions.
lock() {
  local lock="requirements/$1.lock"
  shift
  say "Writing $lock"
  "$own/bin/uv" pip compile --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-annotate --no-header --quiet "$@" --output-file "$lock"
}

# The package with extras.
compile() { lock "$@" pyproject.toml; }

# Requirements that are never to be met: what qwen-tts wants for its demo page and for a tokenizer that is not used here.
overrides="$(mktemp -d)"
trap 'rm -rf "$overrides"' EXIT
printf "%s; python_version < '0'\n" gradio sox torchaudio >"$overrides/unused.txt"
printf "%s; python_version < '0'\n" onnxruntime >"$overrides/unused-alone.txt"
printf "%s; python_version < '0'\n" hf-xet >"$overrides/downloads.txt"

compile dev --extra dev
compile local --extra local --extra build --constraint requirements/dev.lock
compile models --extra models --overrides "$overrides/unused.txt"
# What users get is what was tested together.
compile stt-parakeet --extra stt-parakeet --extra build --constraint requirements/models.lock
compile tts-qwen3 --extra tts-qwen3 --extra build --constraint requirements/models.lock \
  --overrides "$overrides/unused.txt" --overrides "$overrides/unused-alone.txt"
# What an image holds is what was tested: one service, and nothing that builds it. Its model lies in it, so that what makes
# downloads from the Hub faster is not worth 11 MB; and faster-whisper's own voice activity is not asked.
compile_for_image() {
  local extra="$1"
  shift
  compile "$extra" --extra "$extra" --constraint requirements/dev.lock --overrides "$overrides/downloads.txt" "$@"
}
for extra in gateway llm llm-local tts-piper; do compile_for_image "$extra"; done
compile_for_image stt-whisper --overrides "$overrides/unused-alone.txt"
# Tools alone, without the package.
lock wheel --group wheel --constraint requirements/dev.lock
lock deploy --group deploy
