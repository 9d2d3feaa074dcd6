"""The gRPC front: `Conversation.Converse`."""

import asyncio
from collections.abc import Callable

import grpc

from antiphon.v1 import conversation_pb2 as pb
from antiphon.v1.audio_pb2 import AUDIO_ENCODING_PCM_S16LE, AudioFormat
from antiphon.v1.conversation_pb2_grpc import ConversationServicer
from antiphon.v1.stage_pb2 import Capacity
from gateway.conversation import commands as c
from gateway.conversation.events import InputEnded
from gateway.conversation.values import TurnTaking
from gateway.fronts.codec import ENDINGS, to_event, to_response
from gateway.fronts.config import to_options
from gateway.fronts.outbox import Outbox
from gateway.fronts.turns import to_message
from gateway.options import Options
from gateway.session import Session
from gateway.sessions import Sessions
from services.runtime.admission import Admission
from services.runtime.contract import check_samples
from services.runtime.errors import InvalidArgument, TooMuch
from services.runtime.rpc import untraced
from services.runtime.streams import first, read, write
from services.runtime.units import PCM_BYTES, to_duration

LAST_MESSAGE_SECONDS = 1.0
"""For a message that is being written when the conversation has failed."""

STUCK_SECONDS = 30.0
"""For a client to take one message."""

VANISHING_SECONDS = 0.02
"""From the end of what a client sends to the news that it has vanished, if it has: 0 to 6 ms, measured, and some more."""

Context = grpc.aio.ServicerContext[pb.ConverseRequest, pb.ConverseResponse]


class GrpcFront(ConversationServicer):
    """Translates between gRPC clients and sessions.

    Args:
        sessions: opens conversations.
        admission: tells how many there are.
    """

    def __init__(self, sessions: Sessions, admission: Admission) -> None:
        self._sessions = sessions
        self._admission = admission

    @untraced
    async def Converse(self, _requests: object, context: Context) -> None:  # type: ignore[override]
        """Hold one conversation."""
        config = await _first(context)
        abilities = await self._sessions.stages.abilities()
        options = to_options(config, self._sessions.settings, abilities)
        images = abilities.llm is None or any(
            model.images
            for model in abilities.llm.models
            if model.name == (options.model or "default")
        )
        outbox = Outbox()
        async with self._sessions.open(options, outbox.put, outbox.fail) as session:
            session.begin()
            heard = _Heard(options.input_rate)
            turns = self._sessions.settings.turns()
            reader = asyncio.create_task(_read(context, session, heard, images, turns))
            reader.add_done_callback(_failing(outbox))
            tell = _Teller(context, outbox)
            writer = asyncio.create_task(
                _write(tell, _ready(session.id, options), outbox, heard, options)
            )
            failed = asyncio.create_task(outbox.failed())
            tasks = {reader, writer, failed}
            try:
                done, _ = await asyncio.wait(
                    {writer, failed}, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    task.result()
            finally:
                for task in tasks:
                    task.cancel()
                # A message to a client that does not read is never done; its call's end takes it along.
                await asyncio.wait(tasks, timeout=LAST_MESSAGE_SECONDS)

    async def Describe(
        self, _request: pb.ConversationDescribeRequest, _context: object
    ) -> pb.ConversationDescribeResponse:
        """What this gateway is, and what stands behind it."""
        abilities = await self._sessions.stages.abilities()
        capacity = Capacity(streams=self._admission.capacity, open=self._admission.open)
        return pb.ConversationDescribeResponse(
            stt=abilities.stt, llm=abilities.llm, tts=abilities.tts, capacity=capacity
        )


class _Heard:
    """Counts and checks a client's audio."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._bytes = 0

    @property
    def seconds(self) -> float:
        return self._bytes / (self._rate * PCM_BYTES)

    def take(self, samples: bytes) -> None:
        """Check one chunk.

        Raises:
            InvalidArgument: it holds half a sample, or too many of them.
        """
        check_samples("audio.samples", samples, self._rate)
        self._bytes += len(samples)


async def _first(context: Context) -> pb.ConversationConfig:
    message = await first(context)
    if message is None or message.WhichOneof("message") != "config":
        raise InvalidArgument("config", "is missing", "it is the first message")
    return message.config


async def _read(
    context: Context,
    session: Session,
    heard: _Heard,
    images: bool,
    turns: TurnTaking,
) -> None:
    """Take what the client sends until it half-closes."""
    loop = asyncio.get_running_loop()
    while (request := await read(context)) is not None:
        if request.WhichOneof("message") == "audio":
            arrived = loop.time()
            heard.take(request.audio.samples)
            await session.hear(request.audio.samples, arrived)
        else:
            session.tell(to_event(request, images, turns))
    # Whoever vanishes has done that as well, as far as gRPC tells; this task is then cancelled here.
    await asyncio.sleep(VANISHING_SECONDS)
    session.tell(InputEnded())


class _Teller:
    """Writes to the client, and gives the conversation up where a message is not taken."""

    def __init__(self, context: Context, outbox: Outbox) -> None:
        self._context = context
        self._outbox = outbox
        self._loop = asyncio.get_running_loop()

    async def __call__(self, message: pb.ConverseResponse) -> None:
        too_slow = TooMuch(
            f"the client has not taken a message for {STUCK_SECONDS:g} s"
        )
        stuck = self._loop.call_later(STUCK_SECONDS, self._outbox.fail, too_slow)
        try:
            await write(self._context, message)
        finally:
            stuck.cancel()


async def _write(
    tell: _Teller,
    ready: pb.ConverseResponse,
    outbox: Outbox,
    heard: _Heard,
    options: Options,
) -> None:
    """Tell the client what happens until the conversation closes."""
    spoken = 0
    await tell(ready)
    while True:
        notice = await outbox.next()
        match notice:
            case c.Refuse(field, problem, _):
                raise InvalidArgument(field, problem)
            case c.Close(turns, why):
                ended = pb.ConversationEnded(
                    turns=turns,
                    audio_in=to_duration(heard.seconds),
                    audio_out=to_duration(spoken / (options.output_rate * PCM_BYTES)),
                    ending=ENDINGS[why],
                )
                await tell(pb.ConverseResponse(ended=ended))
                return
            case c.TellAudio():
                spoken += len(notice.samples)
        if (message := to_response(notice)) is not None:
            await tell(message)


def _failing(outbox: Outbox) -> Callable[[asyncio.Task[None]], None]:
    def done(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            outbox.fail(error)

    return done


def _ready(conversation_id: str, options: Options) -> pb.ConverseResponse:
    ready = pb.ConversationReady(
        conversation_id=conversation_id,
        input_format=AudioFormat(
            encoding=AUDIO_ENCODING_PCM_S16LE, sample_rate=options.input_rate
        ),
        output_format=AudioFormat(
            encoding=AUDIO_ENCODING_PCM_S16LE, sample_rate=options.output_rate
        ),
        turn_taking=to_message(options.policy.turns),
    )
    return pb.ConverseResponse(ready=ready)
