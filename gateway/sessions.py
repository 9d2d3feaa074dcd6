"""All conversations of a gateway, and what they share."""

import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from gateway.conversation import tokens
from gateway.conversation.commands import Notice
from gateway.conversation.context import Context
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
from services.runtime.errors import InvalidArgument, Unavailable
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
        *,
        beside: Session | None = None,
    ) -> AsyncIterator[Session]:
        """A conversation; everything it opened is gone when the context is left.

        Args:
            options: what the client asked for.
            deliver: takes notices for the client; never blocks.
            give_up: is told that the conversation cannot go on.
            beside: a conversation that this one runs beside: an answer that shall not be part of it. It has the same
                id, is not counted, greets nobody, hears nothing and ends when that one ends. What it is to read comes
                with its `Wish`.

        Raises:
            InvalidArgument: the model has no room for anything but the instructions and the tools.
            Unavailable: the gateway is going away.
        """
        if self._finishing:
            raise Unavailable("this gateway is shutting down; try another")
        history = History(options.instructions, self.settings.history_messages)
        conversation = Conversation(
            options.policy, history, _context(options, history), self.settings.budgets()
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


def _context(options: Options, history: History) -> Context:
    tools = sum(
        tokens.of_tool(tool.name, tool.description, tool.parameters_json)
        for tool in options.tools
    )
    context = Context(options.context, options.sampling.max_tokens, tools)
    if not context.fits(history.beginning()):
        raise InvalidArgument(
            "config.instructions",
            f"with the tools, they and the reply take the model's whole context of {options.context} tokens",
            "shorter instructions, fewer tools, a smaller sampling.max_tokens, or a model that reads more",
        )
    return context
