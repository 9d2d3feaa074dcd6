"""The simulator's judge: everything that it looks for is found when it is there, and only then."""

import numpy as np
import pytest

from antiphon.client import Event
from antiphon.v1 import conversation_pb2 as pb
from antiphon.v1 import llm_pb2
from antiphon.v1.stage_pb2 import TurnRef
from antiphon.v1.stt_pb2 import Transcript
from services.runtime.units import to_duration
from tests.simulator.player import Played, Reacted, Spoke, Told
from tests.simulator.score import Score, score
from tests.simulator.script import Backchannel, Interrupt, Phase, Say, Turn, phases
from tests.simulator.voices import SpokenWord
from tests.simulator.world import World

CHUNK = 240


def heard(turn: int, text: str) -> pb.UserTranscript:
    return pb.UserTranscript(turn=turn, transcript=Transcript(text=text))


def audio(turn: int, synthesis: int = 1) -> pb.ReplyAudio:
    samples = np.full(CHUNK, synthesis, "<i2").tobytes()
    return pb.ReplyAudio(turn=turn, samples=samples)


def cut(turn: int, at: float = 0.0) -> pb.ReplyInterrupted:
    return pb.ReplyInterrupted(turn=turn, at=to_duration(at))


def ended(turn: int) -> pb.TurnEnded:
    return pb.TurnEnded(turn=turn)


def said(text: str, begins: float, done: float, **more: object) -> Spoke:
    words = text.split()
    step = (done - begins) / len(words)
    placed = tuple(
        SpokenWord(word, begins + i * step, begins + (i + 1) * step)
        for i, word in enumerate(words)
    )
    return Spoke(Phase(None, (Say(text),), ()), placed, begins, done, **more)  # type: ignore[arg-type]


def judged(
    spoke: list[Spoke], told: list[tuple[float, Event]], world: World | None = None
) -> Score:
    turn = Turn("one", "group", ())
    played = Played(turn, "talk", spoke, [Told(at, event) for at, event in told])
    return score([played], world)[0]


def world_with(*texts: str, cancelled_at: float | None = None) -> World:
    """Each text spoken for turn 1, 2, ... by synthesis 1, 2, ..., a word in a tenth of a second."""
    world = World()
    for number, text in enumerate(texts, 1):
        ref = TurnRef(conversation_id="talk", turn=number, revision=1)
        synthesis = world.asks_for_speech(ref)
        synthesis.text, synthesis.cancelled_at = text, cancelled_at
        end = 0
        for i, word in enumerate(text.split(), 1):
            end = text.index(word, end) + len(word)
            synthesis.marks.append((end, i / 10))
        asked = llm_pb2.Message(
            role=llm_pb2.ROLE_USER, content=[llm_pb2.ContentPart(text="Why?")]
        )
        world.prompts.append(llm_pb2.GenerateRequest(turn=ref, messages=[asked]))
    return world


def remembering(world: World, turn: int, *replies: str) -> World:
    """A prompt for a later turn that holds these replies."""
    messages = [
        llm_pb2.Message(
            role=llm_pb2.ROLE_ASSISTANT, content=[llm_pb2.ContentPart(text=reply)]
        )
        for reply in replies
    ]
    ref = TurnRef(conversation_id="talk", turn=turn, revision=1)
    world.prompts.append(llm_pb2.GenerateRequest(turn=ref, messages=messages))
    return world


SMOOTH: list[tuple[float, Event]] = [
    (1.5, heard(1, "Why?")),
    (1.6, audio(1)),
    (3.0, ended(1)),
]


def test_a_smooth_turn_has_nothing_to_it_but_its_latency() -> None:
    made = judged([said("Why?", 0, 1, answer=1, answered_at=1.6)], SMOOTH)
    assert made.latencies == [pytest.approx(0.6)]
    assert made.decided == [pytest.approx(0.5)]
    assert not made.notes


def test_a_turn_decided_while_the_user_speaks_is_a_cut_off() -> None:
    spoke = said("Why is that?", 0, 4, answer=2, answered_at=5)
    told = [(1.5, heard(1, "Why?")), (4.8, heard(2, "Is that?")), (5.0, audio(2))]
    made = judged([spoke], told)
    assert (made.cut_off, made.latencies) == (1, [])


def test_an_utterance_that_became_two_turns_is_a_cut_off() -> None:
    spoke = said("Why is that?", 0, 1, answer=2, answered_at=5)
    told = [(1.1, heard(1, "Why?")), (4.8, heard(2, "Is that?")), (5.0, audio(2))]
    assert judged([spoke], told).cut_off == 1


def test_an_empty_turn_cuts_nobody_off() -> None:
    spoke = said("Why?", 0, 1, answer=2, answered_at=1.6)
    told = [(0.5, heard(1, "")), (1.5, heard(2, "Why?")), (1.6, audio(2))]
    assert judged([spoke], told).cut_off == 0


def test_who_is_not_answered_was_missed() -> None:
    made = judged([said("Why?", 0, 1)], [(1.5, heard(1, "Why?"))])
    assert (made.missed, made.latencies) == (1, [])


