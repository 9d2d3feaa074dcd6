"""When it is whose turn, as options and in the words of the contract."""

from typing import Any

import pytest

from antiphon.cli.turns import BadTurns, Turns
from antiphon.cli.wishes import Wishes, to_turn_taking
from antiphon.v1 import conversation_pb2 as pb
from services.runtime.units import to_duration


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (
            {"mode": "push-to-talk", "eagerness": "high"},
            ("--eagerness", "push-to-talk"),
        ),
        ({"mode": "push-to-talk", "silence": 1.0}, ("--silence", "push-to-talk")),
        ({"mode": "silence", "min_wait": 0.3}, ("--min-wait", "--turn-taking silence")),
        ({"mode": "silence", "max_wait": 3.0}, ("--max-wait", "--turn-taking silence")),
        ({"mode": "predicted", "silence": 1.0}, ("--silence", "predicted")),
        ({"silence": 1.0, "eagerness": "low"}, ("--eagerness", "--silence")),
        ({"min_wait": 2.0, "max_wait": 1.0}, ("--min-wait 2", "--max-wait 1")),
    ],
)
def test_options_that_contradict_each_other_are_named(
    options: dict[str, Any], names: tuple[str, str]
) -> None:
    with pytest.raises(BadTurns) as refused:
        Turns(**options)
    for name in names:
        assert name in str(refused.value)


@pytest.mark.parametrize(
    ("options", "mode"),
    [
        ({}, None),
        ({"interrupt": "never"}, None),
        ({"silence": 0.5}, "silence"),
        ({"eagerness": "auto"}, "predicted"),
        ({"min_wait": 0.5}, "predicted"),
        ({"max_wait": 0.5}, "predicted"),
        ({"mode": "push-to-talk", "interrupt": "words"}, "push-to-talk"),
        ({"min_wait": 1.0, "max_wait": 1.0}, "predicted"),
    ],
)
def test_the_options_of_a_mode_choose_it(
    options: dict[str, Any], mode: str | None
) -> None:
    assert Turns(**options).mode == mode


def test_the_contract_is_told_what_was_chosen_and_nothing_else() -> None:
    assert to_turn_taking(
        Turns(eagerness="low", min_wait=0.5, max_wait=5.0, interrupt="words")
    ) == pb.TurnTaking(
        predicted=pb.PredictedEndpointing(
            eagerness=pb.EAGERNESS_LOW,
            min_wait=to_duration(0.5),
            max_wait=to_duration(5.0),
        ),
        interrupt=pb.INTERRUPT_POLICY_WORDS,
    )
    assert to_turn_taking(Turns("predicted")) == pb.TurnTaking(
        predicted=pb.PredictedEndpointing()
    )
    assert to_turn_taking(Turns("silence")) == pb.TurnTaking(
        silence=pb.SilenceEndpointing()
    )
    assert to_turn_taking(Turns(silence=0.5)) == pb.TurnTaking(
        silence=pb.SilenceEndpointing(silence=to_duration(0.5))
    )
    assert to_turn_taking(Turns("push-to-talk", interrupt="always")) == pb.TurnTaking(
        manual=pb.ManualEndpointing(), interrupt=pb.INTERRUPT_POLICY_ALWAYS
    )


def test_who_wishes_for_nothing_leaves_it_to_the_gateway() -> None:
    config = Wishes().config()
    for field in ("turn_taking", "greeting", "idle", "sampling"):
        assert not config.HasField(field)
    assert Wishes(turns=Turns(interrupt="speech")).config().HasField("turn_taking")


def test_initiative_is_asked_for_in_the_words_of_the_contract() -> None:
    config = Wishes(greeting="Hello.", idle=12.0).config()
    assert config.greeting == pb.Initiative(say="Hello.")
    assert config.idle.after == to_duration(12.0)
    assert config.idle.what.WhichOneof("what") == "say"
