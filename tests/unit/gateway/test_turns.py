"""Turn-taking and initiative as a client asks for them: checked, and with every default filled in."""

import pytest
from google.protobuf.duration_pb2 import Duration
from hypothesis import given
from hypothesis import strategies as st

from antiphon.v1 import conversation_pb2 as pb
from gateway.conversation import commands as c
from gateway.conversation import events as e
from gateway.conversation.endpointing import WAITS
from gateway.conversation.values import (
    Eagerness,
    Endpointing,
    Idle,
    Initiative,
    Interrupt,
    TurnTaking,
)
from gateway.fronts.codec import to_event, to_response
from gateway.fronts.config import to_options
from gateway.fronts.turns import to_message, to_turns
from gateway.options import Options
from gateway.settings import GatewaySettings
from gateway.stages.directory import Abilities
from services.runtime.errors import InvalidArgument
from services.runtime.units import to_duration, to_seconds

DEFAULT = GatewaySettings().turns()
NOBODY = Abilities(None, None, None)


def options(settings: GatewaySettings | None = None, **config: object) -> Options:
    return to_options(
        pb.ConversationConfig(**config), settings or GatewaySettings(), NOBODY
    )


def turns(default: TurnTaking = DEFAULT, **asked: object) -> TurnTaking:
    return to_turns("turn_taking", pb.TurnTaking(**asked), default)


def predicted(default: TurnTaking = DEFAULT, **asked: object) -> TurnTaking:
    return turns(default, predicted=pb.PredictedEndpointing(**asked))


def s(seconds: float) -> Duration:
    return to_duration(seconds)


# --- defaults ---------------------------------------------------------------------------------------------


def test_nothing_asked_for_is_the_gateways_own() -> None:
    assert turns() == DEFAULT
    assert DEFAULT.endpointing is Endpointing.PREDICTED
    assert DEFAULT.eagerness is Eagerness.AUTO
    assert (DEFAULT.min_wait, DEFAULT.max_wait) == WAITS[Eagerness.AUTO]
    assert DEFAULT.interrupt is Interrupt.SPEECH
    assert predicted() == DEFAULT


@pytest.mark.parametrize("eagerness", list(Eagerness))
def test_an_eagerness_brings_its_waits(eagerness: Eagerness) -> None:
    number = pb.Eagerness.Value(f"EAGERNESS_{eagerness.name}")
    found = predicted(eagerness=number)
    assert (found.min_wait, found.max_wait) == WAITS[eagerness]
    assert found.eagerness is eagerness


def test_an_eagerness_brings_its_waits_whatever_the_gateway_has() -> None:
    gateway = GatewaySettings(min_wait=1.0, max_wait=9.0).turns()
    assert (gateway.min_wait, gateway.max_wait) == (1.0, 9.0)
    high = predicted(gateway, eagerness=pb.EAGERNESS_HIGH)
    assert (high.min_wait, high.max_wait) == WAITS[Eagerness.HIGH]
    assert predicted(gateway) == gateway


def test_a_wait_that_is_asked_for_stands_and_the_other_follows() -> None:
    found = predicted(eagerness=pb.EAGERNESS_LOW, min_wait=s(0.3))
    assert (found.min_wait, found.max_wait) == pytest.approx((0.3, 4.0))
    found = predicted(max_wait=s(0.3))
    assert (found.min_wait, found.max_wait) == pytest.approx((0.3, 0.3))


def test_prediction_has_its_waits_where_the_gateway_goes_by_silence() -> None:
    gateway = GatewaySettings(endpointing="silence", eagerness="low").turns()
    found = predicted(gateway)
    assert found.endpointing is Endpointing.PREDICTED
    assert (found.min_wait, found.max_wait) == WAITS[Eagerness.LOW]


def test_a_silence_is_the_gateways_unless_asked_for() -> None:
    gateway = GatewaySettings(silence=0.8).turns()
    assert turns(gateway, silence={}).silence == 0.8
    assert turns(gateway, silence={"silence": s(1.5)}).silence == 1.5
    assert turns(gateway, silence={}).endpointing is Endpointing.SILENCE


def test_interruption_is_the_gateways_unless_asked_for() -> None:
    gateway = GatewaySettings(interrupt="words").turns()
    assert turns(gateway, manual={}).interrupt is Interrupt.WORDS
    asked = turns(gateway, manual={}, interrupt=pb.INTERRUPT_POLICY_NEVER)
    assert (asked.endpointing, asked.interrupt) == (
        Endpointing.MANUAL,
        Interrupt.NEVER,
    )


