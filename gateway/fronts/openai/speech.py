"""``POST /v1/audio/speech``: a text, read out while it is still being synthesised."""

import asyncio
import base64
from collections.abc import AsyncGenerator
from concurrent.futures import Executor
from contextlib import aclosing
from typing import Annotated, Literal

from aiohttp import web
from pydantic import Field

from antiphon.v1.audio_pb2 import AudioFormat
from antiphon.v1.tts_pb2 import SynthesizeConfig
from gateway.calls import LONGEST_REPLY
from gateway.conversation.events import AudioSpoken
from gateway.conversation.values import Stage
from gateway.fronts.http_telemetry import broke_off
from gateway.fronts.openai import names
from gateway.fronts.openai.body import Body, read_json
from gateway.fronts.openai.encoding import MEDIA_TYPES, SAMPLE_RATE, encoder
from gateway.fronts.openai.models import FASTEST, SLOWEST
from gateway.fronts.openai.sse import Events
from gateway.fronts.openai.writing import write
from gateway.settings import GatewaySettings
from gateway.stages.asking import NO_TURN, Asked, Reading, asked
from gateway.stages.directory import Abilities, Stages
from services.runtime.contract import LONGEST_VOICE_INSTRUCTIONS
from services.runtime.errors import AntiphonError, FailedPrecondition, InvalidArgument
from services.runtime.logs import get_logger
from services.runtime.words import Words

log = get_logger(__name__)

LONGEST_INPUT = 4096
"""Characters, as at OpenAI."""


_NOT_COUNTED = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
"""Voices count no tokens; OpenAI's clients want a number."""


class NamedVoice(Body):
    """A voice by its id, as OpenAI writes custom ones."""

    id: str


class SpeechRequest(Body):
    """A text and how to read it, as ``POST /v1/audio/speech`` takes it; ``language`` is ours."""

    input: Annotated[str, Field(min_length=1, max_length=LONGEST_INPUT)]
    model: str = ""
    voice: str | NamedVoice = ""
    speed: Annotated[float, Field(ge=SLOWEST, le=FASTEST)] = 1.0
    instructions: (
        Annotated[str, Field(max_length=LONGEST_VOICE_INSTRUCTIONS)] | None
    ) = None
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] = "mp3"
    stream_format: Literal["audio", "sse"] = "audio"
    language: str | None = None


class Speech:
    """Text to speech, streamed.

    Args:
        stages: the voice is one of.
        settings: say how long to wait for it.
        executor: runs the encoders.
    """

    def __init__(
        self, stages: Stages, settings: GatewaySettings, executor: Executor
    ) -> None:
        self._stages = stages
        self._patience = settings.tts_timeout
        self._executor = executor

    def routes(self) -> list[web.RouteDef]:
        """Where this is."""
        return [web.post("/v1/audio/speech", self._speak)]

    async def _speak(self, request: web.Request) -> web.StreamResponse:
        """A text, read out: mp3, opus, aac, flac, wav or pcm, streamed."""
        wanted = await read_json(request, SpeechRequest)
        config = to_config(wanted, await self._stages.abilities())
        async with asked(
            Stage.TTS,
            lambda inbox, span: Reading(
                stub=self._stages.tts,
                config=config,
                ref=NO_TURN,
                sink=inbox.put,
                room=inbox.room,
                timeout=LONGEST_REPLY,
                watch=span,
            ),
        ) as (reading, spoken):
            reading.speak(wanted.input)
            reading.finish()
            async with aclosing(
                self._encoded(spoken, wanted.response_format)
            ) as pieces:
                if wanted.stream_format == "sse":
                    return await _send_events(request, pieces)
                media_type = MEDIA_TYPES[wanted.response_format]
                return await _send_audio(request, pieces, media_type)

    async def _encoded(self, spoken: Asked, form: str) -> AsyncGenerator[bytes, None]:
        """The file, piece by piece; none of them is empty."""
        loop = asyncio.get_running_loop()
        file = encoder(form)
        while (event := await spoken.next(self._patience)) is not None:
            if isinstance(event, AudioSpoken):
                samples = event.samples
                if piece := await loop.run_in_executor(
                    self._executor, file.push, samples
                ):
                    yield piece
        if rest := await loop.run_in_executor(self._executor, file.finish):
            yield rest


def to_config(wanted: SpeechRequest, abilities: Abilities) -> SynthesizeConfig:
    """What was asked for, in the contract's words.

    Raises:
        InvalidArgument: the voice cannot do it.
        FailedPrecondition: the stage has no voice of its own.
    """
    can = abilities.tts
    name = wanted.voice if isinstance(wanted.voice, str) else wanted.voice.id
    voice = names.voice(name, abilities)
    if can is not None:
        if can.reference_required:
            raise FailedPrecondition(
                "the voice that runs here only imitates others, which this address cannot ask for"
            )
        if wanted.speed != 1.0 and not can.speed:
            raise InvalidArgument(
                "speed", "this voice has a speed of its own only", "1.0"
            )
        if wanted.instructions and not can.instructions:
            raise InvalidArgument(
                "instructions", "this voice takes none", "leave it out"
            )
    languages = [
        tag
        for known in (can.voices if can else ())
        if voice in (known.name, "")
        for tag in known.languages
    ]
    return SynthesizeConfig(
        format=AudioFormat(sample_rate=SAMPLE_RATE),
        voice=voice,
        language=names.language(wanted.language, languages) if wanted.language else "",
        speed=wanted.speed,
        instructions=wanted.instructions or "",
    )


async def _send_audio(
    request: web.Request, pieces: AsyncGenerator[bytes, None], media_type: str
) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": media_type})
    try:
        async for piece in pieces:
            if not response.prepared:
                await response.prepare(request)
            await write(request, response, piece)
    except AntiphonError as error:
        if not response.prepared:
            raise
        # A file has no place to say that it breaks off; a connection that is cut says so.
        log.warning(
            "speech broke off", code=error.code.name, reason=Words(error.message)
        )
        broke_off(request, error)
        if request.transport is not None:
            request.transport.abort()
        return response
    if not response.prepared:
        await response.prepare(request)
    return response


async def _send_events(
    request: web.Request, pieces: AsyncGenerator[bytes, None]
) -> web.StreamResponse:
    events = Events(request)
    try:
        async for piece in pieces:
            audio = base64.b64encode(piece).decode()
            await events.send({"type": "speech.audio.delta", "audio": audio})
        await events.send({"type": "speech.audio.done", "usage": _NOT_COUNTED})
    except AntiphonError as error:
        if not events.begun:
            raise
        await events.fail(error)
    return events.response
