import json
from typing import Any

import pytest
from openai.types.realtime import SessionCreatedEvent

from antiphon.v1 import llm_pb2
from gateway.conversation.endpointing import WAITS
from gateway.conversation.values import (
    Eagerness,
    Endpointing,
    Interrupt,
    Item,
    Speaker,
    Wish,
)
from gateway.fronts.realtime.errors import WireError
from gateway.fronts.realtime.fields import RealtimeSession
from gateway.fronts.realtime.formats import HEARING_RATE, AudioFormatSpec
from gateway.fronts.realtime.new_items import InputItem
from gateway.fronts.realtime.schema import ResponseCreate, parse
from gateway.fronts.realtime.wishes import (
    input_format,
    output_format,
    response_session,
    session_object,
    to_options,
    to_wish,
)
from gateway.options import Options
from gateway.settings import GatewaySettings
from gateway.stages.directory import Abilities
from tests.unit.realtime.stages import SETTINGS, UNKNOWN, able


def session(update: dict[str, Any]) -> RealtimeSession:
    return RealtimeSession().merged(update)


def listening(**fields: Any) -> RealtimeSession:
    return session({"audio": {"input": fields}})


def speaking(**fields: Any) -> RealtimeSession:
    return session({"audio": {"output": fields}})


def detecting(type: str, **fields: Any) -> RealtimeSession:
    return listening(turn_detection={"type": type, **fields})


def options(
    asked: RealtimeSession,
    abilities: Abilities | None = None,
    settings: GatewaySettings = SETTINGS,
) -> Options:
    return to_options(asked, settings, abilities or able())


def wrong(asked: RealtimeSession, abilities: Abilities | None = None) -> WireError:
    with pytest.raises(WireError) as caught:
        options(asked, abilities)
    return caught.value


def told(
    asked: RealtimeSession, abilities: Abilities | None = None, rate: int = 24_000
) -> dict[str, Any]:
    said = session_object(asked, SETTINGS, abilities or able(), "sess_1", rate)
    return json.loads(json.dumps(said, allow_nan=False))


# --- turns ------------------------------------------------------------------------------------------------


def test_a_session_that_says_nothing_ends_turns_after_half_a_second() -> None:
    made = options(RealtimeSession())
    policy = made.policy
    assert policy.turns.endpointing is Endpointing.SILENCE
    assert policy.turns.silence == 0.5
    assert policy.preroll == 0.3
    assert made.voice_threshold == 0.5
    assert policy.respond
    assert policy.spoken
    assert not policy.buffered
    assert not policy.partials
    assert policy.idle is None
    assert policy.turns.interrupt is SETTINGS.interrupt


def test_server_vad_says_when_voice_begins_and_how_long_silence_lasts() -> None:
    made = options(
        detecting(
            "server_vad",
            threshold=0.7,
            prefix_padding_ms=0,
            silence_duration_ms=900,
            idle_timeout_ms=6_000,
        )
    )
    assert made.voice_threshold == 0.7
    assert made.policy.preroll == 0
    assert made.policy.turns.silence == 0.9
    assert made.policy.idle is not None
    assert made.policy.idle.after == 6
    assert made.policy.idle.what.prompt


def test_semantic_vad_predicts_the_end_as_eagerly_as_asked() -> None:
    for eagerness in Eagerness:
        turns = options(
            detecting("semantic_vad", eagerness=eagerness.value)
        ).policy.turns
        assert turns.endpointing is Endpointing.PREDICTED
        assert turns.eagerness is eagerness
        assert (turns.min_wait, turns.max_wait) == WAITS[eagerness]


def test_semantic_vad_is_as_eager_as_the_gateway_unless_asked() -> None:
    settings = GatewaySettings(
        _env_file=None, eagerness=Eagerness.HIGH, min_wait=0.3, max_wait=3.0
    )
    turns = options(detecting("semantic_vad"), settings=settings).policy.turns
    assert turns.endpointing is Endpointing.PREDICTED
    assert (turns.min_wait, turns.max_wait) == (0.3, 3.0)


def test_push_to_talk_takes_all_audio_answers_nothing_unasked_and_is_not_interrupted() -> (
    None
):
    policy = options(listening(turn_detection=None)).policy
    assert policy.turns.endpointing is Endpointing.MANUAL
    assert policy.turns.interrupt is Interrupt.NEVER
    assert policy.buffered
    assert not policy.respond


