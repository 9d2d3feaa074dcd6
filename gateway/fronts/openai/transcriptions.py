"""``POST /v1/audio/transcriptions``: a recording of any length, in the formats of OpenAI's clients."""

from collections.abc import AsyncGenerator
from concurrent.futures import Executor
from contextlib import aclosing
from io import BytesIO
from typing import Any

from aiohttp import web

from gateway.dictation import Dictated, Passage
from gateway.fronts.openai import names
from gateway.fronts.openai.decoding import decoded
from gateway.fronts.openai.sse import Events
from gateway.fronts.openai.subtitles import segments, to_srt, to_verbose, to_vtt
from gateway.fronts.openai.upload import TranscriptionForm, read_upload
from gateway.hearing.voice import VoiceActivity
from gateway.settings import GatewaySettings
from gateway.stages.directory import Abilities, Stages
from services.runtime.errors import AntiphonError, InvalidArgument


class Transcriptions:
    """Speech to text, whole or streamed.

    Args:
        stages: the recognizer is one of.
        settings: say how long to wait for it.
        voice: tells where in a recording somebody speaks.
        executor: runs the decoders.
    """

    def __init__(
        self,
        stages: Stages,
        settings: GatewaySettings,
        voice: VoiceActivity,
        executor: Executor,
    ) -> None:
        self._stages = stages
        self._patience = settings.stt_timeout
        self._voice = voice
        self._executor = executor

    def routes(self) -> list[web.RouteDef]:
        """Where this is."""
        return [web.post("/v1/audio/transcriptions", self._transcribe)]

    async def _transcribe(self, request: web.Request) -> web.StreamResponse:
        """What is said in a recording: json, text, srt, vtt or verbose_json, or streamed."""
        file, form = await read_upload(request)
        abilities = await self._stages.abilities()
        _check(form, abilities)
        offered = list(abilities.stt.languages) if abilities.stt else []
        asked = form.language or "".join(form.languages)
        dictated = Dictated(
            self._stages,
            abilities,
            self._voice,
            names.language(asked, offered) if asked else "",
            form.hints(abilities.stt),
            self._patience,
        )
        async with aclosing(self._passages(file, dictated)) as passages:
            if form.stream:
                return await _stream(request, passages)
            heard = [passage async for passage in passages]
        return _answer(form, heard, dictated.seconds)

    async def _passages(
        self, file: BytesIO, dictated: Dictated
    ) -> AsyncGenerator[Passage, None]:
        async with (
            aclosing(decoded(file, self._executor)) as chunks,
            aclosing(dictated.passages(chunks)) as passages,
        ):
            async for passage in passages:
                if passage.transcript.text:
                    yield passage


def _check(form: TranscriptionForm, abilities: Abilities) -> None:
    """Refuse fields that contradict each other, or that the recognizer cannot serve."""
    if form.stream and form.response_format not in ("json", "text"):
        raise InvalidArgument(
            "response_format",
            f"{form.response_format} cannot be streamed",
            "json, text",
        )
    if form.language and form.languages:
        raise InvalidArgument("languages", "contradicts language", "one of the two")
    if not form.timestamp_granularities:
        return
    if form.response_format != "verbose_json":
        raise InvalidArgument(
            "timestamp_granularities",
            f"{form.response_format} has no place for times",
            "response_format verbose_json",
        )
    if "word" in form.timestamp_granularities and not (
        abilities.stt is None or abilities.stt.word_times
    ):
        raise InvalidArgument(
            "timestamp_granularities",
            "the recognizer does not tell when a word was said",
            "segment",
        )


async def _stream(
    request: web.Request, passages: AsyncGenerator[Passage, None]
) -> web.StreamResponse:
    events = Events(request)
    text = ""
    try:
        async for passage in passages:
            delta = f" {passage.transcript.text}" if text else passage.transcript.text
            text += delta
            await events.send({"type": "transcript.text.delta", "delta": delta})
        await events.send({"type": "transcript.text.done", "text": text})
    except AntiphonError as error:
        if not events.begun:
            raise
        await events.fail(error)
    return events.response


def _answer(
    form: TranscriptionForm, heard: list[Passage], seconds: float
) -> web.Response:
    text = " ".join(passage.transcript.text for passage in heard)
    match form.response_format:
        case "text":
            return web.Response(text=f"{text}\n")
        case "srt":
            return web.Response(
                text=to_srt(segments(heard)), content_type="application/x-subrip"
            )
        case "vtt":
            return web.Response(text=to_vtt(segments(heard)), content_type="text/vtt")
        case "verbose_json":
            return web.json_response(_verbose(form, heard, text, seconds))
        case "json":
            return web.json_response({"text": text, "usage": _usage(seconds)})


def _verbose(
    form: TranscriptionForm, heard: list[Passage], text: str, seconds: float
) -> dict[str, Any]:
    wanted = form.timestamp_granularities or ["segment"]
    told: dict[str, Any] = {
        "task": "transcribe",
        # A recording may change its language; it is called by the one that it begins in.
        "language": heard[0].transcript.language if heard else form.language,
        "duration": round(seconds, 3),
        "text": text,
        "usage": _usage(seconds),
    }
    if "segment" in wanted:
        told["segments"] = [
            to_verbose(number, segment)
            for number, segment in enumerate(segments(heard))
        ]
    if "word" in wanted:
        told["words"] = [
            {
                "word": word.text,
                "start": round(word.start, 3),
                "end": round(word.end, 3),
            }
            for passage in heard
            for word in passage.transcript.words
        ]
    return told


def _usage(seconds: float) -> dict[str, Any]:
    return {"type": "duration", "seconds": round(seconds, 3)}
