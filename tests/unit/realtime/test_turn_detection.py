import pytest

from gateway.conversation.endpointing import WAITS
from gateway.conversation.values import (
    Eagerness,
    Endpointing,
    Interrupt,
)
from gateway.fronts.realtime.fields import RealtimeSession
from gateway.settings import GatewaySettings
from tests.unit.realtime.stages import (
    SETTINGS,
    detecting,
    listening,
    options,
    session,
)


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
