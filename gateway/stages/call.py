"""What the calls to all stages have in common: one task a call, failures become events, nothing is left open."""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import grpc

from gateway.conversation.events import Event, StageFailed
from gateway.conversation.values import Failure, Ref, Stage
from services.runtime.errors import AntiphonError, EngineError, from_rpc_error
from services.runtime.streams import read, send

Request = TypeVar("Request")
Response = TypeVar("Response")

Sink = Callable[[Event], None]
"""Takes an event to the conversation that the call belongs to; never blocks."""

Metadata = tuple[tuple[str, str], ...]


class StageCall(ABC):
    """One RPC to a stage.

    Args:
        stage: whom to put a failure down to.
        ref: the revision that the call works for.
        sink: takes what comes.
    """

    def __init__(self, stage: Stage, ref: Ref, sink: Sink) -> None:
        self._stage = stage
        self.ref = ref
        self._sink = sink
        self._rpc: grpc.aio.Call | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> asyncio.Task[None]:
        """Open the call; the caller owns the task."""
        self._task = asyncio.create_task(
            self._run(), name=f"{self._stage.value} {self.ref}"
        )
        return self._task

    def cancel(self) -> None:
        """Nobody needs the call any more; nothing will come of it, and its task ends."""
        self._sink = _nowhere
        if self._rpc is not None:
            # Not the task: grpc never frees the message that a read was waiting for when it was cancelled itself.
            self._rpc.cancel()
        elif self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        try:
            await self._talk()
        except grpc.aio.AioRpcError as error:
            self._fail(from_rpc_error(error, self._stage.value))
        except AntiphonError as error:
            self._fail(error)

    def _fail(self, error: AntiphonError) -> None:
        code: int = error.code.value[0]
        self._sink(StageFailed(self.ref, Failure(self._stage, code, error.message)))

    @abstractmethod
    async def _talk(self) -> None:
        """Open the RPC and take it to its end."""

    def _ended_early(self) -> EngineError:
        return EngineError(
            f"{self._stage.value}: the stream ended without its terminal message"
        )


class Outgoing(Generic[Request]):
    """Messages on their way into a bidirectional call, in order.

    Bounded by what it carries: a conversation hands it at most the audio of one utterance, or one reply's text.
    """

    def __init__(self) -> None:
        self._waiting: deque[Request] = deque()
        self._more = asyncio.Event()
        self._finished = False

    def put(self, message: Request) -> None:
        """One more message."""
        self._waiting.append(message)
        self._more.set()

    def finish(self) -> None:
        """Half-close behind the last message."""
        self._finished = True
        self._more.set()

    async def write_to(self, call: "grpc.aio.StreamStreamCall[Any, Any]") -> None:
        """Write until `finish`, then half-close."""
        while True:
            await self._more.wait()
            self._more.clear()
            while self._waiting:
                if not await send(call, self._waiting.popleft()):
                    return
            if self._finished:
                await call.done_writing()
                return


class BidirectionalCall(StageCall, Generic[Request, Response]):
    """A call that is written and read at the same time."""

    def __init__(self, stage: Stage, ref: Ref, sink: Sink) -> None:
        super().__init__(stage, ref, sink)
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
        ended = False
        try:
            while (response := await read(call)) is not None:
                ended = await self._take(response)
            if not ended:
                raise self._ended_early()
        finally:
            writer.cancel()
            call.cancel()
            # The reader has already seen how the call went; the writer can only repeat it.
            await asyncio.gather(writer, return_exceptions=True)


def _nowhere(_event: Event) -> None:
    """Drops what comes for a cancelled call."""
