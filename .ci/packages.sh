# To be sourced: packages of Debian, for a machine that is bare and ours to change.

# install PACKAGE...: fails where it may not, or cannot. Nothing of it is started.
install() (
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || exit 1
  export DEBIAN_FRONTEND=noninteractive
  # Debian starts the services that it installs, unless this says no: a Prometheus that nobody asked for would hold its port.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
  fi
  echo "==> Installing $*"
  get() { apt-get install -y -qq --no-install-recommends "$@" >/dev/null; }
  # A bare machine has no lists of packages, or old ones.
  get "$@" 2>/dev/null || { apt-get update -qq >/dev/null && get "$@"; }
)
