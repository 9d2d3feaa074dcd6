"""Where turns come from: a gateway's metrics port."""

import os
import re
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from http.client import HTTPException, HTTPResponse
from typing import ClassVar

from antiphon.cli import failures
from antiphon.cli.parts import PARTS
from antiphon.cli.setting import EVERYWHERE, host_of, port_of, settings
from antiphon.cli.trace.document import BadDocument, Document, Turn, read

MOST_TURNS = 200
"""That a gateway remembers."""

_ADDRESS = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%]+\]|[^\s:/@\[\]]+):(?P<port>\d{1,5})")
_PATIENCE_SECONDS = 5.0
"""Of silence."""
BODY_SECONDS = 30.0
"""For all of the answer: slow networks take a while, and some servers never end."""
_POLL_SECONDS = 1.0
_USUAL_NEWS = 20
"""Turns that are asked for while following; where all of them are new, all that there are."""
_LONGEST_BODY = 64 * 1024 * 1024
_PART = 64 * 1024
_GATEWAY = next(part for part in PARTS if part.name == "gateway")


class BadAddress(failures.CommandError):
    """It names no port that could be asked; the message says what does."""

    status = failures.USAGE


class NobodyThere(failures.CommandError):
    """Nothing answers at the address; the message says what to do."""

    status: ClassVar[int] = failures.UNREACHABLE


class NoGateway(failures.CommandError):
    """Something answers, and it is no gateway that can be understood; the message says why."""


def usual_address(environment: Mapping[str, str] = os.environ) -> str:
    """Where a gateway on this machine counts, as its settings have it.

    Raises:
        BadSetting: they cannot be read.
        BadAddress: they leave the port to chance.
    """
    setting = settings(environment)
    defaults = dict(_GATEWAY.ports)
    value = setting(_GATEWAY, "metrics_port")
    port = port_of(_GATEWAY, "metrics_port", value, defaults["metrics_port"])
    if not port:
        raise BadAddress(
            f"{_GATEWAY.variable('metrics_port')} is 0, so that the gateway takes a free port: name it with --at "
            "HOST:PORT; the gateway logs it as metrics_port when it starts"
        )
    host = host_of(_GATEWAY, setting)
    host = "127.0.0.1" if host in EVERYWHERE else host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Source:
    """A gateway's metrics port.

    Args:
        address: ``HOST:PORT``.

    Raises:
        BadAddress: it is none.
    """

    def __init__(self, address: str) -> None:
        match = _ADDRESS.fullmatch(address)
        if match is None or not 0 < int(match["port"]) <= 65535:
            raise BadAddress(
                f"--at {address}: must be HOST:PORT, such as 127.0.0.1:9460 or [::1]:9460"
            )
        self._address = address
        # A proxy that is meant for the web knows nothing of ports on this machine.
        self._open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open

    def latest(self, count: int) -> Document:
        """The last turns, at most so many; blocks for as long as the gateway takes.

        Raises:
            NobodyThere: nothing answers.
            NoGateway: it is no gateway, or one of another version.
        """
        try:
            url = f"http://{self._address}/turns?last={count}"
            with self._open(url, timeout=_PATIENCE_SECONDS) as answer:
                return read(_body(answer))
        except BadDocument as error:
            raise self._no_gateway(str(error)) from None
        except urllib.error.HTTPError as error:
            # An error is a response too, and holds its connection.
            error.close()
            raise self._no_gateway(
                f"it answers, but has no turns (HTTP status {error.code})"
            ) from None
        except (HTTPException, ValueError):
            # The second where it sends us on to what is no address.
            raise self._no_gateway("what answers there does not speak HTTP") from None
        except OSError as error:
            raise NobodyThere(
                f"no gateway at {self._address}: {_reason(error)}\n"
                "Start one with `antiphon up`, or name the metrics port of another with --at HOST:PORT."
            ) from None

    def news(self, known: Sequence[Turn]) -> Iterator[tuple[Turn, ...]]:
        """Turns that end from now on, in order; asks every second, for ever.

        Args:
            known: what has been seen already: all that the gateway remembers.

        Raises:
            NobodyThere: the gateway has gone.
            NoGateway: something else has taken its place.
        """
        # As many as the gateway remembers: what it has forgotten cannot come again.
        seen = deque((turn.key for turn in known), maxlen=MOST_TURNS)
        while True:
            time.sleep(_POLL_SECONDS)
            turns = self.latest(_USUAL_NEWS).turns
            if len(turns) >= _USUAL_NEWS and turns[0].key not in seen:
                turns = self.latest(MOST_TURNS).turns
            fresh = tuple(turn for turn in turns if turn.key not in seen)
            seen.extend(turn.key for turn in fresh)
            if fresh:
                yield fresh

    def _no_gateway(self, why: str) -> NoGateway:
        return NoGateway(
            f"{self._address} is not the metrics port of a gateway that `antiphon trace` understands: {why}.\n"
            "Name a gateway's metrics port with --at HOST:PORT; by default it is 9460."
        )


def _body(answer: HTTPResponse) -> bytes:
    """All that is answered, as far as it can be a document.

    Raises:
        BadDocument: it does not come to an end.
    """
    body = bytearray()
    deadline = time.monotonic() + BODY_SECONDS
    while part := answer.read1(_PART):
        body += part
        if len(body) > _LONGEST_BODY or time.monotonic() > deadline:
            raise BadDocument("its answer does not come to an end")
    return bytes(body)


def _reason(error: OSError) -> str:
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, TimeoutError):
        return f"no answer within {_PATIENCE_SECONDS:g} s"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return str(cause)
