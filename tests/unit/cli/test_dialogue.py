"""Events folded into turns."""

from hypothesis import given
from hypothesis import strategies as st

from antiphon.cli.dialogue import Dialogue
from antiphon.client import Event
from antiphon.v1 import conversation_pb2 as pb
from antiphon.v1.audio_pb2 import AudioFormat
from antiphon.v1.stt_pb2 import Transcript
from services.runtime.units import to_duration


def _dialogue(*events: Event) -> Dialogue:
    ready = pb.ConversationReady(
        conversation_id="c1", output_format=AudioFormat(sample_rate=1_000)
    )
    dialogue = Dialogue(ready)
    for event in events:
        dialogue.apply(event)
    return dialogue


def _said(turn: int, text: str = "Hello.") -> pb.UserTranscript:
    return pb.UserTranscript(turn=turn, transcript=Transcript(text=text))


def _audio(turn: int, at: float, samples: bytes) -> pb.ReplyAudio:
    return pb.ReplyAudio(turn=turn, position=to_duration(at), samples=samples)


def _ducked(turn: int, ducked: bool) -> pb.ReplyDucked:
    return pb.ReplyDucked(turn=turn, ducked=ducked)


def _ended(
    turn: int, outcome: pb.TurnOutcome = pb.TURN_OUTCOME_ANSWERED
) -> pb.TurnEnded:
    return pb.TurnEnded(turn=turn, outcome=outcome)


def test_nothing_is_pending_at_first() -> None:
    assert not _dialogue().pending
    assert not _dialogue().answered


def test_speech_is_pending_while_it_goes_on_and_then_its_turn() -> None:
    dialogue = _dialogue(pb.SpeechStarted())
    assert dialogue.pending
    dialogue.apply(pb.SpeechStopped(at=to_duration(1.5)))
    assert not dialogue.pending
    assert dialogue.speech_end == 1.5
    dialogue.apply(_said(1))
    assert dialogue.pending
    dialogue.apply(_ended(1))
    assert not dialogue.pending
    assert dialogue.answered


def test_speech_into_an_answer_is_pending_after_the_answer_has_ended() -> None:
    dialogue = _dialogue(
        _said(1), pb.SpeechStarted(), _ended(1, pb.TURN_OUTCOME_INTERRUPTED)
    )
    assert dialogue.pending


def test_speech_that_did_not_interrupt_is_not_pending() -> None:
    dialogue = _dialogue(_said(1), pb.SpeechStarted(), _ducked(1, True))
    dialogue.apply(pb.PartialTranscript(text="mm-hmm"))
    dialogue.apply(_ducked(1, False))
    assert dialogue.partial == ""
    assert dialogue.pending
    dialogue.apply(_ended(1))
    assert not dialogue.pending


def test_an_answer_is_ducked_until_the_gateway_says_otherwise_or_it_ends() -> None:
    interrupted = pb.ReplyInterrupted(turn=1, at=to_duration(0))
    for end in (_ducked(1, False), interrupted, _ended(1)):
        dialogue = _dialogue(_said(1))
        assert not dialogue.ducked
        dialogue.apply(_ducked(1, True))
        assert dialogue.ducked
        dialogue.apply(end)
        assert not dialogue.ducked


def test_the_end_of_another_turn_does_not_end_ducking() -> None:
    assert _dialogue(_said(1), _said(2), _ducked(2, True), _ended(1)).ducked


def test_what_the_assistant_says_first_answers_nobody() -> None:
    dialogue = _dialogue(pb.ReplyStarted(turn=1), _ended(1))
    assert dialogue.turns[0].said is None
    assert not dialogue.speech_heard
    assert not dialogue.answered
    dialogue.apply(_said(2))
    dialogue.apply(_ended(2))
    assert dialogue.speech_heard
    assert dialogue.answered


def test_a_failed_turn_spoils_the_dialogue_and_an_empty_one_does_not() -> None:
    well = [_said(1), _ended(1)]
    assert _dialogue(*well, _said(2, ""), _ended(2, pb.TURN_OUTCOME_EMPTY)).answered
    assert not _dialogue(*well, _said(2), _ended(2, pb.TURN_OUTCOME_FAILED)).answered
    assert not _dialogue(_said(1, ""), _ended(1, pb.TURN_OUTCOME_EMPTY)).answered


def test_the_partial_transcript_gives_way_to_the_final_one() -> None:
    dialogue = _dialogue(pb.PartialTranscript(text="Hel"))
    assert dialogue.partial == "Hel"
    dialogue.apply(_said(1))
    assert dialogue.partial == ""


def test_an_interrupted_answer_is_cut_where_the_listener_stopped() -> None:
    dialogue = _dialogue(
        _audio(1, 0, b"ab" * 10),
        pb.ReplyInterrupted(turn=1, at=to_duration(0.004)),
        _audio(2, 0, b"cd" * 2),
    )
    assert dialogue.audio == b"abababab" + b"cdcd"


def test_a_gap_in_the_audio_becomes_silence() -> None:
    dialogue = _dialogue(_audio(1, 0, b"ab"), _audio(1, 0.003, b"cd"))
    assert dialogue.audio == b"ab\0\0\0\0cd"


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 20)), max_size=30))
def test_answers_follow_each_other_in_the_order_of_their_turns(
    chunks: list[tuple[int, int]],
) -> None:
    dialogue = _dialogue(*(_said(turn) for turn in range(1, 5)))
    lengths = dict.fromkeys(range(1, 5), 0)
    for turn, samples in chunks:
        dialogue.apply(_audio(turn, lengths[turn] / 1_000, bytes([turn, 0]) * samples))
        lengths[turn] += samples
    assert dialogue.audio == b"".join(
        bytes([turn, 0]) * lengths[turn] for turn in range(1, 5)
    )
