"""The parts of the neighbours that need no port."""

import io
import re
from pathlib import Path

import pytest
from aiohttp import web

from gateway.conversation.values import Transcript, Word
from gateway.dictation import Passage
from gateway.fronts.openai import decoding
from gateway.fronts.openai.body import Body
from gateway.fronts.openai.chat_request import ChatRequest
from gateway.fronts.openai.decoding import Decoder
from gateway.fronts.openai.encoding import MEDIA_TYPES, encoder
from gateway.fronts.openai.errors import (
    OF_EXHAUSTION,
    SHAPES,
    NotFound,
    Shape,
    body,
    of_http,
    shape,
    to_response,
)
from gateway.fronts.openai.speech import SpeechRequest
from gateway.fronts.openai.subtitles import segments, to_srt, to_verbose, to_vtt
from gateway.fronts.openai.upload import TranscriptionForm
from services.runtime.errors import (
    AntiphonError,
    Cancelled,
    DeadlineExceeded,
    EngineError,
    FailedPrecondition,
    Full,
    InvalidArgument,
    TooMuch,
    Unavailable,
)
from tests.fakes.hearing import RATE, speech
from tests.fakes.recordings import as_file, as_wav

PAGE = Path(__file__).parents[3] / "docs" / "http.md"


def passage(*words: tuple[str, float, float], text: str = "") -> Passage:
    told = tuple(Word(word, start, end, 0.5) for word, start, end in words)
    text = text or " ".join(word for word, _, _ in words)
    return Passage(1.0, 9.0, Transcript(text, told, "en", 0.25))


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (InvalidArgument("config.voice", "is not known"), 400, "invalid_value"),
        (NotFound("model", "is not there", "model_not_found"), 404, "model_not_found"),
        (TooMuch("too large"), 413, "request_too_large"),
        (EngineError("broke"), 500, "engine_failed"),
        (FailedPrecondition("no key"), 500, "not_configured"),
        (Full("full"), 503, "overloaded"),
        (Unavailable("gone"), 503, "unavailable"),
        (DeadlineExceeded("late"), 504, "timeout"),
        (Cancelled("left"), 499, "cancelled"),
    ],
)
def test_each_error_has_a_status_and_a_code_of_its_own(
    error: AntiphonError, status: int, code: str
) -> None:
    assert (shape(error).status, shape(error).code) == (status, code)
    told = body(error)["error"]
    assert set(told) == {"message", "type", "param", "code"}
    assert error.message.removeprefix("config.") in told["message"]


def test_a_stages_field_is_called_as_it_is_here() -> None:
    told = body(InvalidArgument("config.voice", "is not known", "ada"))["error"]
    assert (told["param"], told["message"]) == (
        "voice",
        "voice: is not known; allowed: ada",
    )


def test_retry_after_is_told_in_whole_seconds_never_too_few() -> None:
    assert to_response(Full("full", retry_after=1.2)).headers["Retry-After"] == "2"
    assert "Retry-After" not in to_response(Unavailable("gone")).headers


def test_what_http_refuses_by_itself_has_the_same_shape() -> None:
    refused = of_http(web.HTTPMethodNotAllowed("GET", ["POST"]), "GET /v1/audio/speech")
    assert refused.status == 405
    assert refused.headers["Allow"] == "POST"
    assert b'"code": "method_not_allowed"' in refused.body  # type: ignore[operator]
    assert b"the method may be POST" in refused.body  # type: ignore[operator]


def test_a_sentence_is_a_segment() -> None:
    found = segments(
        [
            passage(
                ("Good", 1.0, 1.2),
                ("morning,", 1.2, 1.5),
                ("Mr.", 1.5, 1.6),
                ("Wu.", 1.6, 2.0),
                ("How", 2.2, 2.3),
                ("are", 2.3, 2.4),
                ("you?", 2.4, 2.8),
                ("Well", 4.0, 4.5),
            )
        ]
    )
    assert [segment.text for segment in found] == [
        "Good morning, Mr. Wu.",
        "How are you?",
        "Well",
    ]
    assert [(s.start, s.end) for s in found] == [(1.0, 2.0), (2.2, 2.8), (4.0, 4.5)]


