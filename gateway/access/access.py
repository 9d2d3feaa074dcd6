"""Who comes in: what a key is good for, and what its holder uses."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from gateway.access.keys import Key, KeyFile, find, parse_variable
from gateway.access.limits import Clock, Limits, Meter, Usage
from gateway.access.secrets import PREFIX, Secrets
from services.runtime.errors import (
    FailedPrecondition,
    PermissionDenied,
    Unauthenticated,
)
from services.runtime.logs import get_logger
from services.runtime.telemetry import labels, metrics

if TYPE_CHECKING:
    # The settings name the limits, which are this package's.
    from gateway.settings import GatewaySettings

log = get_logger(__name__)

NO_KEYS = "none"
"""Value of ANTIPHON_GATEWAY_KEYS where whoever reaches the gateway may use it."""

ANYONE = "anyone"
"""Who calls where no keys are asked for."""

SUBPROTOCOL_PREFIX = "openai-insecure-api-key."
"""Browsers cannot set headers of a WebSocket; their stock clients name the key as a subprotocol."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls.

    Attributes:
        name: of the key; `ANYONE` where none are asked for.
        limits: what they may use.
        session: the Realtime session that a client secret was made for; None for a key, which is good for everything.
        realtime_rate: Hz that is meant by audio whose rate a Realtime client leaves open.
        origins: web pages that may use this key, besides those that any key may come from.
        key: which key it is, among all that have had or will have its name; client secrets say it.
    """

    name: str
    limits: Limits
    session: dict[str, Any] | None = None
    realtime_rate: int = 24_000
    origins: tuple[str, ...] = ()
    key: str = ANYONE


class HasHeaders(Protocol):
    """An HTTP request, as far as keys go."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Names are looked up whatever their case."""
        ...


