"""All conversations of a gateway, and what they share."""

import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from gateway.conversation.commands import Notice
from gateway.conversation.events import InputEnded
from gateway.conversation.history import History
from gateway.conversation.machine import Conversation
from gateway.hearing.ending import EndOfTurn
from gateway.hearing.listener import Listener
from gateway.hearing.voice import VoiceActivity
from gateway.options import Options
from gateway.session import Session
from gateway.settings import GatewaySettings
from gateway.stages.directory import Stages
from services.runtime import metrics
from services.runtime.errors import Unavailable
from services.runtime.logs import bound_contextvars


class Sessions:
    """Opens conversations, for any front.

    Args:
        settings: of the gateway.
        stages: shared by all conversations.
        voice: likewise.
        ending: likewise; None for none.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        stages: Stages,
        voice: VoiceActivity,
        ending: EndOfTurn | None,
    ) -> None:
        self.settings = settings
        self.stages = stages
        self._voice = voice
        self._ending = ending
        self._open: set[Session] = set()
        self._finishing = False

    @asynccontextmanager
    async def open(
        self,
        options: Options,
        deliver: Callable[[Notice], None],
        give_up: Callable[[BaseException], None],
    ) -> AsyncIterator[Session]:
        """A conversation; everything it opened is gone when the context is left.

        Raises:
            Unavailable: the gateway is going away.
        """
        if self._finishing:
            raise Unavailable("this gateway is shutting down; try another")
        conversation = Conversation(
            options.policy,
            History(
                options.instructions,
                self.settings.history_messages,
                self.settings.history_characters,
            ),
            self.settings.budgets(),
        )
        listener = Listener(self._voice, options.input_rate)
        with bound_contextvars(conversation=(conversation_id := uuid.uuid4().hex)):
            session = Session(
                conversation_id,
                options,
                conversation,
                listener,
                self._ending,
                self.stages,
                deliver,
                give_up,
            )
            self._open.add(session)
            metrics.CONVERSATIONS_OPEN.set(len(self._open))
            try:
                yield session
            finally:
                await session.close()
                self._open.discard(session)
                metrics.CONVERSATIONS_OPEN.set(len(self._open))

    def finish(self) -> None:
        """Have every conversation end with the turn in progress, and open no other."""
        self._finishing = True
        for session in list(self._open):
            session.tell(InputEnded())