@pytest.mark.parametrize(
    ("at", "false_cuts"), [(2.5, 1), (1.9, 0)], ids=["after it", "before it"]
)
def test_a_cut_after_a_backchannel_is_put_down_to_it(
    at: float, false_cuts: int
) -> None:
    reacted = Reacted(Backchannel("Yeah.", 1.0), 1, 2.0, 2.3)
    spoke = said("Why?", 0, 1, answer=1, answered_at=1.6, reactions=[reacted])
    made = judged([spoke], [*SMOOTH[:2], (at, cut(1)), (at, ended(1))])
    assert (made.reactions, made.false_cuts) == (1, false_cuts)


def test_a_cut_by_the_interruption_that_follows_is_not_the_backchannels_doing() -> None:
    reacted = Reacted(Backchannel("Yeah.", 1.0), 1, 2.0, 2.3)
    first = said("Why?", 0, 1, answer=1, answered_at=1.6, reactions=[reacted])
    second = said("Stop.", 3, 3.5, into=1, answer=2, answered_at=4.2)
    told = [
        *SMOOTH[:2],
        (3.2, cut(1)),
        (3.2, ended(1)),
        (4.0, heard(2, "Stop.")),
        (4.2, audio(2)),
    ]
    made = judged([first, second], told)
    assert (made.false_cuts, made.not_heeded) == (0, 0)
    assert made.heeded_after == [pytest.approx(0.2)]


def test_an_interruption_that_cuts_nothing_was_not_heeded() -> None:
    first = said("Why?", 0, 1, answer=1, answered_at=1.6)
    second = said("Stop.", 3, 3.5, into=1, answer=2, answered_at=9.2)
    told = [
        *SMOOTH[:2],
        (8.0, ended(1)),
        (9.0, heard(2, "Stop.")),
        (9.2, audio(2)),
    ]
    made = judged([first, second], told)
    assert (made.interruptions, made.not_heeded) == (1, 1)


def test_an_answer_to_a_backchannel_was_not_asked_for() -> None:
    spoke = said("Why?", 0, 1, answer=1, answered_at=1.6)
    told = [*SMOOTH, (4.0, heard(2, "Yeah.")), (4.1, audio(2))]
    assert judged([spoke], told).unasked == 1


def test_words_in_no_transcript_are_lost_and_fillers_are_not_missed() -> None:
    spoke = said("Um, why is that so?", 0, 1, answer=1, answered_at=1.6)
    told = [(1.5, heard(1, "Why that so.")), (1.6, audio(1))]
    made = judged([spoke], told)
    assert (made.words, made.lost) == (4, 1)


@pytest.mark.parametrize(
    "told",
    [
        [(1.4, audio(1)), *SMOOTH],
        [*SMOOTH, (3.1, audio(1))],
        [*SMOOTH[:2], (2.0, cut(1)), (2.1, audio(1)), (2.2, ended(1))],
    ],
    ids=["before its transcript", "after its end", "after its interruption"],
)
def test_audio_out_of_place_is_a_leak(told: list[tuple[float, Event]]) -> None:
    spoke = said("Why?", 0, 1, answer=1, answered_at=1.6)
    assert judged([spoke], told).leaked == 1


def test_audio_of_what_its_turn_was_decided_for_is_no_leak() -> None:
    spoke = said("Why?", 0, 1, answer=1, answered_at=1.6)
    assert judged([spoke], SMOOTH, world_with("So it is.")).leaked == 0


def test_audio_of_a_synthesis_cancelled_before_is_a_leak() -> None:
    spoke = said("Why?", 0, 1, answer=1, answered_at=1.6)
    world = world_with("So it is.", cancelled_at=1.55)
    assert judged([spoke], SMOOTH, world).leaked == 1


def test_audio_of_another_turn_or_prompt_is_a_leak() -> None:
    spoke = said("Why?", 0, 1, answer=1, answered_at=1.6)
    told = [(1.5, heard(1, "Why?")), (1.6, audio(1, synthesis=2)), (3.0, ended(1))]
    assert judged([spoke], told, world_with("So.", "No.")).leaked == 1
    told = [(1.5, heard(1, "Why not?")), (1.6, audio(1)), (3.0, ended(1))]
    assert judged([spoke], told, world_with("So.")).leaked == 1


@pytest.mark.parametrize(
    ("remembered", "off"),
    [("a b", 0), ("a b c", 1), ("a b c d e", 3), ("", 2)],
)
def test_history_is_compared_with_the_words_whose_marks_were_heard(
    remembered: str, off: int
) -> None:
    spoke = said("Why?", 0, 1, answer=1, answered_at=1.6)
    told = [*SMOOTH[:2], (1.8, cut(1, at=0.25)), (1.8, ended(1))]
    world = remembering(
        world_with("a b c d e"), 2, *([remembered] if remembered else [])
    )
    assert judged([spoke], told, world).words_off == [off]


def test_a_script_is_cut_where_the_user_takes_the_floor() -> None:
    turn = Turn(
        "one",
        "group",
        (Say("Why?"), Backchannel("Yeah.", 1.0), Interrupt("No,", 2.0), Say("stop.")),
    )
    first, second = phases(turn)
    assert (first.text, first.after, len(first.reactions)) == ("Why?", None, 1)
    assert (second.text, second.after, second.reactions) == ("No, stop.", 2.0, ())
