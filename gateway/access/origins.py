"""Which web pages may use the gateway.

A browser sends along from which site a page comes that calls, and other programs do not. Without a look at that, any page
that somebody has open could use the gateway of their own machine, or of their network, behind their back.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from services.runtime.errors import FailedPrecondition, PermissionDenied
from services.runtime.telemetry import metrics

EVERY = "*"
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Origin:
    """A site, as browsers tell sites apart.

    Attributes:
        scheme: ``http`` or ``https``.
        host: in small letters.
        port: also where the address names none.
    """

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Origin":
        """Read one.

        Raises:
            ValueError: it is none, as ``null`` is, which pages without a site send.
        """
        parts = urlsplit(text)
        if (
            parts.scheme not in _PORTS
            or not parts.hostname
            or parts.path
            or parts.query
            or parts.fragment
            or parts.username is not None
        ):
            raise ValueError(f"{text!r} is no origin")
        return cls(parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme])

    @property
    def is_address(self) -> bool:
        """Whether no name server has a say in where its host is."""
        if self.host == "localhost" or self.host.endswith(".localhost"):
            return True
        try:
            ip_address(self.host)
        except ValueError:
            return False
        return True


class Origins:
    """Decides by the ``Origin`` that a browser sends.

    Args:
        setting: origins of other sites, with commas between; ``*`` for all.
        by_name: whether the gateway's own page counts as its own under any name that it is reached by. Where no key is
            asked for it must not: a name server can have a foreign site's name point here, and its pages would be ours.

    Raises:
        FailedPrecondition: the setting holds something else.
    """

    def __init__(self, setting: str, by_name: bool) -> None:
        self._by_name = by_name
        listed = [part.strip() for part in setting.split(",") if part.strip()]
        self._every = EVERY in listed
        try:
            self._allowed = _parsed(part for part in listed if part != EVERY)
        except ValueError as error:
            raise FailedPrecondition(
                f"ANTIPHON_GATEWAY_ORIGINS: {error}; an origin is a scheme and a host, as https://example.org, or *"
            ) from None

    def check(
        self, sent: str | None, scheme: str, host: str, more: Iterable[str] = ()
    ) -> None:
        """Let a request pass, or not.

        Args:
            sent: the request's ``Origin``; None for none, as all but browsers do it.
            scheme: by which the request came, ``http`` or ``https``.
            host: whom it was for: its ``Host``.
            more: further origins that may, such as those of a key.

        Raises:
            PermissionDenied: a page of another site calls.
        """
        if sent is None or self._every or self._may(sent, scheme, host, more):
            return
        metrics.ACCESS_REFUSALS.labels("origin").inc()
        raise PermissionDenied(
            f"pages of {sent} may not use this gateway; ANTIPHON_GATEWAY_ORIGINS lists those that may"
        )

    def _may(self, sent: str, scheme: str, host: str, more: Iterable[str]) -> bool:
        try:
            origin = Origin.parse(sent)
        except ValueError:
            return False
        if origin in self._allowed or origin in _parsed(more):
            return True
        try:
            own = Origin.parse(f"{scheme}://{host}")
        except ValueError:
            return False
        return origin == own and (self._by_name or own.is_address)


def _parsed(texts: Iterable[str]) -> frozenset[Origin]:
    return frozenset(Origin.parse(text.rstrip("/")) for text in texts)
