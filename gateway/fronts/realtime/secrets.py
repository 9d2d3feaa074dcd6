"""``POST /v1/realtime/client_secrets``: short-lived keys for browsers, each for one kind of session."""

import secrets
import time
from collections.abc import Callable
from typing import Annotated, Any, Literal

from aiohttp import web
from pydantic import AfterValidator, Field

from gateway.access import Access, Caller
from gateway.fronts.gate import CALLER
from gateway.fronts.realtime.errors import WireError
from gateway.fronts.realtime.fields import RealtimeSession
from gateway.fronts.realtime.over_http import json_object, refusal
from gateway.fronts.realtime.reading import Wire, between, check, validated
from gateway.fronts.realtime.session_object import session_object
from gateway.sessions import Sessions

PATH = "/v1/realtime/client_secrets"

SECONDS = 600
"""That a secret is good for, unless its maker says otherwise; OpenAI's default."""

LONGEST_REQUEST = 1024 * 1024
"""Bytes."""


class ExpiresAfter(Wire):
    """How long a secret is good for; the bounds are OpenAI's."""

    anchor: Literal["created_at"] = "created_at"
    seconds: Annotated[int, AfterValidator(between(10, 7200, " s"))] = SECONDS


class Asked(Wire):
    """The request's body."""

    expires_after: ExpiresAfter = ExpiresAfter()
    session: dict[str, Any] = Field(default_factory=dict)


class ClientSecrets:
    """Makes client secrets for those who have a key.

    Args:
        sessions: whose stages the sessions are checked against.
        access: signs the secrets.
        now: seconds since 1970.
    """

    def __init__(
        self,
        sessions: Sessions,
        access: Access,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._sessions = sessions
        self._access = access
        self._now = now

    def routes(self) -> list[web.RouteDef]:
        """Where they are made."""
        return [web.post(PATH, self._create)]

    async def _create(self, request: web.Request) -> web.StreamResponse:
        """A client secret: a key for a browser that soon expires, and opens Realtime conversations alone."""
        caller = request[CALLER]
        request = request.clone(client_max_size=LONGEST_REQUEST)
        try:
            made = await self._made(caller, await request.read())
        except WireError as error:
            return refusal(error)
        return web.json_response(made)

    async def _made(self, caller: Caller, body: bytes) -> dict[str, Any]:
        """A new secret, as it is answered.

        Raises:
            WireError: a field is not as it must be, or a stage cannot do what the session asks for.
            InvalidArgument: the body is no object, or the session too large.
        """
        said = json_object(body, "")
        check(said)
        asked = validated(Asked, said)
        session = RealtimeSession().merged(asked.session)
        told = session_object(
            session,
            self._sessions.settings,
            await self._sessions.stages.abilities(),
            f"sess_{secrets.token_hex(12)}",
            caller.realtime_rate,
        )
        secret = self._access.secrets.mint(
            caller.key, asked.session, asked.expires_after.seconds, self._now()
        )
        return {
            "value": secret.value,
            "expires_at": secret.expires_at,
            "session": told,
        }
