"""What the calls to all stages have in common: one task a call, failures become events, nothing is left open.

A replica that is full, or gone, is survived by opening the same RPC again: the channel takes the next one. That works
as long as nothing has come of the call that could not come twice.
"""

import asyncio
import contextvars
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

import grpc

from gateway.conversation.events import Event, StageFailed
from gateway.conversation.values import Failure, Ref, Stage
from services.runtime.errors import (
    AntiphonError,
    EngineError,
    Full,
    Unavailable,
    from_rpc_error,
)
from services.runtime.logs import get_logger
from services.runtime.streams import read, send
from services.runtime.telemetry import metrics
from services.runtime.words import Words

log = get_logger(__name__)

Request = TypeVar("Request")
Response = TypeVar("Response")

Sink = Callable[[Event], None]
"""Takes an event to the conversation that the call belongs to; never blocks."""

Metadata = tuple[tuple[str, str], ...]

TRIES = 3
"""Replicas that are asked for one thing. They fail at once or not at all, so that this costs little of a turn's time; one
that has waited for somebody else in vain says where the others would do no better."""


class Watch(Protocol):
    """Looks on at a call."""

    @property
    def metadata(self) -> Metadata:
        """What makes the stage's spans children of the call's."""

    def enter(self) -> None:
        """Called in the context that the call's task gets, before it begins."""

    def asked_again(self, reason: str) -> None:
        """A replica was ``full`` or ``gone``, and the next one is asked."""

    def ended(self, code: grpc.StatusCode) -> None:
        """The call is over; only the first time that this is said counts."""


class StageCall(ABC):
    """One thing that is asked of a stage: an RPC, or several where replicas are full or gone.

    Args:
        stage: whom to put a failure down to.
        ref: the revision that the call works for.
        sink: takes what comes.
        timeout: seconds for all of it.
        watch: looks on.
    """

    def __init__(
        self,
        stage: Stage,
        ref: Ref,
        sink: Sink,
        timeout: float,
        watch: Watch,
    ) -> None:
        self._stage = stage
        self._watch = watch
        self.ref = ref
        self._sink = sink
        self._deadline = asyncio.get_running_loop().time() + timeout
        self._rpc: grpc.aio.Call | None = None
        self._task: asyncio.Task[None] | None = None
        self._cancelled = False
        self._repeatable = True
        self._complete = False

    def start(self) -> asyncio.Task[None]:
        """Open the call; the caller owns the task."""
        context = contextvars.copy_context()
        context.run(self._watch.enter)
        self._task = asyncio.create_task(
            self._run(), name=f"{self._stage.value} {self.ref}", context=context
        )
        return self._task

    def cancel(self) -> None:
        """Nobody needs the call any more; nothing will come of it, and its task ends."""
        self._sink = _nowhere
        self._cancelled = True
        # Whoever has sent the terminal message has done all of it, though the status behind it is still to come.
        done = grpc.StatusCode.OK if self._complete else grpc.StatusCode.CANCELLED
        self._watch.ended(done)
        if self._rpc is not None:
            # Not the task: grpc never frees the message that a read was waiting for when it was cancelled itself.
            self._rpc.cancel()
        elif self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        try:
            error = await self._ask()
        except asyncio.CancelledError:
            self._watch.ended(grpc.StatusCode.CANCELLED)
            raise
        except Exception:
            self._watch.ended(grpc.StatusCode.INTERNAL)
            raise
        self._watch.ended(error.code if error else grpc.StatusCode.OK)
        if error is not None:
            self._fail(error)

    async def _ask(self) -> AntiphonError | None:
        """Ask one replica after the other; returns why none of them did it, None if one did."""
        tries = 1
        while (error := await self._try()) is not None:
            here = isinstance(error, Full | Unavailable) and not error.everywhere
            again = self._repeatable and here
            if not again or tries == TRIES or self._cancelled:
                return error
            tries += 1
            reason = "full" if isinstance(error, Full) else "gone"
            metrics.REPLICAS_ASKED_AGAIN.labels(self._stage.value, reason).inc()
            self._watch.asked_again(reason)
            log.warning(
                "a replica is full or gone; the next one is asked",
                stage=self._stage.value,
                code=error.code.name,
                # What a stage, or a server behind it, says may repeat the user's words; the stage's own log has the rest.
                reason=Words(error.message),
            )
        return None

    async def _try(self) -> AntiphonError | None:
        """Returns why it did not work; None if it did, which a status behind the terminal message cannot change."""
        try:
            await self._talk()
        except grpc.aio.AioRpcError as error:
            if not self._complete:
                return _why(error, self._stage)
        except AntiphonError as error:
            return error
        return None

    def _time_left(self) -> float:
        """Seconds."""
        return max(0.0, self._deadline - asyncio.get_running_loop().time())

    def _fail(self, error: AntiphonError) -> None:
        code: int = error.code.value[0]
        self._sink(StageFailed(self.ref, Failure(self._stage, code, error.message)))

    @abstractmethod
    async def _talk(self) -> None:
        """Open the RPC and take it to its end.

        Clears ``_repeatable`` where it must not be opened again; sets ``_complete`` with the terminal message.

        Raises:
            EngineError: it ended without that.
        """

    def _ended_early(self) -> EngineError:
        return EngineError(
            f"{self._stage.value}: the stream ended without its terminal message"
        )


