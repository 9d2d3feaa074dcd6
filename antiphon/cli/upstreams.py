"""Whether the language model's settings still need the local server."""

import json
from typing import Any
from urllib.parse import urlsplit

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def point_at(upstreams: Any, host: str, port: int, everywhere: bool) -> bool:
    """Whether one of the upstreams is the server at an address.

    Args:
        upstreams: the setting, as JSON from the environment or as the settings file has it. What cannot be understood
            counts as yes: the language model's own process says what is wrong with it.
        host: that the server listens on.
        port: that the server listens on.
        everywhere: it listens on all addresses of the machine, so that any host may mean it.
    """
    if isinstance(upstreams, str):
        try:
            upstreams = json.loads(upstreams)
        except ValueError:
            return True
    if not isinstance(upstreams, list):
        return True
    hosts = {host, *_LOOPBACK}
    for upstream in upstreams:
        if not isinstance(upstream, dict):
            return True
        try:
            url = urlsplit(str(upstream.get("base_url") or ""))
            meant = url.port or (443 if url.scheme == "https" else 80)
        except ValueError:
            return True
        if url.hostname and meant == port and (everywhere or url.hostname in hosts):
            return True
    return False
