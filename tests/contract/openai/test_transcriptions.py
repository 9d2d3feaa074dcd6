import asyncio
import json
from os.path import relpath
from pathlib import Path

import aiohttp
import pytest
from openai import APIError, BadRequestError

from services.runtime.errors import EngineError, Full
from tests.contract.openai.conftest import Running, start
from tests.fakes.hearing import silence, speech
from tests.fakes.recordings import TimingStt, as_file, as_wav, timing
from tests.fakes.stages import Script

ASSETS = Path(__file__).parents[3] / "assets"
SHORT = as_wav(silence(0.5) + speech(1.0) + silence(0.5))
PLAYLIST = f"ffconcat version 1.0\nfile {relpath(ASSETS / 'jfk.wav')}\n".encode()
"""FFmpeg would open the file that it names, which is there."""

LONG = [(0.5, 1.5), (4.0, 6.0), (9.0, 12.5), (30.0, 31.0)]
"""Where somebody speaks in the long recording, in seconds."""


def recording(spoken: list[tuple[float, float]]) -> bytes:
    samples, position = b"", 0.0
    for begin, end in spoken:
        samples += silence(begin - position) + speech(end - begin)
        position = end
    return as_wav(samples + silence(2.0))


def form(file: bytes | None = SHORT, **fields: str) -> aiohttp.FormData:
    data = aiohttp.FormData(quote_fields=False, default_to_multipart=True)
    if file is not None:
        data.add_field("file", file, filename="it.wav")
    for name, value in fields.items():
        data.add_field(name, value)
    return data


async def refused(running: Running, data: object, **headers: str) -> dict[str, object]:
    async with running.http.post(
        "/v1/audio/transcriptions", data=data, headers=headers
    ) as response:
        assert response.content_type == "application/json"
        error = (await response.json())["error"]
        return {"status": response.status, **error}


async def test_a_recording_is_transcribed(running: Running) -> None:
    running.script.understand = lambda samples: "hello there"
    heard = await running.openai.audio.transcriptions.create(
        model="whisper-1", file=("it.wav", SHORT), temperature=0
    )
    assert heard.text == "hello there"
    assert heard.usage and heard.usage.type == "duration"
    assert heard.usage.seconds == 2.0


async def test_only_what_holds_speech_is_sent_to_the_recognizer(
    running: Running,
) -> None:
    await running.openai.audio.transcriptions.create(
        model="any", file=("it.wav", SHORT)
    )
    [seconds] = running.script.transcribed
    assert 1.0 <= seconds <= 1.7


async def test_a_recording_of_silence_has_an_empty_transcript(running: Running) -> None:
    heard = await running.openai.audio.transcriptions.create(
        model="any", file=("it.wav", as_wav(silence(3)))
    )
    assert heard.text == ""
    assert running.script.transcribed == []


@pytest.mark.parametrize(
    ("container", "codec"),
    [
        ("mp3", "libmp3lame"),
        ("flac", "flac"),
        ("ogg", "libopus"),
        ("matroska", "flac"),
        ("webm", "libopus"),
        ("ipod", "aac"),
        ("adts", "aac"),
        ("wav", "pcm_f32le"),
    ],
)
async def test_recordings_of_every_format_are_read(
    running: Running, container: str, codec: str
) -> None:
    samples = silence(0.5) + speech(1.5) + silence(0.5)
    heard = await running.openai.audio.transcriptions.create(
        model="any", file=("it", as_file(samples, container, codec))
    )
    assert heard.usage and heard.usage.type == "duration"
    assert abs(heard.usage.seconds - 2.5) < 0.15
    [seconds] = running.script.transcribed
    assert 1.5 <= seconds <= 2.3


async def test_times_are_right_across_the_pieces_of_a_long_recording() -> None:
    stt = TimingStt()
    async with timing(stt) as address, start(stt=address) as running:
        heard = await running.openai.audio.transcriptions.create(
            model="any",
            file=("it.wav", recording(LONG)),
            response_format="verbose_json",
            timestamp_granularities=["word", "segment"],
        )
    assert len(stt.lengths) == 4
    assert sum(stt.lengths) < 12
    assert heard.duration == 33.0
    assert heard.language == "en"
    assert heard.words
    for word, (begin, end) in zip(heard.words, LONG, strict=True):
        assert word.word == "sound."
        assert abs(word.start - begin) < 0.01
        assert abs(word.end - end) < 0.01
    assert heard.segments
    assert [segment.id for segment in heard.segments] == [0, 1, 2, 3]
    assert abs(heard.segments[3].start - 30.0) < 0.01


