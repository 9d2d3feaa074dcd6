"""Client secrets: short-lived keys that a server hands to a browser, so that its own key stays at home.

A secret says itself whose it is, until when, and how the conversations begin that it opens, and is signed. So nothing is
kept, and gateways that share a secret of their own (``ANTIPHON_GATEWAY_SECRET``) take each other's. It is not encrypted:
whoever holds one could read the same in ``session.created``.
"""

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import zlib
from dataclasses import dataclass
from typing import Any

from services.runtime.errors import InvalidArgument, Unauthenticated

PREFIX = "ek_"
"""What every client secret begins with, as OpenAI's do; stock clients look for it."""

LONGEST = 7000
"""Characters: HTTP servers take about 8 KiB of one header, and a browser's WebSocket has more in it than this."""

_SIGNATURE = 24
"""Bytes of the signature that are sent: 192 bits, of which nobody guesses one."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A client secret.

    Attributes:
        value: to be sent as a bearer.
        expires_at: seconds since 1970; no conversation is opened with it from then on.
    """

    value: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class Claims:
    """What a client secret says.

    Attributes:
        maker: the key that it was made with.
        session: what the conversations begin with, as the wire has it.
    """

    maker: str
    session: dict[str, Any]


class Secrets:
    """Makes client secrets, and reads them.

    Args:
        secret: what they are signed with; empty for one that this process makes up, and forgets at its end.
    """

    def __init__(self, secret: str = "") -> None:
        given = secret.encode() or secrets.token_bytes(32)
        # One purpose, one key: the operator's secret may come to sign other things too.
        self._key = hmac.digest(given, b"antiphon client secret 1", hashlib.sha256)

    def mint(
        self, maker: str, session: dict[str, Any], seconds: int, now: float
    ) -> Secret:
        """A new secret.

        Args:
            maker: the key that it is made with, as `Caller.key` names it.
            session: what the conversations begin with that it opens.
            seconds: after which it expires.
            now: seconds since 1970.

        Raises:
            InvalidArgument: the session is too large for a secret.
        """
        expires_at = int(now) + seconds
        said = json.dumps(
            [maker, expires_at, session], separators=(",", ":"), ensure_ascii=False
        )
        packed = zlib.compress(said.encode(), 9)
        value = PREFIX + _text(self._sign(packed) + packed)
        if len(value) > LONGEST:
            raise InvalidArgument(
                "session",
                f"makes a secret of {len(value)} characters",
                f"at most {LONGEST}; the client can send the rest with session.update",
            )
        return Secret(value, expires_at)

    def read(self, value: str, now: float) -> Claims:
        """What a secret says.

        Args:
            value: as it came.
            now: seconds since 1970.

        Raises:
            Unauthenticated: it is none of ours, or has expired.
        """
        signed = _bytes(value.removeprefix(PREFIX))
        signature, packed = signed[:_SIGNATURE], signed[_SIGNATURE:]
        if not hmac.compare_digest(signature, self._sign(packed)):
            raise Unauthenticated("this client secret was not made by this gateway")
        maker, expires_at, session = json.loads(zlib.decompress(packed))
        if now >= expires_at:
            raise Unauthenticated("this client secret has expired; make another")
        return Claims(maker, session)

    def _sign(self, packed: bytes) -> bytes:
        return hmac.digest(self._key, packed, hashlib.sha256)[:_SIGNATURE]


def _text(data: bytes) -> str:
    """Base64 that may stand in a header, an address and the name of a subprotocol."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    """What `_text` was given; nothing where it is no such text."""
    try:
        return base64.b64decode(
            text.encode() + b"=" * (-len(text) % 4), b"-_", validate=True
        )
    except (binascii.Error, UnicodeEncodeError):
        return b""
