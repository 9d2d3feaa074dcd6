"""The stages, asked by somebody who holds no conversation: each call's events in order, and its error as it is."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import grpc

from gateway.conversation.events import Event
from gateway.conversation.values import Ref, Stage
from gateway.stages.call import StageCall
from gateway.stages.llm import Reply
from gateway.stages.spans import CallSpan
from gateway.stages.stt import Transcription
from gateway.stages.tts import Speech
from services.runtime.errors import AntiphonError, DeadlineExceeded

NO_TURN = Ref(0, 0)
"""What such a call works for."""

_ROOM = 256
"""Events that wait here before a stage is not read any further: about 20 s of audio."""


class OneOff(StageCall):
    """A call whose caller wants its error as it is: a turn has failed with less.

    Attributes:
        error: why it did not work; None as long as it does.
    """

    error: AntiphonError | None = None

    @property
    def stage(self) -> Stage:
        """Who is asked."""
        return self._stage

    def _fail(self, error: AntiphonError) -> None:
        self.error = error


class Dictation(OneOff, Transcription):
    """One stretch of speech, transcribed."""


class Reading(OneOff, Speech):
    """One text, read out."""


class Completion(OneOff, Reply):
    """One prompt, answered."""


Call = TypeVar("Call", bound=OneOff)


class Inbox:
    """Events of one call, until its reader comes for them.

    Attributes:
        room: set while the reader keeps up. A voice is not read further without; other calls bring little.
    """

    def __init__(self) -> None:
        self.room = asyncio.Event()
        self.room.set()
        self._events: deque[Event] = deque()
        self._news = asyncio.Event()
        self._over = False

    def put(self, event: Event) -> None:
        """The next event; never blocks."""
        self._events.append(event)
        self._news.set()
        if len(self._events) >= _ROOM:
            self.room.clear()

    def end(self) -> None:
        """Nothing follows."""
        self._over = True
        self._news.set()

    async def get(self) -> Event | None:
        """The next event; None behind the last one."""
        while not self._events:
            if self._over:
                return None
            self._news.clear()
            await self._news.wait()
        event = self._events.popleft()
        if len(self._events) < _ROOM // 2:
            self.room.set()
        return event


class Asked:
    """A call under way.

    Args:
        call: that was opened.
        span: of the call.
        task: that runs it.
        inbox: that it fills.
    """

    def __init__(
        self, call: OneOff, span: CallSpan, task: asyncio.Task[None], inbox: Inbox
    ) -> None:
        self._call = call
        self._span = span
        self._task = task
        self._inbox = inbox

    async def next(self, patience: float) -> Event | None:
        """The next event; None at the end of a call that went well.

        Args:
            patience: seconds to wait for it.

        Raises:
            AntiphonError: the call failed, on every replica that was asked.
            DeadlineExceeded: nothing came in time.
        """
        try:
            async with asyncio.timeout(patience):
                event = await self._inbox.get()
        except TimeoutError:
            late = DeadlineExceeded(
                f"{self._call.stage.value}: nothing came within {patience:g} s"
            )
            self._span.ended(late.code)
            raise late from None
        if event is None:
            if self._call.error is not None:
                raise self._call.error
            self._task.result()
        return event


@asynccontextmanager
async def asked(
    stage: Stage,
    open_call: Callable[[Inbox, CallSpan], Call],
) -> AsyncIterator[tuple[Call, Asked]]:
    """A call that is over when the context is left, whatever became of it.

    Args:
        stage: that is asked.
        open_call: makes the call; ``Inbox.put`` is the sink that it is to have, and the span looks on.
    """
    inbox, span = Inbox(), CallSpan(stage)
    call = open_call(inbox, span)
    task = call.start()
    task.add_done_callback(lambda _task: inbox.end())
    try:
        yield call, Asked(call, span, task, inbox)
        # Whoever has what it asked for need not hear the call out.
        span.ended(grpc.StatusCode.OK)
    finally:
        call.cancel()
        # One that waits for room before it reads on could not see that it was cancelled.
        inbox.room.set()
        await asyncio.gather(task, return_exceptions=True)
