"""The gRPC side: `SpeechToText` as the contract says it."""

from typing import Any, ClassVar

import grpc

from antiphon.v1 import stage_pb2, stt_pb2, stt_pb2_grpc
from services.runtime import contract
from services.runtime.errors import InvalidArgument, Unavailable
from services.runtime.server import Service
from services.runtime.streams import first
from services.runtime.telemetry import labels, metrics
from services.runtime.units import to_duration
from services.stt.engines import AUTO, ENGINES, Capabilities
from services.stt.job import STAGE
from services.stt.scheduler import Scheduler
from services.stt.session import Session, SessionOptions
from services.stt.settings import SpeechToTextSettings
from services.stt.stream import Stream

UNMEASURED_STREAMS = 8
"""Carried by an engine that does not measure it, unless the operator says otherwise: utterances of the CPU default."""
MOST_HINTS, LONGEST_HINT = 64, 100
"""Phrases, and characters of one, as the contract says."""


class SpeechToTextService(Service, stt_pb2_grpc.SpeechToTextServicer):
    """Speech to text: one RPC hears one utterance.

    Args:
        settings: of the service; they name the engine.
    """

    name: ClassVar[str] = "stt"
    full_names: ClassVar[tuple[str, ...]] = ("antiphon.v1.SpeechToText",)

    def __init__(self, settings: SpeechToTextSettings) -> None:
        self._settings = settings
        make, options = ENGINES[settings.engine], settings.options()
        self._scheduler = Scheduler(
            lambda: make(options), settings.max_batch, self.lost.set
        )
        self._ready = False

    def register(self, server: grpc.aio.Server) -> None:
        """Add the servicer to the server."""
        stt_pb2_grpc.add_SpeechToTextServicer_to_server(self, server)

    async def start(self) -> None:
        """Load the engine and run every step of it once.

        Raises:
            FailedPrecondition: the model cannot be had.
            EngineError: the model does not work.
        """
        for metric in (
            metrics.QUEUE_WAIT,
            metrics.BATCH_SIZE,
            metrics.COMPUTE,
            metrics.REAL_TIME_FACTOR,
        ):
            labels.at_zero(metric, stage=STAGE, work=labels.TRANSCRIPTS)
        measured = await self._scheduler.start()
        self.admission.settle(self._settings.max_streams, measured, UNMEASURED_STREAMS)
        self._ready = True

    async def stop(self) -> None:
        """End after the batch that is running."""
        self._ready = False
        await self._scheduler.stop()

    async def Transcribe(  # type: ignore[override]  # read/write style returns nothing
        self,
        request_iterator: object,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> None:
        """Transcribe one utterance while it is spoken."""
        can = self._capabilities()
        message = await first(context)
        if message is None or message.WhichOneof("message") != "config":
            raise InvalidArgument("config", "the first message must be the config")
        config: stt_pb2.TranscribeConfig = message.config
        contract.check_turn("config.turn", config.turn)
        session = Session(self._scheduler, self._options(config, can))
        with contract.working_for(config.turn, self._settings.engine):
            try:
                await Stream(context, session, self._engine(can)).run(
                    config.interim_results
                )
            finally:
                session.close()

    async def Describe(
        self,
        request: stt_pb2.SpeechToTextDescribeRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> stt_pb2.SpeechToTextDescribeResponse:
        """What this replica is and can do."""
        can = self._capabilities()
        return stt_pb2.SpeechToTextDescribeResponse(
            engine=self._engine(can),
            languages=can.languages,
            native_sample_rate=can.sample_rate,
            hint_phrases=can.hint_phrases,
            word_times=can.word_times,
            confidence=can.confidence,
            capacity=stage_pb2.Capacity(
                streams=self.admission.capacity, open=self.admission.open
            ),
            longest_utterance=to_duration(self._settings.longest_utterance_seconds),
        )

    def _capabilities(self) -> Capabilities:
        if not self._ready:
            raise Unavailable("this replica is still loading its model; try another")
        return self._scheduler.engine.capabilities

    def _engine(self, can: Capabilities) -> stage_pb2.EngineInfo:
        return stage_pb2.EngineInfo(engine=self._settings.engine, model=can.model)

    def _options(
        self, config: stt_pb2.TranscribeConfig, can: Capabilities
    ) -> SessionOptions:
        settings = self._settings
        return SessionOptions(
            sample_rate=_sample_rate(config, can),
            language=_language(config, can),
            hint_phrases=_hint_phrases(config, can),
            interim_results=config.interim_results,
            partial_interval_seconds=settings.partial_interval_seconds,
            early_seconds=settings.early_seconds,
            longest_utterance_seconds=settings.longest_utterance_seconds,
            window_seconds=settings.window_seconds,
        )


def _sample_rate(config: stt_pb2.TranscribeConfig, can: Capabilities) -> int:
    if not config.HasField("format"):
        raise InvalidArgument("config.format", "is required")
    return contract.sample_rate("config.format", config.format, can.sample_rate)


def _language(config: stt_pb2.TranscribeConfig, can: Capabilities) -> str:
    language = config.language or (AUTO if AUTO in can.languages else can.languages[0])
    if language not in can.languages:
        raise InvalidArgument(
            "config.language", f"{language!r} is not offered", can.languages
        )
    return language


def _hint_phrases(
    config: stt_pb2.TranscribeConfig, can: Capabilities
) -> tuple[str, ...]:
    phrases = tuple(config.hint_phrases)
    if phrases and not can.hint_phrases:
        raise InvalidArgument(
            "config.hint_phrases", f"{can.model} takes no hints", "none"
        )
    if len(phrases) > MOST_HINTS:
        raise InvalidArgument(
            "config.hint_phrases", f"{len(phrases)} phrases", f"up to {MOST_HINTS}"
        )
    if any(len(phrase) > LONGEST_HINT for phrase in phrases):
        raise InvalidArgument(
            "config.hint_phrases", "a phrase is too long", f"{LONGEST_HINT} characters"
        )
    return phrases
