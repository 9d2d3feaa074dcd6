"""Notices as server events, where what went before matters."""

from collections.abc import Iterable

from gateway.conversation import commands as c
from gateway.conversation.values import (
    Failure,
    Finish,
    Outcome,
    Stage,
    ToolCall,
    Transcript,
    Usage,
)
from gateway.fronts.realtime.fields import RealtimeSession
from gateway.fronts.realtime.responses import Manner
from gateway.fronts.realtime.server_events import Teller

MANNER = Manner(
    spoken=True,
    conversation_id="conv_1",
    format={"type": "audio/pcm", "rate": 24_000},
    voice="any",
    max_output_tokens="inf",
    metadata=None,
    encode=lambda samples: samples,
)
DELTA = "conversation.item.input_audio_transcription.delta"


def teller(**session: object) -> Teller:
    transcribed = {"audio": {"input": {"transcription": {"model": "any"}}}}
    wanted = RealtimeSession().merged(transcribed).merged(session)
    return Teller(wanted, lambda _wish: ("resp_1", MANNER), list)


def told(teller: Teller, *notices: c.Notice) -> list[dict[str, object]]:
    return [event for notice in notices for event in teller.tell(notice)]


def types(events: Iterable[dict[str, object]]) -> list[object]:
    return [event["type"] for event in events]


def ended(outcome: Outcome, **fields: object) -> c.TellTurnEnded:
    return c.TellTurnEnded(1, outcome, "", None, Usage(), None, **fields)  # type: ignore[arg-type]


def test_deltas_hold_what_will_not_change_any_more_and_never_take_anything_back() -> (
    None
):
    events = told(
        teller(),
        c.TellSpeechStarted(0.0, "u"),
        c.TellPartial("one to", 4, "u"),
        c.TellPartial("one two three", 8, "u"),
        c.TellPartial("one", 3, "u"),
        c.TellCommitted("u", None, 0.0, 1.0),
        c.TellTranscript(1, Transcript("one two four"), "u"),
    )
    deltas = [event["delta"] for event in events if event["type"] == DELTA]
    assert deltas == ["one ", "two ", "four"]


def test_a_transcript_that_became_another_one_is_told_whole_at_its_end() -> None:
    events = told(
        teller(),
        c.TellSpeechStarted(0.0, "u"),
        c.TellPartial("won too", 7, "u"),
        c.TellCommitted("u", None, 0.0, 1.0),
        c.TellTranscript(1, Transcript("one two"), "u"),
    )
    assert [event["delta"] for event in events if event["type"] == DELTA] == ["won too"]
    assert events[-1]["transcript"] == "one two"


def test_two_transcripts_that_overlap_do_not_mix() -> None:
    events = told(
        teller(),
        c.TellSpeechStarted(0.0, "a"),
        c.TellCommitted("a", None, 0.0, 1.0),
        c.TellSpeechStarted(2.0, "b"),
        c.TellPartial("second", 6, "b"),
        c.TellTranscript(1, Transcript("first"), "a"),
        c.TellCommitted("b", "a", 2.0, 3.0),
        c.TellTranscript(2, Transcript("second one"), "b"),
    )
    deltas = [(e["item_id"], e["delta"]) for e in events if e["type"] == DELTA]
    assert deltas == [("b", "second"), ("a", "first"), ("b", " one")]


def test_speech_that_came_to_nothing_stops_before_the_next_begins() -> None:
    events = told(
        teller(), c.TellSpeechStarted(0.5, "a"), c.TellSpeechStarted(2.0, "b")
    )
    assert [(e["type"].rpartition(".")[2], e["item_id"]) for e in events] == [  # type: ignore[attr-defined]
        ("speech_started", "a"),
        ("speech_stopped", "a"),
        ("speech_started", "b"),
    ]


def test_what_nobody_understood_is_told_with_the_reason() -> None:
    failure = Failure(Stage.STT, 14, "gone")
    events = told(
        teller(),
        c.TellSpeechStarted(0.0, "u"),
        c.TellCommitted("u", None, 0.0, 1.0),
        c.TellUnheard("u", failure),
        c.TellTurnEnded(1, Outcome.FAILED, "", None, Usage(), failure),
    )
    assert events[-1]["type"] == "conversation.item.input_audio_transcription.failed"
    assert events[-1]["error"]["code"] == "stt_failed"  # type: ignore[index]


def test_a_turn_that_failed_without_a_response_is_an_error_where_nothing_else_says_so() -> (
    None
):
    quiet = teller(audio={"input": {"transcription": None}})
    failure = Failure(Stage.STT, 14, "gone")
    events = told(
        quiet,
        c.TellCommitted("u", None, 0.0, 1.0),
        c.TellUnheard("u", failure),
        c.TellTurnEnded(1, Outcome.FAILED, "", None, Usage(), failure),
    )
    assert types(events)[-1] == "error"
    assert events[-1]["error"]["type"] == "server_error"  # type: ignore[index]


def test_a_call_beside_words_leaves_the_words_open_until_they_have_been_said() -> None:
    call = ToolCall("c", "f", "{}")
    events = told(
        teller(),
        c.TellResponding(1),
        c.TellReplyStarted(1, "m", "u"),
        c.TellText(1, "Let me see."),
        c.TellToolCall(1, call, "k", "m"),
        c.TellAudio(1, 0.0, 0.1, b"\0\0"),
        ended(Outcome.TOOL_CALLS, finish=Finish.TOOL_CALLS),
    )
    done = [
        e["output_index"] for e in events if e["type"] == "response.output_item.done"
    ]
    assert done == [1, 0]
    output = events[-1]["response"]["output"]  # type: ignore[index]
    assert [item["type"] for item in output] == ["message", "function_call"]


def test_a_call_without_words_stands_behind_what_the_client_knows() -> None:
    events = told(
        teller(),
        c.TellResponding(1),
        c.TellReplyStarted(1, "m", "u"),
        c.TellToolCall(1, ToolCall("c", "f", "{}"), "k", "m"),
        ended(Outcome.TOOL_CALLS),
    )
    (added,) = [e for e in events if e["type"] == "conversation.item.added"]
    assert added["previous_item_id"] == "u"
    assert len(events[-1]["response"]["output"]) == 1  # type: ignore[index]


def test_a_response_that_ran_out_of_tokens_is_incomplete() -> None:
    for finish, reason in (
        (Finish.LENGTH, "max_output_tokens"),
        (Finish.FILTERED, "content_filter"),
    ):
        events = told(
            teller(), c.TellResponding(1), ended(Outcome.ANSWERED, finish=finish)
        )
        response = events[-1]["response"]
        assert response["status"] == "incomplete"  # type: ignore[index]
        assert response["status_details"]["reason"] == reason  # type: ignore[index]
