"""Scripted stages that speak the real contract over a real port.

The recognizer says who it was asked by, the model answers with what it was asked, and the voice "speaks" text as
samples that `spoken_text` reads back: so a test can tell whose words it was given.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

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

FRAME = 960
"""Samples the voice speaks for each character: 40 ms at 24 kHz."""

Gate = Callable[[], "Awaitable[None] | None"]
"""Gives what is awaited before the stage goes on; None for nothing."""


def code(character: str) -> bytes:
    """What the voice says for a character, which `spoken_text` reads back."""
    return np.full(FRAME, ord(character), "<i2").tobytes()


def tone(_character: str) -> bytes:
    """What it says where it is to be heard: a few periods of a tone."""
    return (
        (np.sin(np.arange(FRAME) * 2 * np.pi * 12 / FRAME) * 8_000)
        .astype("<i2")
        .tobytes()
    )


def spoken_text(samples: bytes) -> str:
    """The text that the scripted voice was given."""
    return "".join(
        chr(int(frame[0])) for frame in np.frombuffer(samples, "<i2").reshape(-1, FRAME)
    )


@dataclass
class Script:
    """What the stages do; tests change it while they run.

    Attributes:
        hear: transcript for (conversation id, turn).
        understand: transcript of samples; instead of `hear` where it is set. Partials have whole words only.
        certain: whether partials are all that will be said, for good.
        write: pieces of the reply to the prompt; may raise, and may return tool calls among them.
        finish: why the model says that it stopped writing.
        before_hearing: awaited before a transcript, of a checkpoint too, is sent.
        before_writing: awaited before a reply begins.
        before_speaking: awaited before audio begins.
        behind_piece: awaited behind each piece of a reply.
        behind_all: awaited behind the terminal message of a transcript, a reply or a voice.
        sound: what the voice says for a character.
        spoke: is told for whom the voice has spoken another piece.
        images: whether the model takes pictures.
        prepares: whether the model says that it reads prompts ahead.
        any_speed: whether the voice says that it can speak faster and slower.
        imitates: whether the voice says that it imitates others and can be told how to speak.
        voiceless: whether it says that it has none of its own.
        languages: that are understood and spoken.
        voiced: every config the voice received.
        context_tokens: that the model says it reads.
        prompt_tokens: counts those of a prompt.
        requests: every prompt received.
        metadata: what came with each of them.
        before_prepared: awaited before a prompt counts as read ahead.
        prepared: every beginning of a prompt received.
        transcribed: utterances with the seconds of audio they had.
        cancelled: names of RPCs that were cancelled.
        open: RPCs under way, by name.
        idle: set while there are none.
    """

    hear: Callable[[str, int], str] = lambda conversation, turn: (
        f"{conversation} turn {turn}"
    )
    understand: Callable[[bytes], str] | None = None
    certain: bool = False
    write: Callable[[llm_pb2.GenerateRequest], list[str | llm_pb2.ToolCall]] = (
        lambda request: [
            "You said: ",
            request.messages[-1].content[0].text,
            ".",
        ]
    )
    finish: llm_pb2.FinishReason = llm_pb2.FINISH_REASON_STOP
    before_hearing: Gate = lambda: None
    before_writing: Gate = lambda: None
    before_speaking: Gate = lambda: None
    behind_piece: Gate = lambda: None
    behind_all: Gate = lambda: None
    sound: Callable[[str], bytes] = code
    spoke: Callable[[stage_pb2.TurnRef], None] = lambda _turn: None
    images: bool = False
    prepares: bool = False
    any_speed: bool = False
    imitates: bool = False
    voiceless: bool = False
    languages: tuple[str, ...] = ("en",)
    voiced: list[tts_pb2.SynthesizeConfig] = field(default_factory=list)
    context_tokens: int = 8192
    prompt_tokens: Callable[[llm_pb2.GenerateRequest], int] = lambda _request: 7
    before_prepared: Callable[[], "asyncio.Future[None] | None"] = lambda: None
    requests: list[llm_pb2.GenerateRequest] = field(default_factory=list)
    metadata: list[dict[str, str | bytes]] = field(default_factory=list)
    prepared: list[llm_pb2.PrepareRequest] = field(default_factory=list)
    transcribed: list[float] = field(default_factory=list)
    cancelled: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    open: Counter[str] = field(default_factory=Counter)
    idle: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.idle.set()

    @contextmanager
    def call(self, name: str) -> Iterator[None]:
        """An RPC, from its beginning to its end."""
        self.open[name] += 1
        self.idle.clear()
        try:
            yield
        except (asyncio.CancelledError, Cancelled):
            self.cancelled.put_nowait(name)
            raise
        finally:
            self.open[name] -= 1
            if not self.open.total():
                self.idle.set()


async def _pause(gate: "Awaitable[None] | None") -> None:
    if gate is not None:
        await gate


class FakeStt(SpeechToTextServicer):
    def __init__(self, script: Script) -> None:
        self._script = script

    async def Transcribe(self, _requests: object, context: object) -> None:
        with self._script.call("Transcribe"):
            await self._transcribe(context)

    async def _transcribe(self, context: object) -> None:
        first = await read(context)
        config = first.config
        heard, checkpoint = bytearray(), 0
        told = self._script.hear(config.turn.conversation_id, config.turn.turn)

        def said() -> str:
            understand = self._script.understand
            return told if understand is None else understand(bytes(heard))

        while (request := await read(context)) is not None:
            if request.WhichOneof("message") == "audio":
                heard += request.audio.samples
                if config.interim_results and heard:
                    words = said().split()
                    known = words[:1] if self._script.understand is None else words[:-1]
                    partial = stt_pb2.Partial(text=" ".join(known), stable_characters=0)
                    if self._script.certain:
                        partial.text = said()
                        partial.stable_characters = len(said())
                    await write(context, stt_pb2.TranscribeResponse(partial=partial))
            else:
                checkpoint = request.checkpoint.id
                await _pause(self._script.before_hearing())
                done = stt_pb2.Checkpointed(
                    id=checkpoint, transcript=stt_pb2.Transcript(text=said())
                )
                await write(context, stt_pb2.TranscribeResponse(checkpointed=done))
        seconds = len(heard) / (2 * config.format.sample_rate)
        self._script.transcribed.append(seconds)
        await _pause(self._script.before_hearing())
        final = stt_pb2.FinalTranscript(
            transcript=stt_pb2.Transcript(text=said()),
            audio=to_duration(seconds),
            from_checkpoint=checkpoint,
        )
        await write(context, stt_pb2.TranscribeResponse(final=final))
        await _pause(self._script.behind_all())

    async def Describe(
        self, _request: object, _context: object
    ) -> stt_pb2.SpeechToTextDescribeResponse:
        return stt_pb2.SpeechToTextDescribeResponse(
            engine=stage_pb2.EngineInfo(engine="scripted", model="none"),
            languages=self._script.languages,
        )


class FakeLlm(LanguageModelServicer):
    def __init__(self, script: Script) -> None:
        self._script = script

    async def Generate(self, request: llm_pb2.GenerateRequest, context: object) -> None:
        self._script.requests.append(request)
        self._script.metadata.append(dict(context.invocation_metadata()))
        with self._script.call("Generate"):
            await _pause(self._script.before_writing())
            for piece in self._script.write(request):
                if isinstance(piece, str):
                    await write(context, llm_pb2.GenerateResponse(text=piece))
                else:
                    await write(context, llm_pb2.GenerateResponse(tool_call=piece))
                await _pause(self._script.behind_piece())
            counted = self._script.prompt_tokens(request)
            usage = llm_pb2.TokenUsage(prompt=counted, completion=3)
            summary = llm_pb2.GenerateSummary(
                finish_reason=self._script.finish, usage=usage
            )
            await write(context, llm_pb2.GenerateResponse(summary=summary))
            await _pause(self._script.behind_all())

    async def Prepare(
        self, request: llm_pb2.PrepareRequest, _context: object
    ) -> llm_pb2.PrepareResponse:
        self._script.prepared.append(request)
        await _pause(self._script.before_prepared())
        return llm_pb2.PrepareResponse(prepared=True)

    async def Describe(
        self, _request: object, _context: object
    ) -> llm_pb2.LanguageModelDescribeResponse:
        return llm_pb2.LanguageModelDescribeResponse(
            prepare=self._script.prepares,
            models=[
                llm_pb2.ModelAlias(
                    name="default",
                    tools=True,
                    images=self._script.images,
                    context_tokens=self._script.context_tokens,
                )
            ],
        )


class FakeTts(TextToSpeechServicer):
    def __init__(self, script: Script) -> None:
        self._script = script

    async def Synthesize(self, _requests: object, context: object) -> None:
        with self._script.call("Synthesize"):
            await self._speak(context)

    async def _speak(self, context: object) -> None:
        first = await read(context)
        self._script.voiced.append(first.config)
        started = tts_pb2.SynthesisStarted(format=first.config.format, voice="scripted")
        await write(context, tts_pb2.SynthesizeResponse(started=started))
        characters, sequence, position = 0, 0, 0.0
        rate = first.config.format.sample_rate
        while (request := await read(context)) is not None:
            if request.WhichOneof("message") != "text":
                continue
            text = request.text
            segment = tts_pb2.Segment(
                start=characters, end=characters + len(text), spoken=text
            )
            await write(context, tts_pb2.SynthesizeResponse(segment=segment))
            await _pause(self._script.before_speaking())
            for character in text:
                characters, sequence = characters + 1, sequence + 1
                mark = tts_pb2.Mark(
                    characters=characters, at=to_duration(position + FRAME / rate)
                )
                await write(context, tts_pb2.SynthesizeResponse(mark=mark))
                samples = self._script.sound(character)
                audio = tts_pb2.SynthesizedAudio(
                    sequence=sequence, position=to_duration(position), samples=samples
                )
                await write(context, tts_pb2.SynthesizeResponse(audio=audio))
                position += FRAME / rate
            self._script.spoke(first.config.turn)
        summary = tts_pb2.SynthesisSummary(
            audio=to_duration(position), characters=characters
        )
        await write(context, tts_pb2.SynthesizeResponse(summary=summary))
        await _pause(self._script.behind_all())

    async def Describe(
        self, _request: object, _context: object
    ) -> tts_pb2.TextToSpeechDescribeResponse:
        return tts_pb2.TextToSpeechDescribeResponse(
            voices=[tts_pb2.Voice(name="scripted", languages=self._script.languages)],
            speed=self._script.any_speed,
            instructions=self._script.imitates,
            cloning=self._script.imitates,
            reference_required=self._script.voiceless,
        )


@asynccontextmanager
async def serving(script: Script, port: int = 0) -> AsyncIterator[str]:
    """All three scripted stages on one address."""
    settings = ServiceSettings(port=port, max_streams=1000)
    server = create_server(settings, Admission(settings.max_streams))
    add_SpeechToTextServicer_to_server(FakeStt(script), server)
    add_LanguageModelServicer_to_server(FakeLlm(script), server)
    add_TextToSpeechServicer_to_server(FakeTts(script), server)
    healthy = health.aio.HealthServicer()
    await healthy.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    address = f"127.0.0.1:{bind(server, settings)}"
    await server.start()
    try:
        yield address
    finally:
        await server.stop(0)


__all__ = ["FRAME", "Script", "serving", "spoken_text", "tone"]
