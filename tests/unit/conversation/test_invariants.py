"""What must hold whatever happens in whatever order: random events, times, duplicates and stragglers."""

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.conversation import commands as c
from gateway.conversation import events as e
from gateway.conversation.values import (
    Failure,
    Outcome,
    Ref,
    Stage,
    ToolCall,
    Transcript,
    Usage,
)
from tests.unit.conversation.driver import Driver

ACTIONS = (
    "ask", "ask", "voice", "pause", "hear", "hear", "hear_long", "final", "text", "tool", "written", "clause", "mark", "audio",
    "spoken", "fail", "say", "say_nothing", "result", "commit", "clear", "cancel", "truncate", "wait", "wait_long",
)  # fmt: skip
steps = st.lists(
    st.tuples(st.sampled_from(ACTIONS), st.integers(0, 3)), min_size=10, max_size=120
)


class Chaos(Driver):
    """Does something random, for a revision that may be old."""

    def act(self, action: str, which: int) -> None:
        opened = [
            command.ref
            for command in self.done
            if isinstance(command, c.Transcribe | c.Generate)
        ]
        ref = opened[-1 - which % len(opened)] if opened else Ref(1, 1)
        match action:
            case "ask":
                self.ask(f"asked {which}")
            case "voice":
                self.tell(e.SpeechBegan(self.position))
            case "pause":
                self.tell(e.SpeechPaused(self.position))
            case "hear":
                self.hear(0.1)
            case "hear_long":
                self.hear(0.6)
            case "final":
                self.tell(
                    e.FinalHeard(ref, Transcript("" if which == 3 else f"said{ref}"))
                )
            case "text":
                self.tell(e.TextWritten(ref, tag(ref)))
            case "tool":
                self.tell(
                    e.ToolCalled(
                        ref, ToolCall(f"call_{ref.turn}_{which}", "tool", "{}")
                    )
                )
            case "written":
                self.tell(e.ReplyWritten(ref, Usage()))
            case "clause":
                self.tell(e.ClauseTaken(ref, which * 10))
            case "mark":
                self.tell(e.MarkSpoken(ref, which * 5, which * 0.3))
            case "audio":
                self.tell(e.AudioSpoken(ref, 0.0, 0.1 + which, tag(ref).encode()))
            case "spoken":
                self.tell(e.ReplySpoken(ref))
            case "fail":
                self.tell(e.StageFailed(ref, Failure(Stage.LLM, 14, "gone")))
            case "say":
                self.tell(e.TextSaid("hello", respond=True))
            case "say_nothing":
                self.tell(e.TextSaid("hello", respond=False))
            case "result":
                self.tell(e.ToolReturned(f"call_{ref.turn}_{which}", "done"))
            case "commit":
                self.tell(e.Committed())
            case "clear":
                self.tell(e.Cleared())
            case "cancel":
                self.tell(e.ReplyCancelled())
            case "truncate":
                self.tell(e.ReplyTruncated(ref.turn, 0.1))
            case "wait":
                self.wait(0.05)
            case "wait_long":
                self.wait(20.0)


def tag(ref: Ref) -> str:
    return f"[{ref.turn}.{ref.revision}]"


def run(actions: list[tuple[str, int]]) -> Chaos:
    chaos = Chaos()
    for action, which in actions:
        chaos.act(action, which)
    chaos.tell(e.InputEnded())
    chaos.wait(600.0)
    return chaos


@settings(max_examples=300, deadline=None)
@given(steps)
def test_audio_and_words_reach_the_client_only_while_their_turn_is_being_answered(
    actions: list[tuple[str, int]],
) -> None:
    answering: Ref | None = None
    for command in run(actions).done:
        match command:
            case c.Generate(ref, _):
                assert answering is None
                answering = ref
            case c.CancelReply(ref):
                assert answering is None
            case c.TellTurnEnded():
                answering = None
            case c.TellText(turn, text):
                assert answering is not None and answering.turn == turn
                assert text == tag(answering)
            case c.TellAudio(turn, _, _, samples):
                assert answering is not None and answering.turn == turn
                assert samples == tag(answering).encode()


