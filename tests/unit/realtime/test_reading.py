import base64
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.fronts.realtime import schema
from gateway.fronts.realtime.errors import WireError
from gateway.fronts.realtime.schema import parse
from tests.unit.realtime.events import EVENTS, JSON, places, wrong


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("{'type': 'x'}", "not JSON"),
        ("[]", "no JSON object"),
        ("null", "no JSON object"),
        ('"text"', "no JSON object"),
        (b"\xff\xfe", "UTF-8"),
        ('{"type": "session.update", "session": {}, "session": {}}', "twice"),
        ('{"type": "session.update", "session": {"a": NaN}}', "NaN"),
        ('{"type": "session.update", "session": {"a": -Infinity}}', "Infinity"),
        ('{"type": "session.update", "session": {"a": 1e999}}', "without end"),
        ('{"type": "session.update", "session": {"a": %s}}' % ("9" * 30), "64 bits"),
        ('{"type": "session.update", "session": {"a": %s}}' % ("9" * 9_999), "digits"),
        (
            '{"type": "session.update", "session": {"a": "\\ud800"}}',
            "surrogate",
        ),
        ('{"type": "session.update", "session": {"\\udfff": 1}}', "surrogate"),
        ("[" * 1_000_000, "nested"),
        (
            '{"type": "session.update", "session": {"a": [%s0]}}' % ("0," * 60_000),
            "10000",
        ),
        (
            '{"type": "session.update", "session": {"a": [%s0]}}' % ("{}," * 200_000),
            "10000",
        ),
        (
            json.dumps(dict.fromkeys(map(str, range(5_000)), 0))[:-1] + ', "7": 0}',
            "twice",
        ),
        ('{"a":' * 40_000, "nested"),
        (
            '{"type": "session.update", "session": ' + "[" * 70 + "]" * 70 + "}",
            "nested",
        ),
    ],
    ids=range(21),
)
def test_what_is_not_json_or_nobody_could_pass_on_is_refused(
    message: str | bytes, problem: str
) -> None:
    error = wrong(message)
    assert error.code == "invalid_json"
    assert problem in error.message
    assert "one JSON object" in error.message
    assert len(error.message) < 300


def test_an_event_that_is_not_json_all_through_is_still_named() -> None:
    text = '{"event_id": "mine", "type": "session.update", "session": {"a": 1e999}}'
    assert wrong(text).event_id == "mine"


@pytest.mark.parametrize("event_id", [7, "\ud800", "x" * 513, ["mine"]])
@pytest.mark.parametrize("event", [EVENTS[0], EVENTS[1]], ids=lambda e: e["type"])
def test_an_event_id_that_cannot_be_sent_back_is_refused(
    event: dict[str, Any], event_id: Any
) -> None:
    error = wrong({**event, "event_id": event_id})
    assert error.event_id is None
    json.dumps(error.to_event("event_1")).encode()


@pytest.mark.parametrize("audio", ["A", "AAA", "AA==A", "AA A", "AA\nAA", "_-8=", "é"])
def test_audio_that_is_not_base64_is_refused(audio: str) -> None:
    error = wrong({"type": "input_audio_buffer.append", "audio": audio})
    assert (error.code, error.param) == ("invalid_value", "audio")
    assert "RFC 4648" in error.message


def test_audio_comes_out_as_it_went_in() -> None:
    audio = bytes(range(256))
    text = base64.b64encode(audio).decode()
    event = parse(json.dumps({"type": "input_audio_buffer.append", "audio": text}))
    assert event == schema.AudioAppend(audio)


def test_more_audio_than_the_protocol_allows_at_once_is_refused() -> None:
    audio = "A" * (15 * 1024 * 1024 + 4)
    error = wrong({"type": "input_audio_buffer.append", "audio": audio})
    assert error.param == "audio"
    assert "at most 15728640" in error.message


@given(st.sampled_from(EVENTS), st.data())
def test_an_event_with_anything_anywhere_is_read_or_refused(
    event: dict[str, Any], data: st.DataObject
) -> None:
    event = json.loads(json.dumps(event))
    container, key = data.draw(st.sampled_from(places(event)))
    container[key] = data.draw(JSON)
    read_or_refused(json.dumps(event))


@given(JSON)
@example({})
def test_anything_is_read_or_refused(value: Any) -> None:
    read_or_refused(json.dumps(value))
    read_or_refused(json.dumps({"type": "response.create", "response": value}))


@given(st.text() | st.binary())
def test_any_bytes_are_refused(message: str | bytes) -> None:
    read_or_refused(message)


def read_or_refused(message: str | bytes) -> None:
    try:
        parse(message)
    except WireError as error:
        json.dumps(error.to_event("event_1"), allow_nan=False).encode()
        assert len(error.message) <= 1_000
        assert len(error.param or "") <= 200
