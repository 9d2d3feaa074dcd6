"""Scripted stages that take their time and know what was said.

The recogniser hears the words whose audio it was sent and no others, punctuated as Whisper would; the model says what
the script wants said; each reply's audio tells which call it was made by. They speak the real contract over a real
port, and wait on the loop's clock, as slowly as the real ones are.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import numpy as np
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from antiphon.v1 import llm_pb2, stage_pb2, stt_pb2, tts_pb2
from antiphon.v1.llm_pb2_grpc import (
    LanguageModelServicer,
    add_LanguageModelServicer_to_server,
)
from antiphon.v1.stt_pb2_grpc import (
    SpeechToTextServicer,
    add_SpeechToTextServicer_to_server,
)
from antiphon.v1.tts_pb2_grpc import (
    TextToSpeechServicer,
    add_TextToSpeechServicer_to_server,
)
from services.runtime.admission import Admission
from services.runtime.errors import Cancelled
from services.runtime.server import bind, create_server
from services.runtime.settings import ServiceSettings
from services.runtime.streams import read, write
from services.runtime.units import to_duration
from tests.simulator.voices import SpokenWord
from tests.simulator.words import transcript
from tests.simulator.world import Synthesis, World

CHARACTER = 0.065
"""Seconds that the voice takes for a character, and of a chunk of audio: fifteen a second, as people speak."""

_CLAUSE = re.compile(r"[,;:.!?](?=\s|$)")
_STABLE = 0.6
"""Seconds behind the newest sound up to which a partial transcript does not change any more."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How slow the stages are, in seconds; as measured of the CPU default.

    Attributes:
        hearing: to decode an utterance.
        thinking: to the first token.
        writing: for each word after it.
        voicing: to the first audio of a clause.
        speaking: to make one second of audio.
    """

    hearing: float = 0.25
    thinking: float = 0.15
    writing: float = 0.045
    voicing: float = 0.12
    speaking: float = 0.25


CPU = Pace()
FAST = Pace(hearing=0.06, thinking=0.08, writing=0.01, voicing=0.08, speaking=0.05)
"""As on a GPU and with a hosted model."""


class ScriptedStt(SpeechToTextServicer):
    def __init__(self, world: World, pace: Pace) -> None:
        self._world = world
        self._pace = pace

    async def Transcribe(self, _requests: object, context: object) -> None:
        try:
            await self._transcribe(context)
        except (asyncio.CancelledError, Cancelled):
            self._world.note_cancelled("Transcribe")
            raise

    async def _transcribe(self, context: object) -> None:
        config = (await read(context)).config
        air = self._world.airs[config.turn.conversation_id]
        start: float | None = None
        heard = 0
        words: list[SpokenWord] = []
        decoded, told, number = -1, "", 0

        def listen() -> None:
            if start is not None:
                end = start + heard / (2 * config.format.sample_rate)
                words[:] = [word.moved(-start) for word in air.between(start, end)]

        while (request := await read(context)) is not None:
            if request.WhichOneof("message") == "audio":
                if start is None:
                    start = air.find(request.audio.samples)
                heard += len(request.audio.samples)
                listen()
                if config.interim_results and transcript(words) != told:
                    told = transcript(words)
                    seconds = heard / (2 * config.format.sample_rate)
                    await self._tell_partial(context, words, seconds)
                continue
            number = request.checkpoint.id
            if decoded != len(words):
                await asyncio.sleep(self._pace.hearing)
                decoded = len(words)
            done = stt_pb2.Checkpointed(id=number, transcript=_transcript(words))
            await write(context, stt_pb2.TranscribeResponse(checkpointed=done))
        if decoded != len(words):
            await asyncio.sleep(self._pace.hearing)
            number = 0
        final = stt_pb2.FinalTranscript(
            transcript=_transcript(words),
            audio=to_duration(heard / (2 * config.format.sample_rate)),
            from_checkpoint=number,
        )
        await write(context, stt_pb2.TranscribeResponse(final=final))

    async def _tell_partial(
        self, context: object, words: list[SpokenWord], heard: float
    ) -> None:
        text = transcript(words)
        settled = [word for word in words if word.end < heard - _STABLE]
        stable = len(transcript(settled).rstrip(".")) if settled else 0
        partial = stt_pb2.Partial(
            text=text, stable_characters=stable, audio_processed=to_duration(heard)
        )
        await write(context, stt_pb2.TranscribeResponse(partial=partial))

    async def Describe(
        self, _request: object, _context: object
    ) -> stt_pb2.SpeechToTextDescribeResponse:
        return stt_pb2.SpeechToTextDescribeResponse(
            engine=stage_pb2.EngineInfo(engine="scripted", model="none"),
            languages=["en"],
            word_times=True,
        )


def _transcript(words: Sequence[SpokenWord]) -> stt_pb2.Transcript:
    return stt_pb2.Transcript(
        text=transcript(words),
        words=[
            stt_pb2.Word(
                text=word.text,
                start=to_duration(max(0.0, word.start)),
                end=to_duration(max(0.0, word.end)),
                confidence=0.9,
            )
            for word in words
        ],
        language="en",
        confidence=0.9,
    )


class ScriptedLlm(LanguageModelServicer):
    def __init__(self, world: World, pace: Pace) -> None:
        self._world = world
        self._pace = pace

    async def Generate(self, request: llm_pb2.GenerateRequest, context: object) -> None:
        self._world.prompts.append(request)
        try:
            await asyncio.sleep(self._pace.thinking)
            # Numbered, so that no reply is taken for another in a later prompt.
            text = f"{len(self._world.prompts)} {self._world.reply}"
            words = re.findall(r"\S+\s*", text)
            for word in words:
                await write(context, llm_pb2.GenerateResponse(text=word))
                await asyncio.sleep(self._pace.writing)
            summary = llm_pb2.GenerateSummary(
                finish_reason=llm_pb2.FINISH_REASON_STOP,
                usage=llm_pb2.TokenUsage(prompt=9, completion=len(words)),
            )
            await write(context, llm_pb2.GenerateResponse(summary=summary))
        except (asyncio.CancelledError, Cancelled):
            self._world.note_cancelled("Generate")
            raise

    async def Prepare(
        self, _request: llm_pb2.PrepareRequest, _context: object
    ) -> llm_pb2.PrepareResponse:
        return llm_pb2.PrepareResponse(prepared=True)

    async def Describe(
        self, _request: object, _context: object
    ) -> llm_pb2.LanguageModelDescribeResponse:
        return llm_pb2.LanguageModelDescribeResponse(
            models=[llm_pb2.ModelAlias(name="default")], prepare=True
        )


class ScriptedTts(TextToSpeechServicer):
    def __init__(self, world: World, pace: Pace) -> None:
        self._world = world
        self._pace = pace

    async def Synthesize(self, _requests: object, context: object) -> None:
        config = (await read(context)).config
        synthesis = self._world.asks_for_speech(config.turn)
        try:
            await self._speak(context, config, synthesis)
        except (asyncio.CancelledError, Cancelled):
            synthesis.cancelled_at = asyncio.get_running_loop().time()
            self._world.note_cancelled("Synthesize")
            raise

    async def _speak(
        self, context: object, config: tts_pb2.SynthesizeConfig, synthesis: Synthesis
    ) -> None:
        started = tts_pb2.SynthesisStarted(format=config.format, voice="scripted")
        await write(context, tts_pb2.SynthesizeResponse(started=started))
        count = round(CHARACTER * config.format.sample_rate)
        chunk = np.full(count, synthesis.id, "<i2").tobytes()
        spoken = sequence = 0
        ended = False
        while not ended:
            request = await read(context)
            ended = request is None
            if request is not None:
                synthesis.text += request.text
            past = _speakable(synthesis.text, spoken, request)
            if past == spoken:
                continue
            clause = tts_pb2.Segment(
                start=spoken, end=past, spoken=synthesis.text[spoken:past]
            )
            await write(context, tts_pb2.SynthesizeResponse(segment=clause))
            await asyncio.sleep(self._pace.voicing)
            for word in re.findall(r"\s*\S+\s*", synthesis.text[spoken:past]):
                spoken += len(word)
                position = synthesis.seconds
                seconds = len(word) * CHARACTER
                synthesis.marks.append((spoken, position + seconds))
                mark = tts_pb2.Mark(
                    characters=spoken, at=to_duration(synthesis.seconds)
                )
                await write(context, tts_pb2.SynthesizeResponse(mark=mark))
                for _ in word:
                    sequence += 1
                    audio = tts_pb2.SynthesizedAudio(
                        sequence=sequence, position=to_duration(position), samples=chunk
                    )
                    await write(context, tts_pb2.SynthesizeResponse(audio=audio))
                    position += CHARACTER
                await asyncio.sleep(self._pace.speaking * seconds)
        summary = tts_pb2.SynthesisSummary(
            audio=to_duration(synthesis.seconds), characters=spoken
        )
        await write(context, tts_pb2.SynthesizeResponse(summary=summary))

    async def Describe(
        self, _request: object, _context: object
    ) -> tts_pb2.TextToSpeechDescribeResponse:
        return tts_pb2.TextToSpeechDescribeResponse(
            voices=[tts_pb2.Voice(name="scripted", languages=["en"])]
        )


def _speakable(
    text: str, spoken: int, request: tts_pb2.SynthesizeRequest | None
) -> int:
    """Up to where the text can be spoken: to the end of its last whole clause, or all of it."""
    if request is None or request.WhichOneof("message") == "flush":
        return len(text)
    ends = [match.end() for match in _CLAUSE.finditer(text, spoken)]
    # The mark at the very end may be the beginning of something else, as in "1.5".
    ends = [end for end in ends if end < len(text)]
    return ends[-1] if ends else spoken


@asynccontextmanager
async def serving(world: World, pace: Pace) -> AsyncIterator[str]:
    """All three on one address."""
    settings = ServiceSettings(port=0, max_streams=1000)
    server = create_server(settings, Admission(settings.max_streams))
    add_SpeechToTextServicer_to_server(ScriptedStt(world, pace), server)
    add_LanguageModelServicer_to_server(ScriptedLlm(world, pace), server)
    add_TextToSpeechServicer_to_server(ScriptedTts(world, pace), server)
    healthy = health.aio.HealthServicer()
    await healthy.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    address = f"127.0.0.1:{bind(server, settings)}"
    await server.start()
    try:
        yield address
    finally:
        await server.stop(0)
