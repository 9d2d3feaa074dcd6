"""Responses beside the conversation (``conversation: "none"``): they read what they are given, and leave nothing behind."""

import asyncio
from collections.abc import Callable
from typing import Any

from gateway.conversation import commands as c
from gateway.conversation import events as e
from gateway.conversation.values import Outcome, Wish
from gateway.fronts.realtime.errors import (
    RATE_LIMIT,
    SERVER,
    WireError,
    from_antiphon,
)
from gateway.fronts.realtime.responses import Response
from gateway.fronts.realtime.server_events import refusal
from gateway.options import Options
from gateway.session import Session
from gateway.sessions import Sessions
from services.runtime.errors import AntiphonError
from services.runtime.logs import get_logger

log = get_logger(__name__)

Event = dict[str, Any]

MOST = 4
"""At once, in one conversation."""


class Beside:
    """Gives them, each at its own pace.

    Args:
        sessions: open a conversation for each.
        put: takes server events.
    """

    def __init__(self, sessions: Sessions, put: Callable[[Event], None]) -> None:
        self._sessions = sessions
        self._put = put
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._asides: dict[str, Session] = {}

    def respond(
        self,
        session: Session,
        options: Options,
        wish: Wish,
        response: Response,
        event_id: str | None,
    ) -> None:
        """Begin one.

        Args:
            session: beside which it is given.
            options: how it is made.
            wish: what it reads, and how it is told.
            response: tells it.
            event_id: the client's name of the event that asked for it.

        Raises:
            WireError: there are too many already.
        """
        if len(self._tasks) >= MOST:
            raise WireError(
                f"{len(self._tasks)} responses are given beside the conversation; at most {MOST} at once",
                type=RATE_LIMIT,
                code="too_many_responses",
                param="response.conversation",
            )
        give = self._give(session, options, wish, response, event_id)
        task = asyncio.create_task(give)
        self._tasks[response.id] = task
        task.add_done_callback(lambda _task: self._tasks.pop(response.id, None))

    def cancel(self, response_id: str) -> bool:
        """Stop one; returns whether there was one of that name."""
        if response_id not in self._tasks:
            return False
        if response_id in self._asides:
            self._asides[response_id].tell(e.ReplyCancelled())
        return True

    async def idle(self) -> None:
        """Wait until those that have been begun are given."""
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def close(self) -> None:
        """Stop all of them, at once."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _give(
        self,
        session: Session,
        options: Options,
        wish: Wish,
        response: Response,
        event_id: str | None,
    ) -> None:
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def deliver(notice: c.Notice) -> None:
            for event in _events(notice, response, event_id):
                self._put(event)
            if isinstance(notice, c.Close) and not over.done():
                over.set_result(None)

        def give_up(error: BaseException) -> None:
            if not over.done():
                over.set_exception(error)

        try:
            async with self._sessions.open(
                options, deliver, give_up, beside=session
            ) as aside:
                self._asides[response.id] = aside
                aside.begin()
                aside.respond(wish, None)
                aside.tell(e.InputEnded())
                await over
        except AntiphonError as error:
            self._put(from_antiphon(error, event_id, "response").to_event(""))
        except Exception as error:
            # Whoever else failed here is not the conversation, which goes on.
            log.exception("a response beside the conversation failed")
            problem = f"{type(error).__name__} in the gateway; see its log"
            failed = WireError(
                problem, type=SERVER, code="internal_error", event_id=event_id
            )
            self._put(failed.to_event(""))
        finally:
            self._asides.pop(response.id, None)


def _events(notice: c.Notice, response: Response, event_id: str | None) -> list[Event]:
    match notice:
        case c.TellResponding():
            return response.created()
        case (
            c.TellReplyStarted()
            | c.TellText()
            | c.TellAudio()
            | c.TellToolCall()
            | c.TellTurnEnded()
        ):
            by_client = isinstance(notice, c.TellTurnEnded) and (
                notice.outcome in (Outcome.CANCELLED, Outcome.INTERRUPTED)
            )
            return response.tell(notice, by_client)
        case c.Refuse():
            refused = refusal(notice)
            refused.event_id = event_id
            return [refused.to_event("")]
        case _:
            return []
