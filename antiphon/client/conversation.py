"""One conversation with a gateway."""

import asyncio
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeAlias, cast

import grpc

from antiphon.v1.audio_pb2 import AudioChunk
from antiphon.v1.conversation_pb2 import (
    CancelReply,
    ClearInput,
    CommitTurn,
    ConversationConfig,
    ConversationEnded,
    ConversationReady,
    ConversationToolCall,
    ConverseRequest,
    ConverseResponse,
    PartialTranscript,
    ReplyAudio,
    ReplyDucked,
    ReplyInterrupted,
    ReplyStarted,
    ReplyText,
    SpeechStarted,
    SpeechStopped,
    ToolResult,
    TruncateReply,
    TurnEnded,
    TurnTaking,
    UserImage,
    UserText,
    UserTranscript,
)
from antiphon.v1.llm_pb2 import Image
from services.runtime.errors import AntiphonError, Unavailable, from_rpc_error
from services.runtime.streams import send
from services.runtime.units import to_duration

if TYPE_CHECKING:
    from antiphon.v1.conversation_pb2_grpc import ConversationAsyncStub

    _Call: TypeAlias = grpc.aio.StreamStreamCall[ConverseRequest, ConverseResponse]

Event: TypeAlias = (
    ConversationReady
    | SpeechStarted
    | SpeechStopped
    | PartialTranscript
    | UserTranscript
    | ReplyStarted
    | ReplyText
    | ReplyAudio
    | ConversationToolCall
    | ReplyDucked
    | ReplyInterrupted
    | TurnEnded
    | TurnTaking
    | ConversationEnded
)
"""What a gateway tells; see the contract for when each of them comes."""


class Conversation:
    """A conversation that is open inside ``async with``.

    Iterate over it for its events; any task may send meanwhile. Iteration ends after `ConversationEnded`.
    Leaving the block ends the conversation, whatever was still to come; so does cancelling a task that is
    waiting in one of the methods.

    Attributes:
        ready: the gateway's first message, with every default filled in. Set on entry.
    """

    ready: ConversationReady

    def __init__(
        self,
        stub: "ConversationAsyncStub",
        config: ConversationConfig,
        peer: str,
        answer_within: float,
        key: str = "",
    ) -> None:
        self._stub = stub
        self._config = config
        self._peer = peer
        self._answer_within = answer_within
        self._metadata = (("authorization", f"Bearer {key}"),) if key else ()
        # gRPC takes one message at a time, and several tasks may be sending.
        self._writing = asyncio.Lock()
        self._call: _Call | None = None
        self._finished = False

    async def __aenter__(self) -> Self:
        """Open it.

        Raises:
            Unavailable: nobody answers there.
            InvalidArgument: the gateway refuses a field of the config.
            Full: the gateway holds as many conversations as it can.
            Unauthenticated: the gateway asks for a key, and this one is none that it knows.
            TooMuch: the key's limits are reached.
        """
        self._call = self._stub.Converse(metadata=self._metadata)
        try:
            async with asyncio.timeout(self._answer_within):
                await self._send(ConverseRequest(config=self._config))
                first = await self._read()
        except TimeoutError:
            raise Unavailable(
                f"{self._peer} did not answer within {self._answer_within:g} s"
            ) from None
        except BaseException:
            self._call.cancel()
            raise
        if not isinstance(first, ConversationReady):
            self._call.cancel()
            raise Unavailable(f"{self._peer} does not speak antiphon.v1.Conversation")
        self.ready = first
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it."""
        self._opened().cancel()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        """The next event.

        Raises:
            AntiphonError: the conversation broke; the kind says why.
        """
        event = await self._read()
        if event is None:
            raise StopAsyncIteration
        return event

    async def send_audio(self, samples: bytes) -> None:
        """Send the next samples in ``ready.input_format``: whole samples, at most ten seconds, 40–80 ms by habit.

        This and every other way of sending raise the error that ended the conversation, if one did.
        """
        await self._send(ConverseRequest(audio=AudioChunk(samples=samples)))

    async def send_text(self, text: str, respond: bool = True) -> None:
        """Write something; it is answered now, or kept for the next turn."""
        await self._send(ConverseRequest(text=UserText(text=text, respond=respond)))

    async def send_image(self, data: bytes, media_type: str) -> None:
        """Show an encoded picture; it is kept for the next turn."""
        image = Image(data=data, media_type=media_type)
        await self._send(ConverseRequest(image=UserImage(image=image)))

    async def send_tool_result(self, tool_call_id: str, content: str) -> None:
        """Give back what a called tool returned."""
        result = ToolResult(tool_call_id=tool_call_id, content=content)
        await self._send(ConverseRequest(tool_result=result))

    async def commit(self) -> None:
        """Say that the user is done: what has been heard is answered."""
        await self._send(ConverseRequest(commit=CommitTurn()))

    async def clear(self) -> None:
        """Forget the speech heard since the last turn."""
        await self._send(ConverseRequest(clear=ClearInput()))

    async def cancel_reply(self) -> None:
        """Stop the answer in progress."""
        await self._send(ConverseRequest(cancel=CancelReply()))

    async def truncate(self, turn: int, heard: float) -> None:
        """Say that the listener heard the answer of ``turn`` only up to ``heard`` seconds of its audio."""
        cut = TruncateReply(turn=turn, heard=to_duration(heard))
        await self._send(ConverseRequest(truncate=cut))

    async def set_turn_taking(self, turn_taking: TurnTaking) -> None:
        """From now on, take turns so; what is left unset, the gateway fills in.

        A `TurnTaking` among the events says that it is in force, and with which defaults.
        """
        await self._send(ConverseRequest(turn_taking=turn_taking))

    async def finish(self) -> None:
        """Say that nothing more will be sent; the turn in progress is finished, then the conversation ends."""
        async with self._writing:
            self._finished = True
            await self._opened().done_writing()

    def _opened(self) -> "_Call":
        if self._call is None:
            raise RuntimeError("enter the conversation with `async with` first")
        return self._call

    async def _send(self, message: ConverseRequest) -> None:
        call = self._opened()
        async with self._writing:
            try:
                sent = not self._finished and await send(call, message)
            except grpc.aio.AioRpcError as error:
                raise from_rpc_error(error, self._peer) from None
            except BaseException:
                call.cancel()
                raise
        if not sent:
            raise await self._why_closed()

    async def _why_closed(self) -> AntiphonError:
        """Why nothing can be sent any more."""
        call = self._opened()
        if self._finished and not call.done():
            return Unavailable("nothing can be sent after finish()")
        code = await call.code()
        if code is grpc.StatusCode.OK:
            return Unavailable(f"{self._peer} ended the conversation")
        return from_rpc_error(
            grpc.aio.AioRpcError(
                code,
                await call.initial_metadata(),
                await call.trailing_metadata(),
                details=await call.details(),
            ),
            self._peer,
        )

    async def _read(self) -> Event | None:
        """The next event of a kind that we know; None at the end."""
        call = self._opened()
        while True:
            try:
                response = await call.read()
            except grpc.aio.AioRpcError as error:
                raise from_rpc_error(error, self._peer) from None
            if not isinstance(response, ConverseResponse):
                return None
            kind = response.WhichOneof("message")
            if kind is not None:
                return cast(Event, getattr(response, kind))
