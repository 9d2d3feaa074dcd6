"""All conversations of a gateway, and what they share."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from opentelemetry import trace
from opentelemetry.trace import Span

from gateway.answer_options import AnswerOptions
from gateway.conversation.commands import Notice
from gateway.conversation.events import InputEnded
from gateway.conversation.history import History
from gateway.conversation.machine import Conversation
from gateway.conversation.values import Ending
from gateway.hearing.ending import EndOfTurn
from gateway.hearing.listener import Listener
from gateway.hearing.voice import VoiceActivity
from gateway.observing import counting
from gateway.observing.observer import Observer
from gateway.observing.recent import Recent
from gateway.observing.spans import conversation_span
from gateway.options import Options
from gateway.room import Room
from gateway.session import Session
from gateway.settings import GatewaySettings
from gateway.stages.directory import Stages
from services.runtime.errors import Unavailable
from services.runtime.logs import bound_contextvars
from services.runtime.telemetry import metrics, tracing
from services.runtime.telemetry.budgets import Budgets


class Sessions:
    """Opens conversations, for any front.

    Args:
        settings: of the gateway.
        stages: shared by all conversations.
        voice: likewise.
        ending: likewise; None for none.
        budgets: of all turns.
        recent: keeps the last turns of all conversations; None for one of its own.

    Attributes:
        recent: keeps them.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        stages: Stages,
        voice: VoiceActivity,
        ending: EndOfTurn | None,
        budgets: Budgets,
        recent: Recent | None = None,
    ) -> None:
        self.settings = settings
        self.stages = stages
        self._voice = voice
        self._ending = ending
        self.budgets = budgets
        self.recent = recent or Recent(budgets)
        counting.begin()
        self._open: dict[Session, Span] = {}
        self._beside: dict[Session, set[Session]] = {}
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
        if beside is None:
            conversation_id = uuid.uuid4().hex
        elif beside in self._open:
            conversation_id, options = beside.id, _of_one_answer(options)
        else:
            raise Unavailable("the conversation that this was to run beside is over")
        # Items beside a conversation are not its own, and are not to be taken for them.
        history = History(
            options.instructions,
            self.settings.history_messages,
            prefix=f"{uuid.uuid4().hex[:12]}_",
        )
        room, answers = Room(options), AnswerOptions(options)
        conversation = Conversation(
            options.policy,
            history,
            room.context,
            lambda ref: self.budgets.of(answers.of(ref).model),
        )
        listener = Listener(self._voice, options.input_rate, options.voice_threshold)
        span = (
            conversation_span(conversation_id) if beside is None else self._open[beside]
        )
        with (
            bound_contextvars(conversation=conversation_id),
            tracing.within(trace.set_span_in_context(span)),
        ):
            observer = Observer(
                conversation_id, self.recent, asyncio.get_running_loop().time
            )
            session = Session(
                conversation_id,
                answers,
                self.budgets,
                conversation,
                room,
                listener,
                self._ending,
                self.stages,
                observer,
                deliver,
                give_up,
            )
            self._add(session, beside, span)
            try:
                yield session
            finally:
                for aside in self._beside.pop(session, ()):
                    aside.end_early("the conversation is over")
                await session.close()
                self._remove(session, beside)
                if beside is None:
                    metrics.CONVERSATIONS.labels(observer.ending).inc()

    def finish(self) -> None:
        """Have every conversation end with the turn in progress, and open no other."""
        self._finishing = True
        for session in list(self._open):
            session.tell(InputEnded(Ending.DRAINING))

    def cut_off(self) -> None:
        """End every conversation, whatever is in progress, and with it what is said beside it."""
        for session in list(self._open):
            session.end_early("this gateway is shutting down; try another")

    def _add(self, session: Session, beside: Session | None, span: Span) -> None:
        if beside is None:
            self._open[session] = span
            metrics.CONVERSATIONS_OPEN.set(len(self._open))
        else:
            self._beside.setdefault(beside, set()).add(session)

    def _remove(self, session: Session, beside: Session | None) -> None:
        if beside is None:
            del self._open[session]
            metrics.CONVERSATIONS_OPEN.set(len(self._open))
        else:
            self._beside.get(beside, set()).discard(session)


def _of_one_answer(options: Options) -> Options:
    """The same, for an answer beside a conversation: nobody greets, nobody is waited for."""
    policy = replace(options.policy, greeting=None, idle=None, longest_silence=None)
    return replace(options, policy=policy)