@pytest.mark.parametrize(
    ("number", "interrupt"),
    [
        (pb.INTERRUPT_POLICY_UNSPECIFIED, Interrupt.SPEECH),
        (pb.INTERRUPT_POLICY_SPEECH, Interrupt.SPEECH),
        (pb.INTERRUPT_POLICY_NEVER, Interrupt.NEVER),
        (pb.INTERRUPT_POLICY_ALWAYS, Interrupt.ALWAYS),
        (pb.INTERRUPT_POLICY_WORDS, Interrupt.WORDS),
    ],
)
def test_every_interrupt_policy_has_its_word(number: int, interrupt: Interrupt) -> None:
    assert turns(interrupt=number).interrupt is interrupt


waits = st.tuples(st.floats(0.1, 5.0), st.floats(0.1, 5.0)).map(sorted)


@given(
    st.sampled_from(list(Endpointing)),
    st.sampled_from(list(Eagerness)),
    st.sampled_from(list(Interrupt)),
    waits,
    st.floats(0.1, 5.0),
)
def test_what_a_client_is_told_asks_for_the_same_again(
    endpointing: Endpointing,
    eagerness: Eagerness,
    interrupt: Interrupt,
    between: list[float],
    silence: float,
) -> None:
    asked = TurnTaking(endpointing, silence, eagerness, *between, interrupt)
    told = to_message(asked)
    assert told.WhichOneof("endpointing") == endpointing.value
    assert to_message(to_turns("turn_taking", told, DEFAULT)) == told


@given(
    st.builds(
        pb.PredictedEndpointing,
        eagerness=st.integers(0, 4),
        min_wait=st.none() | st.floats(-1, 6).map(to_duration),
        max_wait=st.none() | st.floats(-1, 11).map(to_duration),
    )
)
def test_what_is_taken_is_always_within_the_contract(
    asked: pb.PredictedEndpointing,
) -> None:
    try:
        found = turns(predicted=asked)
    except InvalidArgument as error:
        assert error.field.startswith("turn_taking.predicted.m")
        return
    assert 0.1 <= found.min_wait <= min(5.0, found.max_wait)
    assert found.max_wait <= 10.0


# --- what is refused --------------------------------------------------------------------------------------


def refused(**config: object) -> str:
    with pytest.raises(InvalidArgument) as error:
        options(**config)
    return f"{error.value.field}: {error.value.message}"


OUTSIDE = [s(0.0), s(0.099), s(-1.0), Duration(seconds=1, nanos=-5), s(10**6)]


@pytest.mark.parametrize("value", [*OUTSIDE, s(5.001)])
@pytest.mark.parametrize(
    ("path", "kind"), [("silence", "silence"), ("min_wait", "predicted")]
)
def test_a_wait_outside_its_range_is_named_with_its_range(
    value: Duration, path: str, kind: str
) -> None:
    problem = refused(turn_taking={kind: {path: value}})
    assert problem.startswith(f"config.turn_taking.{kind}.{path}: ")
    assert "0.1 s to 5 s" in problem


@pytest.mark.parametrize("value", [*OUTSIDE, s(10.001)])
def test_the_longest_wait_outside_its_range_is_named_with_its_range(
    value: Duration,
) -> None:
    problem = refused(turn_taking={"predicted": {"max_wait": value}})
    assert problem.startswith("config.turn_taking.predicted.max_wait: ")
    assert "0.1 s to 10 s" in problem


@pytest.mark.parametrize(
    "asked", [{"min_wait": s(2.0), "max_wait": s(1.0)}, {"min_wait": s(3.0)}]
)
def test_a_shortest_wait_beyond_the_longest_is_named_with_the_longest(
    asked: dict[str, Duration],
) -> None:
    problem = refused(turn_taking={"predicted": asked})
    assert problem.startswith("config.turn_taking.predicted.min_wait: ")
    assert "at most max_wait" in problem
    longest = to_seconds(asked["max_wait"]) if "max_wait" in asked else DEFAULT.max_wait
    assert f"max_wait, {longest:g} s" in problem


@pytest.mark.parametrize(
    ("asked", "field", "allowed"),
    [
        ({"interrupt": 9}, "interrupt", "SPEECH"),
        ({"predicted": {"eagerness": 9}}, "predicted.eagerness", "MEDIUM"),
    ],
)
def test_a_word_that_nobody_knows_is_named_with_those_that_are_known(
    asked: dict[str, object], field: str, allowed: str
) -> None:
    problem = refused(turn_taking=asked)
    assert problem.startswith(f"config.turn_taking.{field}: ")
    assert "is 9" in problem
    assert allowed in problem


