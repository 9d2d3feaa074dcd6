import json
from typing import Any

import pytest

from antiphon.v1 import llm_pb2
from gateway.fronts.realtime.fields import RealtimeSession
from gateway.fronts.realtime.formats import HEARING_RATE, AudioFormatSpec
from gateway.fronts.realtime.wishes import (
    input_format,
    output_format,
)
from tests.unit.realtime.stages import (
    SETTINGS,
    UNKNOWN,
    able,
    listening,
    options,
    session,
    speaking,
    told,
    wrong,
)

# --- transcription ----------------------------------------------------------------------------------------


def test_partials_are_heard_where_they_are_told() -> None:
    assert options(listening(transcription={"model": "whisper-1"})).policy.partials
    assert options(session({"antiphon": {"partials": True}})).policy.partials


@pytest.mark.parametrize(
    ("asked", "spoken"), [("en", "en"), ("DE", "de"), ("en-US", "en"), ("auto", "auto")]
)
def test_a_language_is_the_recognizers_or_a_kind_of_it(asked: str, spoken: str) -> None:
    made = options(listening(transcription={"language": asked}))
    assert made.language == spoken


def test_a_recognizer_of_one_language_finds_out_no_other() -> None:
    abilities = able()
    assert abilities.stt is not None
    abilities.stt.languages[:] = ["en"]
    assert (
        options(listening(transcription={"language": "auto"}), abilities).language == ""
    )


def test_answers_are_spoken_in_the_language_that_is_heard_where_the_voice_can() -> None:
    asked = {
        "audio": {
            "input": {"transcription": {"language": "de"}},
            "output": {"voice": "thorsten"},
        }
    }
    abilities = able()
    assert abilities.tts is not None
    abilities.tts.voices[1].languages[:] = ["de"]
    assert options(session(asked), abilities).reply_language == "de"


def test_a_language_that_nobody_understands_is_refused_with_the_list() -> None:
    error = wrong(listening(transcription={"language": "fr"}))
    assert error.param == "session.audio.input.transcription.language"
    assert "auto, en, de" in error.message


def test_keywords_and_the_phrases_of_a_prompt_are_hints() -> None:
    made = options(
        listening(
            transcription={
                "prompt": "Antiphon, Reachy Mini\nCerebras,, ",
                "keywords": ["Piper", "Antiphon"],
            }
        ),
        able(hints=True),
    )
    assert made.hints == ("Piper", "Antiphon", "Reachy Mini", "Cerebras")


def test_hints_are_refused_where_the_recognizer_takes_none() -> None:
    error = wrong(listening(transcription={"prompt": "Antiphon"}))
    assert error.code == "not_supported"
    assert error.param == "session.audio.input.transcription.prompt"
    assert not options(listening(transcription={"prompt": ""})).hints


@pytest.mark.parametrize("prompt", ["x" * 101, ",".join(map(str, range(65)))])
def test_hints_that_are_too_many_or_too_long_are_refused(prompt: str) -> None:
    error = wrong(listening(transcription={"prompt": prompt}), able(hints=True))
    assert "64 of 100 characters" in error.message


# --- names ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [None, "gpt-realtime", "gpt-4o-realtime-preview"])
def test_a_stock_model_is_the_default(name: str | None) -> None:
    assert options(session({"model": name})).model in ("", "default")


def test_an_alias_of_a_model_is_that_model() -> None:
    assert options(session({"model": "clever"})).model == "clever"


def test_a_model_that_nobody_has_is_refused_with_those_there_are() -> None:
    error = wrong(session({"model": "llama"}))
    assert (error.code, error.param) == ("model_not_found", "session.model")
    assert "default, clever" in error.message


@pytest.mark.parametrize("name", [None, "alloy", "marin", "cedar", "Aiden", "Ono_Anna"])
def test_a_voice_that_stock_clients_name_unasked_is_the_default(
    name: str | None,
) -> None:
    assert options(speaking(voice=name)).voice == ""
    assert told(speaking(voice=name))["audio"]["output"]["voice"] == "amy"


@pytest.mark.parametrize("voice", ["thorsten", {"id": "thorsten"}])
def test_a_voice_of_the_stage_is_that_voice(voice: Any) -> None:
    assert options(speaking(voice=voice)).voice == "thorsten"


def test_a_robots_voice_is_the_stages_where_it_has_it() -> None:
    abilities = able()
    assert abilities.tts is not None
    abilities.tts.voices.add(name="Aiden", languages=["en"])
    assert options(speaking(voice="Aiden"), abilities).voice == "Aiden"


def test_a_voice_that_nobody_has_is_refused_with_those_there_are() -> None:
    error = wrong(speaking(voice="bob"))
    assert error.param == "session.audio.output.voice"
    assert "amy, thorsten" in error.message


