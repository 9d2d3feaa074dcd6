"""The gRPC side: `TextToSpeech` as the contract says it."""

import asyncio
from functools import partial
from typing import Any, ClassVar

import grpc

from antiphon.v1 import stage_pb2, tts_pb2, tts_pb2_grpc
from services.runtime.contract import working_for
from services.runtime.errors import InvalidArgument, Unavailable
from services.runtime.logs import get_logger
from services.runtime.server import Service
from services.runtime.streams import first, write
from services.runtime.telemetry import labels, metrics
from services.tts.config import read_config
from services.tts.engines import BatchEngine, Engine, load_engine
from services.tts.engines.solo import batching
from services.tts.record import STAGE
from services.tts.scheduler import Scheduler, lost
from services.tts.session import Limits, Session
from services.tts.settings import TextToSpeechSettings
from services.tts.speakable import make_speakable

log = get_logger(__name__)

UNMEASURED_STREAMS = 4
"""Replies carried at once where neither the operator nor the engine says how many; Piper speaks about as many on one
core (real-time factor 0.15 to 0.3)."""

Context = grpc.aio.ServicerContext[
    tts_pb2.SynthesizeRequest, tts_pb2.SynthesizeResponse
]


class TextToSpeechService(Service, tts_pb2_grpc.TextToSpeechServicer):
    """Text to speech: one RPC speaks one reply."""

    name: ClassVar[str] = "tts"
    full_names: ClassVar[tuple[str, ...]] = ("antiphon.v1.TextToSpeech",)

    def __init__(
        self,
        settings: TextToSpeechSettings,
        engine: Engine | BatchEngine | None = None,
    ) -> None:
        """Make a service.

        Args:
            settings: of the service; they name the engine.
            engine: speaks instead of the one that the settings name.
        """
        self._settings = settings
        self._engine = engine
        self._scheduler: Scheduler | None = None
        self._ready = False

    def register(self, server: grpc.aio.Server) -> None:
        """Add the servicer to the server."""
        tts_pb2_grpc.add_TextToSpeechServicer_to_server(self, server)

    async def start(self) -> None:
        """Load the engine, warm it up, and carry as many streams as it was measured to.

        Raises:
            FailedPrecondition: the model cannot be had.
            EngineError: the model does not work.
        """
        settings = self._settings
        for metric in (
            metrics.QUEUE_WAIT,
            metrics.BATCH_SIZE,
            metrics.COMPUTE,
            metrics.REAL_TIME_FACTOR,
        ):
            labels.at_zero(metric, stage=STAGE, work=labels.LINES)
        for spoken in (metrics.FIRST_AUDIO, metrics.SPOKEN_AUDIO):
            labels.at_zero(spoken, engine=settings.engine)
        engine = self._engine
        if engine is None:
            engine = await asyncio.to_thread(
                load_engine, settings.engine, settings.options()
            )
        loop = asyncio.get_running_loop()
        self._scheduler = Scheduler(
            batching(engine),
            settings.engine,
            settings.max_ahead_seconds,
            lost=lambda: loop.call_soon_threadsafe(self.lost.set),
        )
        measured = await self._scheduler.warm_up()
        self.admission.settle(settings.max_streams, measured, UNMEASURED_STREAMS)
        # What makes text speakable takes its time at first, too.
        make_speakable("It **costs** $2.50.", True, "en")
        self._scheduler.start()
        self._ready = True

    async def stop(self) -> None:
        """End after the step that is running."""
        self._ready = False
        if self._scheduler is not None:
            await self._scheduler.stop()

    async def Synthesize(  # type: ignore[override]  # read/write style returns nothing
        self, request_iterator: object, context: Context
    ) -> None:
        """Speak one reply while it is written."""
        scheduler = self._working()
        message = await first(context)
        if message is None or message.WhichOneof("message") != "config":
            raise InvalidArgument("config", "is missing", "it is the first message")
        config = read_config(message.config, scheduler.capabilities)
        session = Session(
            scheduler,
            self._info(scheduler),
            config,
            self._limits(scheduler),
            partial(write, context),
        )
        with working_for(config.turn, self._settings.engine):
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(_listen(context, session))
                    tasks.create_task(session.speak())
            except ExceptionGroup as failed:
                # The first to fail cancelled the other; the caller is told of that one.
                raise failed.exceptions[0] from None

    async def Describe(
        self,
        request: tts_pb2.TextToSpeechDescribeRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> tts_pb2.TextToSpeechDescribeResponse:
        """What this replica is and can do."""
        scheduler = self._working()
        can = scheduler.capabilities
        return tts_pb2.TextToSpeechDescribeResponse(
            engine=self._info(scheduler),
            voices=[
                tts_pb2.Voice(
                    name=voice.name,
                    languages=voice.languages,
                    description=voice.description,
                )
                for voice in can.voices
            ],
            native_sample_rate=can.sample_rate,
            instructions=can.instructions,
            cloning=can.cloning,
            word_marks=can.word_marks,
            speed=can.speed,
            reference_required=can.reference_required,
            capacity=stage_pb2.Capacity(
                streams=self.admission.capacity, open=self.admission.open
            ),
        )

    def _limits(self, scheduler: Scheduler) -> Limits:
        settings = self._settings
        return Limits(
            text_characters=settings.max_text_characters,
            reply_characters=settings.max_reply_characters,
            frame_seconds=settings.frame_milliseconds / 1000,
            first=settings.first_clause(),
            later=settings.later_clauses(scheduler.capabilities),
        )

    def _working(self) -> Scheduler:
        if self._scheduler is None or not self._ready:
            raise Unavailable("this replica is still loading its model; try another")
        if self._scheduler.broken:
            raise lost()
        return self._scheduler

    def _info(self, scheduler: Scheduler) -> stage_pb2.EngineInfo:
        return stage_pb2.EngineInfo(
            engine=self._settings.engine, model=scheduler.capabilities.model
        )


async def _listen(context: Context, session: Session) -> None:
    while isinstance(request := await context.read(), tts_pb2.SynthesizeRequest):
        session.hear(request)
    session.hear_end()