@pytest.mark.parametrize(
    ("config", "field", "allowed"),
    [
        ({"greeting": {}}, "config.greeting.what", "say or prompt"),
        ({"greeting": {"say": ""}}, "config.greeting.say", "1 to 4096"),
        ({"greeting": {"say": " \n"}}, "config.greeting.say", "1 to 4096"),
        ({"greeting": {"prompt": ""}}, "config.greeting.prompt", "1 to 4096"),
        ({"greeting": {"say": "x" * 4097}}, "config.greeting.say", "4096"),
        ({"greeting": {"prompt": "x" * 4097}}, "config.greeting.prompt", "4096"),
        ({"idle": {}}, "config.idle.after", "1 s to 3600 s"),
        ({"idle": {"after": s(0.999)}}, "config.idle.after", "1 s to 3600 s"),
        ({"idle": {"after": s(3600.1)}}, "config.idle.after", "1 s to 3600 s"),
        ({"idle": {"after": s(-1.0)}}, "config.idle.after", "1 s to 3600 s"),
        ({"idle": {"after": s(10**6)}}, "config.idle.after", "1 s to 3600 s"),
        ({"idle": {"after": s(5.0)}}, "config.idle.what.what", "say or prompt"),
        (
            {"idle": {"after": s(5.0), "what": {"say": ""}}},
            "config.idle.what.say",
            "1 to 4096",
        ),
        (
            {"idle": {"after": s(5.0), "what": {"say": "x"}, "most": 101}},
            "config.idle.most",
            "at most 100",
        ),
    ],
)
def test_initiative_that_is_not_allowed_is_named_with_what_is(
    config: dict[str, object], field: str, allowed: str
) -> None:
    problem = refused(**config)
    assert problem.startswith(f"{field}: ")
    assert allowed in problem


# --- initiative -------------------------------------------------------------------------------------------


def test_no_initiative_is_the_default() -> None:
    policy = options().policy
    assert (policy.greeting, policy.idle) == (None, None)


@pytest.mark.parametrize("length", [1, 4096])
def test_a_greeting_is_taken_as_it_is(length: int) -> None:
    text = "x" * length
    assert options(greeting={"say": text}).policy.greeting == Initiative(say=text)
    found = options(greeting={"prompt": text}).policy.greeting
    assert found == Initiative(prompt=text)


@pytest.mark.parametrize(("after", "most", "times"), [(1.0, 0, 1), (3600.0, 100, 100)])
def test_idle_prompts_are_taken_with_their_default(
    after: float, most: int, times: int
) -> None:
    idle = {"after": s(after), "what": {"say": "Hello?"}, "most": most}
    found = options(idle=idle).policy.idle
    assert found == Idle(after, Initiative(say="Hello?"), times)


def test_settings_that_contradict_each_other_leave_waits_in_order() -> None:
    turns = GatewaySettings(min_wait=3.0, max_wait=1.0).turns()
    assert (turns.min_wait, turns.max_wait) == (1.0, 1.0)


# --- a change while it runs -------------------------------------------------------------------------------


def test_a_change_is_an_event_with_defaults_filled_in() -> None:
    request = pb.ConverseRequest(turn_taking={"manual": {}})
    event = to_event(request, False, DEFAULT)
    assert isinstance(event, e.TurnTakingChanged)
    assert event.turns.endpointing is Endpointing.MANUAL
    assert event.turns.interrupt is Interrupt.SPEECH


def test_a_change_that_is_not_allowed_is_named_by_its_own_message() -> None:
    request = pb.ConverseRequest(turn_taking={"silence": {"silence": s(9.0)}})
    with pytest.raises(InvalidArgument) as error:
        to_event(request, False, DEFAULT)
    assert error.value.field == "turn_taking.silence.silence"


def test_a_change_is_confirmed_with_every_default_filled_in() -> None:
    told = to_response(c.TellTurnTaking(DEFAULT)).turn_taking
    assert told == pb.TurnTaking(
        predicted={
            "eagerness": pb.EAGERNESS_AUTO,
            "min_wait": s(DEFAULT.min_wait),
            "max_wait": s(DEFAULT.max_wait),
        },
        interrupt=pb.INTERRUPT_POLICY_SPEECH,
    )


@pytest.mark.parametrize("ducked", [True, False])
def test_a_duck_is_told_with_its_turn(ducked: bool) -> None:
    told = to_response(c.TellDucked(3, ducked)).reply_ducked
    assert (told.turn, told.ducked) == (3, ducked)
