#!/usr/bin/env bash
# Checks the contract: lint, format, and that nothing breaks against the last commit on main that is not this one.
. "$(dirname "$0")/common.sh"

buf="$venv/bin/buf"
"$buf" lint protos
"$buf" format protos --diff --exit-code

# The commit to compare with: the last one on main, as it is here or at the origin, that has the contract. On main itself
# that is HEAD while the contract is being changed, and what came before HEAD once the change is committed.
earlier() {
  local head main commit changed=""
  head="$(git rev-parse --verify --quiet HEAD)" || return 0
  git diff --quiet HEAD -- protos || changed=yes
  for main in refs/heads/main refs/remotes/origin/main HEAD; do
    git rev-parse --verify --quiet "$main" >/dev/null || continue
    for commit in $(git rev-list --first-parent --max-count=20 "$main"); do
      [ "$commit" = "$head" ] && [ -z "$changed" ] && continue
      if git cat-file -e "$commit:protos/antiphon" 2>/dev/null; then
        printf '%s' "$commit"
        return
      fi
    done
  done
}

commit="$(earlier 2>/dev/null || true)"
if [ -z "$commit" ]; then
  echo "No earlier contract to compare with (no history, or a shallow clone): breaking changes are not checked."
  exit 0
fi

before="$(mktemp -d)"
trap 'rm -rf "$before"' EXIT
# An archive and not a clone: buf cannot clone what was cloned shallowly.
git archive "$commit" protos | tar -x -C "$before"
"$buf" breaking protos --against "$before/protos"
echo "Nothing breaks against $(git log -1 --format='%h (%s)' "$commit")."
