import asyncio
import io

import aiohttp
import av
import pytest
from openai import BadRequestError

from services.runtime.errors import EngineError, Full
from tests.contract.openai.conftest import Running, start
from tests.fakes.stages import FRAME, Script, spoken_text

TEXT = "Hello there, how are you?"
SECONDS = len(TEXT) * FRAME / 24_000


def seconds(file: bytes) -> float:
    """Length of a file's audio."""
    with av.open(io.BytesIO(file)) as container:
        rate = container.streams.audio[0].rate
        return sum(frame.samples for frame in container.decode(audio=0)) / rate


async def refused(running: Running, **body: object) -> dict[str, object]:
    async with running.http.post("/v1/audio/speech", json=body) as response:
        error = (await response.json())["error"]
        return {"status": response.status, "headers": response.headers, **error}


async def test_a_text_is_spoken(running: Running) -> None:
    spoken = await running.openai.audio.speech.create(
        model="tts-1", voice="alloy", input=TEXT, response_format="pcm"
    )
    assert spoken_text(spoken.content) == TEXT
    [config] = running.script.voiced
    assert (config.voice, config.format.sample_rate) == ("", 24_000)


@pytest.mark.parametrize(
    ("form", "media_type"),
    [
        ("mp3", "audio/mpeg"),
        ("opus", "audio/ogg"),
        ("aac", "audio/aac"),
        ("flac", "audio/flac"),
        ("wav", "audio/wav"),
    ],
)
async def test_every_format_can_be_played(
    running: Running, form: str, media_type: str
) -> None:
    spoken = await running.openai.audio.speech.create(
        model="tts-1",
        voice="scripted",
        input=TEXT,
        response_format=form,  # type: ignore[arg-type]  # one of its literals
    )
    assert spoken.response.headers["Content-Type"] == media_type
    assert abs(seconds(spoken.content) - SECONDS) < 0.1


async def test_mp3_is_what_nobody_has_to_ask_for(running: Running) -> None:
    spoken = await running.openai.audio.speech.create(
        model="tts-1", voice="nova", input=TEXT
    )
    assert spoken.response.headers["Content-Type"] == "audio/mpeg"


async def test_a_streamed_wav_says_that_its_length_is_not_known(
    running: Running,
) -> None:
    spoken = await running.openai.audio.speech.create(
        model="tts-1", voice="nova", input=TEXT, response_format="wav"
    )
    assert spoken.content[:8] == b"RIFF\xff\xff\xff\xff"
    assert spoken_text(spoken.content[44:]) == TEXT


@pytest.mark.parametrize("form", ["pcm", "mp3", "opus"])
async def test_the_first_bytes_come_before_the_synthesis_is_over(form: str) -> None:
    over = asyncio.Event()
    async with start(Script(behind_all=over.wait)) as running:
        request = {"input": TEXT, "response_format": form}
        async with running.http.post("/v1/audio/speech", json=request) as response:
            assert await response.content.readany()
            assert running.script.open["Synthesize"] == 1
            over.set()
            await response.read()


async def test_speech_is_told_in_events_where_that_is_asked_for(
    running: Running,
) -> None:
    async with running.openai.audio.speech.with_streaming_response.create(
        model="tts-1",
        voice="nova",
        input=TEXT,
        response_format="pcm",
        stream_format="sse",
    ) as response:
        lines = [line async for line in response.iter_lines() if line]
    assert response.headers["Content-Type"].startswith("text/event-stream")
    assert '"type":"speech.audio.delta","audio":"' in lines[0]
    assert '"type":"speech.audio.done"' in lines[-1]
    assert len(lines) == len(TEXT) + 1


async def test_a_voice_that_can_do_more_is_asked_for_it() -> None:
    async with start(Script(any_speed=True, imitates=True)) as running:
        await running.openai.audio.speech.create(
            model="gpt-4o-mini-tts",
            voice="scripted",
            input=TEXT,
            speed=1.5,
            instructions="whispering",
            extra_body={"language": "en-GB"},
        )
    [config] = running.script.voiced
    assert (config.voice, config.speed) == ("scripted", 1.5)
    assert (config.instructions, config.language) == ("whispering", "en")


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("input", "", "at least 1"),
        ("input", "x" * 4097, "at most 4096"),
        ("input", 7, "string"),
        ("voice", "nobody", "scripted"),
        ("speed", 1.5, "speed of its own"),
        ("speed", 4.0, "less than or equal to 2"),
        ("instructions", "whispering", "takes none"),
        ("response_format", "midi", "mp3"),
        ("language", "xx", "en"),
        ("colour", "blue", "not known"),
    ],
)
async def test_what_the_voice_cannot_do_is_refused_by_name(
    running: Running, field: str, value: object, says: str
) -> None:
    error = await refused(running, **{"input": TEXT, field: value})
    assert (error["status"], error["param"]) == (400, field)
    assert says in str(error["message"])
    assert running.script.voiced == []


async def test_an_unknown_voice_is_a_bad_request_for_openais_client(
    running: Running,
) -> None:
    with pytest.raises(BadRequestError, match="scripted"):
        await running.openai.audio.speech.create(
            model="tts-1", voice="nobody", input=TEXT
        )


async def test_a_voice_that_only_imitates_cannot_be_asked_for_here() -> None:
    async with start(Script(voiceless=True)) as running:
        error = await refused(running, input=TEXT)
    assert (error["status"], error["code"]) == (500, "not_configured")


async def test_a_voice_that_is_full_says_when_to_come_back() -> None:
    async def full() -> None:
        raise Full("all streams are in use", retry_after=7)

    async with start(Script(before_speaking=full)) as running:
        error = await refused(running, input=TEXT)
    assert (error["status"], error["code"]) == (503, "overloaded")
    assert error["headers"]["Retry-After"] == "7"  # type: ignore[index]


async def test_a_voice_that_says_nothing_in_time_is_given_up() -> None:
    async def never() -> None:
        await asyncio.Event().wait()

    async with start(Script(before_speaking=never), tts_timeout=0.2) as running:
        error = await refused(running, input=TEXT)
        assert await running.script.cancelled.get() == "Synthesize"
    assert (error["status"], error["code"]) == (504, "timeout")


def fail(_turn: object) -> None:
    raise EngineError("the voice broke")


async def test_audio_that_breaks_off_is_never_taken_for_a_whole_file() -> None:
    async with start(Script(spoke=fail)) as running:
        request = {"input": TEXT, "response_format": "pcm"}
        async with running.http.post("/v1/audio/speech", json=request) as response:
            assert response.status == 200
            with pytest.raises(aiohttp.ClientError):
                await response.read()


async def test_events_that_break_off_say_why() -> None:
    async with start(Script(spoke=fail)) as running:
        request = {"input": TEXT, "response_format": "pcm", "stream_format": "sse"}
        async with running.http.post("/v1/audio/speech", json=request) as response:
            events = (await response.text()).split("\n\n")
    assert "the voice broke" in events[-2]
    assert "speech.audio.done" not in events[-2]


async def test_a_client_that_leaves_ends_the_synthesis() -> None:
    over = asyncio.Event()
    async with start(Script(behind_all=over.wait)) as running:
        request = {"input": TEXT, "response_format": "pcm"}
        response = await running.http.post("/v1/audio/speech", json=request)
        await response.content.readany()
        response.close()
        assert await running.script.cancelled.get() == "Synthesize"
