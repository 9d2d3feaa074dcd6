"""The gRPC side: `TextToSpeech` as the contract says it."""

import asyncio
from functools import partial
from typing import Any, ClassVar

import grpc

from antiphon.v1 import stage_pb2, tts_pb2, tts_pb2_grpc
from services.runtime.contract import working_for
from services.runtime.errors import InvalidArgument, Unavailable
from services.runtime.server import Service
from services.runtime.streams import first, write
from services.tts.clauses import Policy
from services.tts.config import read_config
from services.tts.engines import (
    Delivery,
    Engine,
    EngineOptions,
    Line,
    load_engine,
)
from services.tts.scheduler import Reply, Scheduler
from services.tts.session import Limits, Session
from services.tts.settings import TextToSpeechSettings
from services.tts.speakable import make_speakable

_WARM_UP = (
    "Hello, this is what a first reply sounds like, and all of it is thrown away."
)

Context = grpc.aio.ServicerContext[
    tts_pb2.SynthesizeRequest, tts_pb2.SynthesizeResponse
]


class TextToSpeechService(Service, tts_pb2_grpc.TextToSpeechServicer):
    """Text to speech: one RPC speaks one reply."""

    name: ClassVar[str] = "tts"
    full_names: ClassVar[tuple[str, ...]] = ("antiphon.v1.TextToSpeech",)

    def __init__(
        self, settings: TextToSpeechSettings, engine: Engine | None = None
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
        self._limits = Limits(
            text_characters=settings.max_text_characters,
            reply_characters=settings.max_reply_characters,
            frame_seconds=settings.frame_milliseconds / 1000,
            first=Policy(settings.first_clause_words, settings.first_clause_most_words),
            later=Policy(settings.clause_words, settings.clause_most_words),
        )

    def register(self, server: grpc.aio.Server) -> None:
        """Add the servicer to the server."""
        tts_pb2_grpc.add_TextToSpeechServicer_to_server(self, server)

    async def start(self) -> None:
        """Load the engine and let it speak once.

        Raises:
            FailedPrecondition: the model cannot be had.
            EngineError: the model does not work.
        """
        settings = self._settings
        engine = self._engine
        if engine is None:
            options = EngineOptions(
                settings.model, settings.voice_name, settings.threads
            )
            engine = await asyncio.to_thread(load_engine, settings.engine, options)
        self._scheduler = Scheduler(engine, settings.engine, settings.max_ahead_seconds)
        self._scheduler.start()
        await self._warm_up(self._scheduler)
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
            self._limits,
            partial(write, context),
        )
        with working_for(config.turn):
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
            capacity=stage_pb2.Capacity(
                streams=self.admission.capacity, open=self.admission.open
            ),
        )

    async def _warm_up(self, scheduler: Scheduler) -> None:
        voice = scheduler.capabilities.voices[0]
        spoken = make_speakable(_WARM_UP, True, voice.languages[0])
        words = tuple((word.start, word.end) for word in spoken.words)
        delivery = Delivery(voice.name, voice.languages[0])
        reply = Reply()
        saying = scheduler.say(reply, Line(spoken.text, words, delivery))
        try:
            while (piece := await saying.next()) is not None:
                scheduler.wrote(
                    reply, len(piece.samples) / scheduler.capabilities.sample_rate
                )
        finally:
            saying.close()

    def _working(self) -> Scheduler:
        if self._scheduler is None or not self._ready:
            raise Unavailable("this replica is still loading its model; try another")
        return self._scheduler

    def _info(self, scheduler: Scheduler) -> stage_pb2.EngineInfo:
        return stage_pb2.EngineInfo(
            engine=self._settings.engine, model=scheduler.capabilities.model
        )


async def _listen(context: Context, session: Session) -> None:
    while isinstance(request := await context.read(), tts_pb2.SynthesizeRequest):
        session.hear(request)
    session.hear_end()