class Access:
    """Knows the keys, and counts what their holders use.

    Args:
        settings: of the gateway.
        clock: seconds, never going back.
        now: seconds since 1970, for keys that expire.

    Attributes:
        open: whether no keys are asked for.
        secrets: makes and reads client secrets.

    Raises:
        FailedPrecondition: the keys cannot be read, or there are none though others than this machine can reach the
            gateway; the message says what to set.
    """

    def __init__(
        self,
        settings: "GatewaySettings",
        clock: Clock = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        secret = settings.secret
        self.secrets = Secrets(secret.get_secret_value() if secret else "")
        self._clock = clock
        self._now = now
        self._limits = settings.limits()
        self._rate = settings.realtime_rate
        self._keys = _source(settings, self._limits, clock)
        self.open = self._keys is None
        self._usage: dict[str, Usage] = {}
        labels.at_zero(metrics.ACCESS_REFUSALS)
        _say(settings, self._keys)

    def caller(self, request: HasHeaders) -> Caller:
        """Who makes an HTTP request, by its bearer key, or by the subprotocol that browsers put it into.

        Raises:
            Unauthenticated: there is no key, or it is not known, or has expired.
        """
        token = _bearer(request.headers.get("Authorization", ""))
        return self.known(token or _subprotocol_key(request.headers))

    def bearer(self, authorization: str) -> Caller:
        """Who sends such a value of ``Authorization``; empty for none.

        Raises:
            Unauthenticated: likewise.
        """
        return self.known(_bearer(authorization))

    def known(self, token: str) -> Caller:
        """Who holds a key or a client secret; empty for none.

        Raises:
            Unauthenticated: likewise.
        """
        maker, session = ANYONE, None
        if token.startswith(PREFIX):
            maker, session = self._read_secret(token)
        if self._keys is None:
            return Caller(ANYONE, self._limits, session, self._rate)
        keys = self._keys()
        key = self._holder(keys, token) if session is None else self._maker(keys, maker)
        return Caller(
            key.name,
            key.limits,
            session,
            key.realtime_rate or self._rate,
            key.origins,
            key.id,
        )

    @contextmanager
    def conversation(self, caller: Caller) -> Iterator[Meter]:
        """A conversation of a caller, as long as the block runs.

        Raises:
            TooMuch: they have too many open, or have used up the day's minutes.
        """
        usage = self._of(caller)
        usage.begin()
        meter = Meter(usage)
        try:
            yield meter
        finally:
            meter.close()
            usage.end()

    def request(self, caller: Caller) -> None:
        """Count an HTTP request.

        Raises:
            TooMuch: there were too many of late.
        """
        self._of(caller).request()

    @property
    def origins(self) -> tuple[str, ...]:
        """Web pages that some key may come from."""
        keys = () if self._keys is None else self._keys()
        return tuple(origin for key in keys for origin in key.origins)

    @property
    def several(self) -> bool:
        """Whether there is more than one key."""
        return self._keys is not None and len(self._keys()) > 1

    def _of(self, caller: Caller) -> Usage:
        usage = self._usage.setdefault(caller.name, Usage(caller.limits, self._clock))
        usage.limits = caller.limits
        return usage

    def _holder(self, keys: tuple[Key, ...], token: str) -> Key:
        if not token:
            raise _unknown("a key is needed: Authorization: Bearer KEY")
        key = find(keys, token)
        if key is None:
            raise _unknown("this key is not known")
        if self._expired(key):
            raise _unknown("this key has expired")
        return key

    def _maker(self, keys: tuple[Key, ...], id: str) -> Key:
        for key in keys:
            if key.id == id and not self._expired(key):
                return key
        raise _unknown("the key that made this client secret is not valid any more")

    def _read_secret(self, token: str) -> tuple[str, dict[str, Any]]:
        try:
            claims = self.secrets.read(token, self._now())
        except Unauthenticated:
            metrics.ACCESS_REFUSALS.labels("key").inc()
            raise
        return claims.maker, claims.session

    def _expired(self, key: Key) -> bool:
        return key.expires is not None and self._now() >= key.expires.timestamp()


def no_secrets(caller: Caller) -> None:
    """Let keys pass, and client secrets not.

    Raises:
        PermissionDenied: a client secret opens Realtime conversations and nothing else.
    """
    if caller.session is not None:
        metrics.ACCESS_REFUSALS.labels("scope").inc()
        raise PermissionDenied(
            "a client secret opens Realtime conversations, and nothing else"
        )


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _source(
    settings: "GatewaySettings", default: Limits, clock: Clock
) -> Callable[[], tuple[Key, ...]] | None:
    """Where the keys are; None where none are asked for."""
    if settings.keys == NO_KEYS:
        if settings.api_keys:
            raise FailedPrecondition(
                "ANTIPHON_GATEWAY_KEYS=none and ANTIPHON_GATEWAY_API_KEYS contradict each other: unset one"
            )
        return None
    try:
        named = parse_variable(settings.api_keys, default)
    except ValueError as error:
        raise FailedPrecondition(f"ANTIPHON_GATEWAY_API_KEYS: {error}") from None
    if settings.keys:
        file = KeyFile(Path(settings.keys), default, clock)
        # A name of both would share its usage, and a revoked key would live on in the other.
        taken = {key.name for key in file.current()} & {key.name for key in named}
        if taken:
            raise FailedPrecondition(
                f"ANTIPHON_GATEWAY_API_KEYS names {', '.join(sorted(taken))}, as {settings.keys} does: rename one"
            )
        return lambda: (*file.current(), *named)
    if named:
        return lambda: named
    if not is_loopback(settings.host):
        raise FailedPrecondition(
            f"ANTIPHON_GATEWAY_HOST={settings.host} lets others than this machine in, and there are no keys: make one "
            "with `antiphon key new NAME` and name its file in ANTIPHON_GATEWAY_KEYS, or set ANTIPHON_GATEWAY_KEYS=none "
            "if whoever reaches the gateway may use it, as inside a container whose ports are published on loopback"
        )
    return None


def _say(
    settings: "GatewaySettings", keys: Callable[[], tuple[Key, ...]] | None
) -> None:
    """Tell the operator who may come in."""
    if keys is not None:
        log.info("keys are asked for", keys=len(keys()))
    elif is_loopback(settings.host):
        log.info(
            "no keys: whoever is on this machine may use the gateway; to let others in, set ANTIPHON_GATEWAY_KEYS and "
            "ANTIPHON_GATEWAY_HOST",
            host=settings.host,
        )
    else:
        log.warning(
            "no keys: whoever reaches the gateway may use it; ANTIPHON_GATEWAY_KEYS asks for keys",
            host=settings.host,
        )


def _unknown(message: str) -> Unauthenticated:
    metrics.ACCESS_REFUSALS.labels("key").inc()
    return Unauthenticated(message)


def _bearer(authorization: str) -> str:
    scheme, _, token = authorization.partition(" ")
    if scheme and scheme.lower() != "bearer":
        raise _unknown("what is sent as authorization must be: Bearer KEY")
    return token.strip()


def _subprotocol_key(headers: Mapping[str, str]) -> str:
    for name in headers.get("Sec-WebSocket-Protocol", "").split(","):
        if name.strip().startswith(SUBPROTOCOL_PREFIX):
            return name.strip().removeprefix(SUBPROTOCOL_PREFIX)
    return ""
