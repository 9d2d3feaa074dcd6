#!/usr/bin/env bash
# How many replicas so many conversations need. CONVERSATIONS, PROFILE, FIGURES, MODELS, REQUESTS_PER_MINUTE, TOKENS_PER_MINUTE,
# SPARE and JSON=1 are given by variables, or as flags. Needs nothing but Python.
. "$(dirname "$0")/common.sh"
arguments=()
give() { [ -z "$2" ] || arguments+=("--$1" "$2"); }
give profile "${PROFILE:-}"
give figures "${FIGURES:-}"
give models "${MODELS:-}"
give requests-per-minute "${REQUESTS_PER_MINUTE:-}"
give tokens-per-minute "${TOKENS_PER_MINUTE:-}"
give spare "${SPARE:-}"
[ -z "${JSON:-}" ] || arguments+=(--json)
read -r -a conversations <<<"${CONVERSATIONS:-}"
python=$(find_python)
exec "$python" -m deploy.capacity ${arguments[@]+"${arguments[@]}"} ${conversations[@]+"${conversations[@]}"} "$@"