class Outgoing(Generic[Request]):
    """Messages on their way into a bidirectional call, in order; kept, in case they have to be sent again.

    Bounded by what it carries: a conversation hands it at most the audio of one utterance, or one reply's text.
    """

    def __init__(self) -> None:
        self._messages: list[Request | None] = []
        self._more = asyncio.Event()
        self._finished = False

    def put(self, message: Request) -> int:
        """One more message; returns its number."""
        self._messages.append(message)
        self._more.set()
        return len(self._messages) - 1

    def drop(self, number: int) -> None:
        """This message has done its work, and is not sent again."""
        self._messages[number] = None

    def finish(self) -> None:
        """Half-close behind the last message."""
        self._finished = True
        self._more.set()

    async def write_to(self, call: "grpc.aio.StreamStreamCall[Any, Any]") -> None:
        """Write from the first message on, until `finish`; then half-close."""
        sent = 0
        while True:
            self._more.clear()
            while sent < len(self._messages):
                message = self._messages[sent]
                sent += 1
                if message is not None and not await send(call, message):
                    return
            if self._finished:
                await call.done_writing()
                return
            await self._more.wait()


class BidirectionalCall(StageCall, Generic[Request, Response]):
    """A call that is written and read at the same time."""

    def __init__(
        self,
        stage: Stage,
        ref: Ref,
        sink: Sink,
        timeout: float,
        watch: Watch,
    ) -> None:
        super().__init__(stage, ref, sink, timeout, watch)
        self._outgoing: Outgoing[Request] = Outgoing()

    @abstractmethod
    def _open(self) -> "grpc.aio.StreamStreamCall[Request, Response]":
        """Open the RPC."""

    @abstractmethod
    async def _take(self, response: Response) -> bool:
        """Take one message; returns whether it was the terminal one."""

    async def _talk(self) -> None:
        self._rpc = call = self._open()
        writer = asyncio.create_task(self._outgoing.write_to(call))
        try:
            while (response := await read(call)) is not None:
                self._complete = await self._take(response)
            if not self._complete:
                raise self._ended_early()
        finally:
            writer.cancel()
            call.cancel()
            # The reader has already seen how the call went; the writer can only repeat it.
            await asyncio.gather(writer, return_exceptions=True)


def _why(error: grpc.aio.AioRpcError, stage: Stage) -> AntiphonError:
    # We have not cancelled it, or nobody would ask; it came to a server that was just closing.
    if error.code() is grpc.StatusCode.CANCELLED:
        return Unavailable(f"{stage.value}: the replica has left")
    return from_rpc_error(error, stage.value)


def _nowhere(_event: Event) -> None:
    """Drops what comes for a cancelled call."""