@pytest.mark.parametrize("type", ["server_vad", "semantic_vad"])
def test_no_response_is_created_where_the_client_does_that(type: str) -> None:
    policy = options(detecting(type, create_response=False)).policy
    assert not policy.respond
    assert not policy.buffered


@pytest.mark.parametrize("type", ["server_vad", "semantic_vad"])
def test_speech_into_an_answer_is_heard_where_it_is_not_to_interrupt(
    type: str,
) -> None:
    turns = options(detecting(type, interrupt_response=False)).policy.turns
    assert turns.interrupt is Interrupt.LISTEN


def test_a_client_may_interrupt_a_gateway_that_lets_nobody() -> None:
    settings = GatewaySettings(_env_file=None, interrupt=Interrupt.NEVER)
    asked = detecting("server_vad", interrupt_response=True)
    assert options(asked, settings=settings).policy.turns.interrupt is Interrupt.SPEECH
    asked = detecting("server_vad")
    assert options(asked, settings=settings).policy.turns.interrupt is Interrupt.NEVER


def test_the_results_of_tools_are_answered_when_the_client_asks() -> None:
    for asked in (RealtimeSession(), listening(turn_detection=None)):
        assert not options(asked).policy.go_on


def test_text_alone_is_not_spoken() -> None:
    assert not options(session({"output_modalities": ["text"]})).policy.spoken


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


# --- the session, told ------------------------------------------------------------------------------------

OF_THE_SERVER = ("id", "object", "expires_at")
"""Fields that a session has and no client says."""

REACHY = {
    "type": "realtime",
    "instructions": "You are a robot.",
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": None},
            "transcription": {"model": "gpt-4o-transcribe", "language": "en"},
            "turn_detection": {
                "type": "server_vad",
                "threshold": 0.6,
                "prefix_padding_ms": 300,
                "silence_duration_ms": 500,
            },
        },
        "output": {"format": {"type": "audio/pcm", "rate": None}, "voice": "cedar"},
    },
    "tools": [
        {"type": "function", "name": "dance", "description": "", "parameters": {}}
    ],
    "tool_choice": "auto",
}


def test_a_session_is_told_with_every_default_filled_in() -> None:
    said = told(RealtimeSession())
    assert SessionCreatedEvent.model_validate(
        {"type": "session.created", "event_id": "e", "session": said}
    )
    assert said["audio"]["input"]["turn_detection"] == {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 500,
        "idle_timeout_ms": None,
        "create_response": True,
        "interrupt_response": True,
    }
    assert said["audio"]["output"]["voice"] == "amy"
    assert said["instructions"] == SETTINGS.instructions
    assert said["max_output_tokens"] == SETTINGS.max_tokens
    assert said["model"] == "default"
    assert "antiphon" not in said


def test_what_a_robot_asks_for_is_told_as_it_is_done() -> None:
    said = told(session(REACHY), rate=16_000)
    heard, spoken = said["audio"]["input"], said["audio"]["output"]
    assert heard["format"] == spoken["format"] == {"type": "audio/pcm", "rate": 16_000}
    assert heard["turn_detection"]["threshold"] == 0.6
    assert heard["transcription"]["model"] == "tiny"
    assert heard["transcription"]["language"] == "en"
    assert spoken["voice"] == "amy"
    assert said["tools"] == REACHY["tools"]


def test_what_is_told_can_be_asked_for_again() -> None:
    for asked in (
        RealtimeSession(),
        session(REACHY),
        detecting("semantic_vad", eagerness="low", interrupt_response=False),
        listening(turn_detection=None),
        session({"antiphon": {"waterfall": True}, "temperature": 0.3}),
        session({"tracing": {"workflow_name": "w"}, "output_modalities": ["text"]}),
    ):
        said = told(asked)
        repeated = {name: said[name] for name in said if name not in OF_THE_SERVER}
        assert told(session(repeated)) == said