def test_a_long_sentence_is_divided_before_it_stands_too_long() -> None:
    words = [(f"w{n}", float(n), n + 0.9) for n in range(1, 21)]
    found = segments([passage(*words)])
    assert len(found) > 1
    assert all(segment.end - segment.start <= 7.0 for segment in found)


def test_a_script_without_spaces_gets_none() -> None:
    found = segments([passage(("你", 1.0, 1.2), ("好。", 1.2, 1.5), text="你好。")])
    assert [segment.text for segment in found] == ["你好。"]


def test_a_passage_whose_words_have_no_times_stays_whole() -> None:
    [segment] = segments([passage(text="Good morning. How are you?")])
    assert (segment.start, segment.end) == (1.0, 9.0)
    assert segment.confidence == 0.25


def test_a_verbose_segment_has_what_whispers_users_look_for() -> None:
    [segment] = segments([passage(("Hello", 1.23456, 2.0))])
    told = to_verbose(3, segment)
    assert (told["id"], told["start"], told["seek"]) == (3, 1.235, 123)
    assert told["avg_logprob"] == pytest.approx(-0.693, abs=0.001)


def test_subtitles_tell_hours_and_thousandths() -> None:
    late = Passage(3723.004, 3725.5, Transcript("a <b> --> c"))
    assert to_srt(segments([late])) == (
        "1\n01:02:03,004 --> 01:02:05,500\na <b> --> c\n\n"
    )
    assert to_vtt(segments([late])) == (
        "WEBVTT\n\n01:02:03.004 --> 01:02:05.500\na &lt;b> --&gt; c\n\n"
    )


@pytest.mark.parametrize("form", MEDIA_TYPES)
def test_a_file_does_not_depend_on_how_its_audio_was_cut(form: str) -> None:
    samples = speech(0.7)[: 24_000 * 2 // 2]

    def encoded(size: int) -> bytes:
        file = encoder(form)
        pieces = [
            file.push(samples[start : start + size])
            for start in range(0, len(samples), size)
        ]
        return b"".join(pieces) + file.finish()

    assert len(encoded(1920)) > 100
    assert len(encoded(480)) == len(encoded(1920))


@pytest.mark.parametrize("form", MEDIA_TYPES)
def test_a_file_of_no_audio_has_an_end(form: str) -> None:
    file = encoder(form)
    assert isinstance(file.finish(), bytes)


def test_a_recording_that_is_too_long_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(decoding, "LONGEST_RECORDING", 6.0)
    long = bytearray(as_file(speech(12.0), "flac", "flac", RATE))
    with pytest.raises(InvalidArgument, match="too long"):
        Decoder(io.BytesIO(long)).next()
    # The same of unknown length (RFC 9639, 8.2): the last 36 bits before the sum of the samples.
    long[21] &= 0xF0
    long[22:26] = bytes(4)
    decoder = Decoder(io.BytesIO(long))
    assert len(decoder.next()) >= 5 * 2 * RATE
    with pytest.raises(InvalidArgument, match="too long"):
        decoder.next()


def test_a_recording_that_is_cut_off_is_read_as_far_as_it_goes() -> None:
    whole = as_wav(speech(2.0))
    decoder = Decoder(io.BytesIO(whole[: len(whole) // 2]))
    assert len(decoder.next()) == pytest.approx(RATE * 2, rel=0.05)
    assert decoder.next() == b""
    decoder.close()


@pytest.mark.parametrize("fields", [ChatRequest, SpeechRequest, TranscriptionForm])
def test_the_page_names_every_field(fields: type[Body]) -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall("`([a-z_]+)`", row)}
    assert set(fields.model_fields) <= named


@pytest.mark.parametrize("looks", [*SHAPES.values(), *OF_EXHAUSTION])
def test_the_page_names_every_error(looks: Shape) -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    # Nobody is there to read that a client has left.
    assert looks.status == 499 or any(
        f"| {looks.status} | `{looks.type}` | " in row and f"`{looks.code}`" in row
        for row in rows
    )