async def test_who_never_pauses_is_cut_into_pieces_that_the_recognizer_takes() -> None:
    stt = TimingStt(longest=8.0)
    async with timing(stt) as address, start(stt=address) as running:
        heard = await running.openai.audio.transcriptions.create(
            model="any",
            file=("it.wav", as_wav(speech(30.0))),
            response_format="verbose_json",
            timestamp_granularities=["word"],
        )
    assert max(stt.lengths) <= 8.0
    assert abs(sum(stt.lengths) - 30.0) < 0.1
    assert heard.words
    # Each piece begins where the one before ended: nothing is lost, nothing heard twice.
    for one, next_one in zip(heard.words, heard.words[1:], strict=False):
        assert abs(next_one.start - one.end) < 0.01


async def test_subtitles_have_a_sentence_each() -> None:
    async with timing(TimingStt()) as address, start(stt=address) as running:
        file = ("it.wav", recording(LONG[:2]))
        create = running.openai.audio.transcriptions.create
        srt = await create(model="any", file=file, response_format="srt")
        vtt = await create(model="any", file=file, response_format="vtt")
        text = await create(model="any", file=file, response_format="text")
    lines = srt.split("\n")
    assert lines[0] == "1" and lines[2:5] == ["sound.", "", "2"]
    assert lines[1].startswith("00:00:00,50") and " --> 00:00:01," in lines[1]
    assert vtt.startswith("WEBVTT\n\n00:00:00.50")
    assert text == "sound. sound.\n"


async def test_a_streamed_transcript_comes_piece_by_piece() -> None:
    async with timing(TimingStt()) as address, start(stt=address) as running:
        events = [
            event
            async for event in await running.openai.audio.transcriptions.create(
                model="any", file=("it.wav", recording(LONG)), stream=True
            )
        ]
    deltas = [e.delta for e in events if e.type == "transcript.text.delta"]
    assert deltas == ["sound."] + [" sound."] * 3
    assert events[-1].type == "transcript.text.done"
    assert events[-1].text == "".join(deltas)


async def test_the_prompt_and_the_keywords_are_hints_for_the_recognizer() -> None:
    stt = TimingStt()
    async with timing(stt) as address, start(stt=address) as running:
        await running.openai.audio.transcriptions.create(
            model="any",
            file=("it.wav", SHORT),
            prompt="Antiphon, Reachy Mini\nLiège",
            language="de-CH",
        )
    [config] = stt.configs
    assert list(config.hint_phrases) == ["Antiphon", "Reachy Mini", "Liège"]
    assert config.language == "de"


async def test_hints_are_refused_where_nothing_would_come_of_them() -> None:
    async with timing(TimingStt(hints=False)) as address, start(stt=address) as running:
        error = await refused(running, form(prompt="Antiphon"))
    assert (error["status"], error["param"]) == (400, "prompt")


@pytest.mark.parametrize(
    ("data", "param", "says"),
    [
        (form(file=None, model="any"), "file", "required"),
        (form(file=b""), "file", "empty"),
        (form(file=b"This is no audio at all.\n" * 100), "file", "no audio"),
        (form(file=SHORT[:40]), "file", "no audio"),
        (form(file=PLAYLIST), "file", "no audio"),
        (form(colour="blue"), "colour", "not known"),
        (form(language="xx"), "language", "en"),
        (form(temperature="0.5"), "temperature", "equal to 0"),
        (form(response_format="diarized_json"), "response_format", "srt"),
        (form(stream="true", response_format="srt"), "response_format", "streamed"),
        (form(timestamp_granularities="word"), "timestamp_granularities", "place"),
        (
            form(timestamp_granularities="word", response_format="verbose_json"),
            "timestamp_granularities",
            "segment",
        ),
        (form(include="logprobs"), "include", "not known"),
        (form(chunking_strategy='{"type":"server_vad"}'), "chunking_strategy", "auto"),
        (json.dumps({"model": "any"}), None, "multipart"),
        (b"no form", None, "multipart"),
    ],
)
async def test_what_cannot_be_done_is_refused_by_name(
    running: Running, data: object, param: str | None, says: str
) -> None:
    error = await refused(running, data)
    assert error["status"] == 400
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param
    assert says in str(error["message"])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"garbage",
        b"--x\r\n\r\n",
        b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nhalf a fi',
        b"--x\r\nContent-Disposition: form-data\r\n\r\nnameless\r\n--x--\r\n",
        b"--x\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n--y\r\n\r\n--y--\r\n--x--\r\n",
        b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\n\xff\xfe\r\n--x--\r\n',
        b"--x\r\n\xff\xff\r\n\r\nno header\r\n--x--\r\n",
        b"--x\r\nContent-Disposition: " + b"a" * 10_000 + b"\r\n\r\n\r\n--x--\r\n",
        b"--x\r\n" + b"X-A: a\r\n" * 1000 + b"\r\nheads alone\r\n--x--\r\n",
    ],
)
async def test_a_broken_form_is_refused(running: Running, body: bytes) -> None:
    error = await refused(
        running, body, **{"Content-Type": "multipart/form-data; boundary=x"}
    )
    assert error["status"] == 400