def test_stages_that_could_not_be_asked_refuse_for_themselves() -> None:
    asked = session(
        {
            "model": "llama",
            "audio": {
                "input": {"transcription": {"language": "fr", "prompt": "x"}},
                "output": {"voice": "bob", "speed": 1.5},
            },
        }
    )
    made = options(asked, UNKNOWN)
    assert (made.model, made.voice, made.language) == ("llama", "bob", "fr")
    assert made.hints == ("x",)
    assert told(RealtimeSession(), UNKNOWN)["audio"]["output"]["voice"] == "default"


# --- audio ------------------------------------------------------------------------------------------------


def test_a_format_without_a_rate_has_the_one_that_is_set() -> None:
    asked = listening(format={"type": "audio/pcm", "rate": None})
    assert input_format(asked, 16_000) == AudioFormatSpec("audio/pcm", 16_000)
    assert output_format(asked) == AudioFormatSpec("audio/pcm", 24_000)
    asked = listening(format={"type": "audio/pcm", "rate": 24_000})
    assert input_format(asked, 16_000).rate == 24_000
    asked = listening(format={"type": "audio/pcmu"})
    assert input_format(asked, 16_000) == AudioFormatSpec("audio/pcmu", 8_000)


def test_the_gateway_hears_at_one_rate_and_speaks_at_the_wires() -> None:
    asked = session(
        {
            "audio": {
                "input": {"format": {"type": "audio/pcma"}},
                "output": {"format": {"type": "audio/pcm", "rate": 48_000}},
            }
        }
    )
    made = options(asked)
    assert made.input_rate == HEARING_RATE
    assert made.output_rate == 48_000
    assert options(speaking(format={"type": "audio/pcmu"})).output_rate == 8_000


def test_a_voice_with_one_speed_is_not_asked_for_another() -> None:
    error = wrong(speaking(speed=1.3))
    assert error.param == "session.audio.output.speed"
    assert "1.0" in error.message
    assert options(speaking(speed=1.0)).speed == 1.0
    assert options(speaking(speed=1.3), able(speed=True)).speed == 1.3


# --- the model --------------------------------------------------------------------------------------------


def test_instructions_are_the_clients_or_the_gateways_or_none() -> None:
    assert options(RealtimeSession()).instructions == SETTINGS.instructions
    assert (
        options(session({"instructions": None})).instructions == SETTINGS.instructions
    )
    assert options(session({"instructions": "Hi."})).instructions == "Hi."
    assert options(session({"instructions": ""})).instructions == ""


def test_tokens_are_as_many_as_asked_for() -> None:
    assert options(RealtimeSession()).sampling.max_tokens == SETTINGS.max_tokens
    assert options(session({"max_output_tokens": 7})).sampling.max_tokens == 7


@pytest.mark.parametrize(("context", "most"), [(8_192, 2_048), (100_000, 4_096)])
def test_infinite_tokens_leave_room_for_what_was_said(context: int, most: int) -> None:
    asked = session({"max_output_tokens": "inf", "temperature": 0.25})
    made = options(asked, able(context=context))
    assert made.sampling.max_tokens == most
    assert made.sampling.temperature == 0.25
    assert told(asked)["max_output_tokens"] == "inf"


def test_tools_and_the_choice_among_them_reach_the_model() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    tool = {"type": "function", "name": "f", "description": "d", "parameters": schema}
    made = options(session({"tools": [tool], "tool_choice": "required"}))
    assert made.tools[0].name == "f"
    assert made.tools[0].description == "d"
    assert json.loads(made.tools[0].parameters_json) == schema
    assert made.tool_choice is not None
    assert made.tool_choice.mode == llm_pb2.TOOL_CHOICE_MODE_REQUIRED
    choice = {"type": "function", "name": "f"}
    made = options(session({"tools": [tool], "tool_choice": choice}))
    assert made.tool_choice == llm_pb2.ToolChoice(tool="f")


@pytest.mark.parametrize(
    ("update", "param"),
    [
        ({"tools": [{"name": "a b"}]}, "session.tools[0].name"),
        ({"tools": [{"name": "f"}, {"name": "f"}]}, "session.tools[1].name"),
        ({"tool_choice": {"name": "g"}}, "session.tool_choice.name"),
        ({"tool_choice": "required"}, "session.tool_choice"),
    ],
)
def test_tools_that_cannot_be_are_refused_at_once(
    update: dict[str, Any], param: str
) -> None:
    error = wrong(session(update))
    assert (error.code, error.param) == ("invalid_value", param)


def test_a_model_that_calls_no_tools_is_offered_none() -> None:
    error = wrong(session({"tools": [{"name": "f"}]}), able(tools=False))
    assert error.param == "session.tools"