@settings(max_examples=300, deadline=None)
@given(steps)
def test_the_history_holds_no_word_of_a_revision_that_was_never_answered(
    actions: list[tuple[str, int]],
) -> None:
    chaos = run(actions)
    generated = {tag(command.ref) for command in chaos.all(c.Generate)}
    for message in chaos.history.prompt():
        if message.speaker.value == "assistant":
            words = {
                f"[{word}" for word in message.text.split("[") if word.endswith("]")
            }
            assert words <= generated


@settings(max_examples=300, deadline=None)
@given(steps)
def test_turns_are_counted_one_by_one_and_each_ends_once(
    actions: list[tuple[str, int]],
) -> None:
    chaos = run(actions)
    ended = [command.turn for command in chaos.all(c.TellTurnEnded)]
    assert ended == list(range(1, len(ended) + 1))
    assert chaos.core.turn == len(ended)


@settings(max_examples=300, deadline=None)
@given(steps)
def test_all_that_is_opened_is_finished_or_cancelled_and_the_conversation_closes(
    actions: list[tuple[str, int]],
) -> None:
    chaos = run(actions)
    hearing: set[Ref] = set()
    for command in chaos.done:
        match command:
            case c.Transcribe(ref, _):
                assert not hearing
                hearing.add(ref)
            case c.FinishTranscribe(ref) | c.CancelTranscribe(ref):
                hearing.discard(ref)
    assert not hearing
    assert len(chaos.all(c.Close)) == 1
    assert isinstance(chaos.done[-1], c.Close)
    assert chaos.core.wake_at(chaos.now) is None


@settings(max_examples=300, deadline=None)
@given(steps)
def test_an_answer_that_is_given_up_is_cancelled_at_its_stages(
    actions: list[tuple[str, int]],
) -> None:
    answering: Ref | None = None
    given_up: Ref | None = None
    for command in run(actions).done:
        if given_up is not None:
            assert command == c.CancelReply(given_up)
            given_up = None
        match command:
            case c.Generate(ref, _):
                answering = ref
            case c.TellTurnEnded(outcome=outcome):
                if outcome in (Outcome.INTERRUPTED, Outcome.CANCELLED, Outcome.FAILED):
                    given_up = answering
                answering = None
    assert given_up is None


@settings(max_examples=300, deadline=None)
@given(steps)
def test_what_was_heard_is_a_beginning_of_what_was_written(
    actions: list[tuple[str, int]],
) -> None:
    written: dict[int, str] = {}
    for command in run(actions).done:
        match command:
            case c.TellText(turn, text):
                written[turn] = written.get(turn, "") + text
            case c.TellTurnEnded(turn=turn, heard_text=heard):
                assert written.get(turn, "").startswith(heard)


@settings(max_examples=300, deadline=None)
@given(steps)
def test_every_waterfall_adds_up_and_no_share_is_negative(
    actions: list[tuple[str, int]],
) -> None:
    for command in run(actions).done:
        if isinstance(command, c.TellTurnEnded) and command.waterfall is not None:
            fall = command.waterfall
            shares = (fall.endpointing, fall.stt, fall.llm, fall.tts, fall.gateway)
            assert abs(sum(shares) - fall.saved - fall.total) < 1e-6
            assert min(shares) > -1e-6


@settings(max_examples=200, deadline=None)
@given(steps)
def test_every_tool_call_in_a_prompt_has_its_result_behind_it(
    actions: list[tuple[str, int]],
) -> None:
    for generate in run(actions).all(c.Generate):
        messages = list(generate.messages)
        for index, message in enumerate(messages):
            wanted = {call.id for call in message.tool_calls}
            following = messages[index + 1 : index + 1 + len(wanted)]
            assert {m.tool_call_id for m in following} == wanted
        calls = {call.id for message in messages for call in message.tool_calls}
        assert {
            message.tool_call_id for message in messages if message.tool_call_id
        } <= calls