async def test_a_body_that_is_not_compressed_as_it_says_is_refused(
    running: Running,
) -> None:
    said = {
        "Content-Type": "multipart/form-data; boundary=x",
        "Content-Encoding": "gzip",
    }
    error = await refused(running, b"not gzip", **said)
    assert error["status"] == 400


async def test_a_form_without_a_boundary_is_refused(running: Running) -> None:
    error = await refused(running, b"x", **{"Content-Type": "multipart/form-data"})
    assert error["status"] == 400


async def test_a_file_that_is_too_large_is_refused_before_it_has_come(
    running: Running,
) -> None:
    error = await refused(running, form(file=bytes(30 * 1024 * 1024)))
    assert (error["status"], error["code"]) == (413, "request_too_large")


async def test_translations_are_not_offered(running: Running) -> None:
    async with running.http.post("/v1/audio/translations", data=form()) as response:
        assert response.status == 404
        assert (await response.json())["error"]["code"] == "not_found"


async def test_a_language_that_nobody_understands_is_refused_with_those_that_are(
    running: Running,
) -> None:
    with pytest.raises(BadRequestError) as refusal:
        await running.openai.audio.transcriptions.create(
            model="any", file=("it.wav", SHORT), language="fr"
        )
    assert refusal.value.param == "language"
    assert "en" in refusal.value.message


async def test_a_client_that_leaves_ends_the_transcription() -> None:
    asked = asyncio.Event()

    async def never() -> None:
        asked.set()
        await asyncio.Event().wait()

    async with start(Script(before_hearing=never)) as running:
        task = asyncio.create_task(refused(running, form()))
        await asked.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert await running.script.cancelled.get() == "Transcribe"


async def test_a_recognizer_that_fails_fails_the_request(running: Running) -> None:
    def fail(_samples: bytes) -> str:
        raise EngineError("the model stumbled")

    running.script.understand = fail
    error = await refused(running, form())
    assert (error["status"], error["type"]) == (500, "server_error")
    assert "the model stumbled" in str(error["message"])


async def test_a_recognizer_that_fails_later_breaks_the_stream_off_with_an_error(
    running: Running,
) -> None:
    heard: list[bytes] = []

    def fail(samples: bytes) -> str:
        heard.append(samples)
        if len(heard) > 1:
            raise EngineError("the model stumbled")
        return "so far"

    running.script.understand = fail
    deltas = []
    with pytest.raises(APIError, match="the model stumbled"):
        async for event in await running.openai.audio.transcriptions.create(
            model="any", file=("it.wav", recording(LONG)), stream=True
        ):
            deltas.append(event.type)
    assert deltas == ["transcript.text.delta"]


async def test_a_recognizer_that_is_gone_is_unavailable() -> None:
    async with start(stt="127.0.0.1:1") as running:
        error = await refused(running, form())
    assert (error["status"], error["code"]) == (503, "unavailable")
    assert "is it running" in str(error["message"])


async def test_a_recognizer_that_is_full_in_the_midst_of_a_recording_is_waited_for() -> (
    None
):
    calls = 0

    async def full_for_a_while() -> None:
        nonlocal calls
        calls += 1
        # Behind the first piece two rounds are refused, each by three replicas.
        if 1 < calls <= 7:
            raise Full("all streams are in use", retry_after=0.01)

    async with start(Script(before_hearing=full_for_a_while)) as running:
        running.script.understand = lambda samples: "piece"
        heard = await running.openai.audio.transcriptions.create(
            model="any", file=("it.wav", recording(LONG))
        )
    assert heard.text == "piece piece piece piece"


async def test_a_recognizer_that_is_full_says_when_to_come_back() -> None:
    async def full() -> None:
        raise Full("all streams are in use", retry_after=2)

    async with start(Script(before_hearing=full)) as running:
        error = await refused(running, form())
    assert (error["status"], error["code"]) == (503, "overloaded")


async def test_the_trace_of_a_request_goes_on_to_the_stages() -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    parent = f"00-{trace}-b7ad6b7169203331-01"
    stt = TimingStt()
    async with (
        timing(stt) as address,
        start(stt=address) as running,
        running.http.post(
            "/v1/audio/transcriptions", data=form(), headers={"Traceparent": parent}
        ) as response,
    ):
        assert response.status == 200
    [metadata] = stt.metadata
    assert trace in metadata["traceparent"]