PCM = {"type": "audio/pcm", "rate": 24_000}
STOCK = {
    "@openai/agents": {
        "type": "realtime",
        "model": "gpt-realtime-2",
        "instructions": "Be short.",
        "output_modalities": ["audio"],
        "audio": {
            "input": {
                "format": PCM,
                "noise_reduction": None,
                "transcription": {"model": "gpt-4o-mini-transcribe"},
                "turn_detection": {"type": "semantic_vad"},
            },
            "output": {"format": PCM, "speed": 1},
        },
    },
    "LiveKit": {
        "type": "realtime",
        "model": "gpt-realtime",
        "output_modalities": ["audio"],
        "audio": {
            "input": {
                "format": PCM,
                "noise_reduction": None,
                "transcription": {"model": "gpt-4o-mini-transcribe"},
                "turn_detection": {
                    "type": "semantic_vad",
                    "create_response": True,
                    "eagerness": "medium",
                    "interrupt_response": True,
                },
            },
            "output": {"format": PCM, "voice": "marin", "speed": 1.0},
        },
        "max_output_tokens": "inf",
        "tool_choice": "auto",
        "tracing": None,
    },
    "Pipecat": {
        "type": "realtime",
        "model": "gpt-realtime-2",
        "audio": {
            "input": {
                "transcription": {"model": "gpt-realtime-whisper"},
                "turn_detection": {
                    "type": "server_vad",
                    "threshold": 0.5,
                    "prefix_padding_ms": 300,
                    "silence_duration_ms": 500,
                },
            }
        },
        "tools": [],
    },
    "Reachy Mini": REACHY,
}
"""What stock clients send when they connect, with their defaults."""


@pytest.mark.parametrize("name", STOCK)
def test_what_stock_clients_send_unasked_is_taken(name: str) -> None:
    made = options(session(STOCK[name]))
    assert (made.model, made.voice) == ("default", "")
    assert made.policy.respond
    assert made.policy.partials
    assert told(session(STOCK[name]))["audio"]["output"]["voice"] == "amy"


# --- responses --------------------------------------------------------------------------------------------


def response(**fields: Any) -> ResponseCreate:
    event = parse(json.dumps({"type": "response.create", "response": fields}))
    assert isinstance(event, ResponseCreate)
    return event


def item_of(item: InputItem, param: str) -> Item:
    return Item(item.id or param, Speaker.USER)


def wish(
    event: ResponseCreate, asked: RealtimeSession | None = None
) -> tuple[Wish, Options | None]:
    asked = asked or RealtimeSession()
    return to_wish(event, 3, asked, SETTINGS, able(), item_of)


def test_a_response_that_says_nothing_is_as_the_session() -> None:
    assert wish(ResponseCreate(type="response.create")) == (Wish(3), None)
    assert wish(response()) == (Wish(3), None)


def test_a_response_has_its_own_instructions_modality_and_items() -> None:
    made, own = wish(
        response(
            instructions="Whisper.",
            output_modalities=["text"],
            input=[
                {"type": "item_reference", "id": "a"},
                {
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_text", "text": "x"}],
                },
            ],
        )
    )
    assert made.instructions == "Whisper."
    assert made.spoken is False
    assert made.items is not None
    assert [item.id for item in made.items] == ["a", "response.input[1]"]
    assert own is None


def test_a_response_without_any_input_reads_nothing() -> None:
    assert wish(response(input=[]))[0].items == ()


def test_a_response_has_its_own_tools_tokens_voice_and_format() -> None:
    asked = session({"tools": [{"name": "f"}], "instructions": "Be kind."})
    event = response(
        tools=[{"type": "function", "name": "g"}],
        tool_choice="required",
        max_output_tokens=9,
        temperature=0.5,
        audio={"output": {"voice": "thorsten", "format": {"type": "audio/pcmu"}}},
    )
    _, own = wish(event, asked)
    assert own is not None
    assert [tool.name for tool in own.tools] == ["g"]
    assert (own.sampling.max_tokens, own.sampling.temperature) == (9, 0.5)
    assert own.tool_choice is not None
    assert own.tool_choice.mode == llm_pb2.TOOL_CHOICE_MODE_REQUIRED
    assert (own.voice, own.output_rate) == ("thorsten", 8_000)
    assert own.instructions == "Be kind."
    changed = response_session(event, asked)
    assert output_format(changed) == AudioFormatSpec("audio/pcmu", 8_000)
    assert output_format(asked).rate == 24_000


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"audio": {"output": {"voice": "bob"}}}, "response.audio.output.voice"),
        ({"tool_choice": {"name": "g"}}, "response.tool_choice.name"),
        ({"tools": [{"name": ""}]}, "response.tools[0].name"),
    ],
)
def test_an_error_in_a_response_names_the_response(
    fields: dict[str, Any], param: str
) -> None:
    with pytest.raises(WireError) as caught:
        wish(response(**fields))
    assert caught.value.param == param
