"""What must hold whatever happens in whatever order: random policies, events, times, duplicates and stragglers."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.conversation import commands as c
from gateway.conversation import events as e
from gateway.conversation.context import Context
from gateway.conversation.memory import INVALID_ARGUMENT
from gateway.conversation.values import (
    Endpointing,
    Failure,
    Idle,
    Initiative,
    Interrupt,
    Outcome,
    Policy,
    Ref,
    Speculated,
    Stage,
    ToolCall,
    Transcript,
    TurnTaking,
    Usage,
)
from tests.unit.conversation.driver import Driver

ACTIONS = (
    "ask", "ask", "ask_ahead", "ask_ahead", "voice", "pause", "hear", "hear", "hear_long", "partial", "checkpoint", "checkpoint",
    "end", "final", "text", "text", "tool", "written", "clause", "mark", "audio", "audio", "spoken", "fail", "say", "say_nothing",
    "result", "commit", "clear", "cancel", "truncate", "turns", "wait", "wait_long",
)  # fmt: skip
steps = st.lists(
    st.tuples(st.sampled_from(ACTIONS), st.integers(0, 3)), min_size=10, max_size=120
)
turns = st.builds(
    TurnTaking,
    endpointing=st.sampled_from(Endpointing),
    silence=st.sampled_from((0.1, 0.4)),
    interrupt=st.sampled_from(Interrupt),
)
policies = st.builds(
    Policy,
    turns=turns,
    speculations=st.integers(0, 3),
    draft_text=st.sampled_from((4, 120)),
    partials=st.booleans(),
    prefill=st.booleans(),
    longest_utterance=st.sampled_from((3.0, 60.0)),
    greeting=st.sampled_from((None, Initiative(say="Hi."), Initiative(prompt="Hi!"))),
    idle=st.sampled_from((None, Idle(5.0, Initiative(say="Well?"), most=2))),
)
sizes = st.sampled_from((90, 180, 8192))
talks = st.tuples(policies, sizes, steps)
Talk = tuple[Policy, int, list[tuple[str, int]]]


class Chaos(Driver):
    """Does something random, for a revision that may be old, and keeps what was asked of the model."""

    def __post_init__(self) -> None:
        self.prompts: dict[Ref, tuple[object, ...]] = {}
        super().__post_init__()

    def tell(self, event: e.Event) -> list[c.Command]:
        commands = super().tell(event)
        for command in commands:
            match command:
                case c.Generate(ref, messages):
                    self.prompts[ref] = messages
                case c.NoteSpeculation(ref, Speculated.USED):
                    asked = self.prompts[ref]
                    assert any(
                        self.remembered()[i : i + len(asked) - 1] == asked[1:]
                        for i in range(1, len(self.remembered()))
                    )
        return commands

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
            case "ask_ahead":
                self.ask_ahead(f"asked {which}.", 0.9)
            case "voice":
                self.tell(e.SpeechBegan(self.position))
            case "pause":
                self.tell(e.SpeechPaused(self.position))
            case "hear":
                self.hear(0.1)
            case "hear_long":
                self.hear(0.6)
            case "partial":
                self.tell(e.PartialHeard(ref, "what I am saying now", 15 + which))
            case "checkpoint":
                said = ("", "Mm-hmm.", f"said{ref} and", f"said{ref}?")[which]
                self.tell(e.CheckpointHeard(ref, 1 + which % 2, Transcript(said)))
            case "end":
                likely = (None, 0.05, 0.5, 0.99)[which]
                self.tell(e.EndPredicted(ref, 1 + which % 2, likely))
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
                self.tell(e.ReplyWritten(ref, Usage(prompt=which * 40)))
            case "clause":
                self.tell(e.ClauseTaken(ref, which * 10))
            case "mark":
                self.tell(e.MarkSpoken(ref, which * 5, which * 0.3))
            case "audio":
                self.tell(e.TextWritten(ref, tag(ref)))
                self.tell(e.AudioSpoken(ref, 0.0, 0.1 + which, tag(ref).encode()))
            case "spoken":
                self.tell(e.ReplySpoken(ref))
            case "fail":
                code = INVALID_ARGUMENT if which == 3 else 14
                self.tell(e.StageFailed(ref, Failure(Stage.LLM, code, "gone")))
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
            case "turns":
                now = list(Endpointing)[which % 3]
                speech = list(Interrupt)[which]
                self.tell(
                    e.TurnTakingChanged(
                        replace(self.policy.turns, endpointing=now, interrupt=speech)
                    )
                )
            case "wait":
                self.wait(0.05)
            case "wait_long":
                self.wait(20.0)


def tag(ref: Ref) -> str:
    return f"[{ref.turn}.{ref.revision}]"


def run(talk: Talk) -> Chaos:
    policy, size, actions = talk
    chaos = Chaos(policy, Context(size))
    for action, which in actions:
        chaos.act(action, which)
    chaos.tell(e.InputEnded())
    chaos.wait(900.0)
    return chaos


@settings(max_examples=400, deadline=None)
@given(talks)
def test_words_and_audio_reach_the_client_only_of_the_one_revision_that_answers_a_decided_turn(
    talk: Talk,
) -> None:
    decided, ended = 0, 0
    generated: set[Ref] = set()
    cancelled: set[str] = set()
    revision: dict[int, str] = {}
    done = run(talk).done
    drafts = {note.ref for note in done if isinstance(note, c.NoteSpeculation)}
    behind_the_door = set(map(tag, drafts))
    undecided = {
        note.ref.turn
        for note in done
        if isinstance(note, c.NoteSpeculation) and note.outcome is Speculated.USED
    }
    for command in done:
        match command:
            case c.Generate(ref):
                assert ref not in generated
                generated.add(ref)
            case c.NoteSpeculation(ref, Speculated.USED):
                behind_the_door.discard(tag(ref))
                undecided.discard(ref.turn)
            case c.CancelReply(ref):
                cancelled.add(tag(ref))
            case c.TellTranscript(turn):
                assert turn == decided + 1
                decided = turn
            case c.TellReplyStarted(turn):
                assert turn in (decided, decided + 1)
                assert turn not in undecided
                decided = turn
            case c.TellText(turn, text) if text.startswith("["):
                assert ended < turn == decided
                assert revision.setdefault(turn, text) == text
                assert text not in cancelled | behind_the_door
                assert text in map(tag, generated)
            case c.TellAudio(turn, _, _, samples):
                assert ended < turn == decided
                text = samples.decode()
                assert revision.setdefault(turn, text) == text
                assert text not in cancelled | behind_the_door
            case c.TellToolCall(turn):
                assert ended < turn == decided
                assert turn not in undecided
            case c.TellTurnEnded(turn):
                ended = decided = turn


@settings(max_examples=300, deadline=None)
@given(talks)
def test_the_history_holds_no_word_of_a_revision_that_was_never_told(
    talk: Talk,
) -> None:
    chaos = run(talk)
    told = {command.text for command in chaos.all(c.TellText)}
    for message in chaos.history.messages():
        if message.speaker.value == "assistant":
            words = {f"[{word}" for word in message.text.split("[") if word[-1:] == "]"}
            assert words <= told


@settings(max_examples=300, deadline=None)
@given(talks)
def test_turns_are_counted_one_by_one_and_each_ends_once(talk: Talk) -> None:
    chaos = run(talk)
    ended = [command.turn for command in chaos.all(c.TellTurnEnded)]
    assert ended == list(range(1, len(ended) + 1))
    assert chaos.core.turn == len(ended)


@settings(max_examples=300, deadline=None)
@given(talks)
def test_all_that_is_opened_is_finished_or_cancelled_and_the_conversation_closes(
    talk: Talk,
) -> None:
    chaos = run(talk)
    hearing: set[Ref] = set()
    for command in chaos.done:
        match command:
            case c.Transcribe(ref):
                assert not hearing
                hearing.add(ref)
            case c.TakeCheckpoint(ref) | c.ResumeTranscribe(ref):
                assert ref in hearing
            case c.FinishTranscribe(ref) | c.CancelTranscribe(ref):
                hearing.discard(ref)
    assert not hearing
    assert len(chaos.all(c.Close)) == 1
    assert isinstance(chaos.done[-1], c.Close)
    assert chaos.core.wake_at(chaos.now) is None


@settings(max_examples=300, deadline=None)
@given(talks)
def test_no_two_answers_are_made_at_once_and_what_is_given_up_is_cancelled_in_the_same_step(
    talk: Talk,
) -> None:
    making: Ref | None = None
    given_up: Ref | None = None
    for command in run(talk).done:
        if given_up is not None:
            assert command == c.CancelReply(given_up)
            given_up = making = None
            continue
        match command:
            case c.Generate(ref):
                assert making is None
                making = ref
            case c.CancelReply(ref) if ref == making:
                making = None
            case c.TellTurnEnded(outcome=outcome):
                if making is not None and outcome in (
                    Outcome.INTERRUPTED,
                    Outcome.CANCELLED,
                    Outcome.FAILED,
                ):
                    given_up = making
                making = None
    assert given_up is None


@settings(max_examples=300, deadline=None)
@given(talks)
def test_every_draft_has_one_end_and_there_are_no_more_than_allowed(
    talk: Talk,
) -> None:
    chaos = run(talk)
    noted = [note.ref for note in chaos.all(c.NoteSpeculation)]
    assert len(noted) == len(set(noted))
    assert set(noted) <= {command.ref for command in chaos.all(c.Generate)}
    for turn in {ref.turn for ref in noted}:
        drafts = sum(ref.turn == turn for ref in noted)
        assert drafts <= chaos.policy.speculations
    for note in chaos.all(c.NoteSpeculation):
        cancelled = c.CancelReply(note.ref) in chaos.done
        assert cancelled or note.outcome is Speculated.USED


@settings(max_examples=300, deadline=None)
@given(talks)
def test_an_answer_that_was_ducked_is_raised_again_or_over(talk: Talk) -> None:
    ducked: int | None = None
    for command in run(talk).done:
        match command:
            case c.TellDucked(turn, True):
                assert ducked is None
                ducked = turn
            case c.TellDucked(turn, False):
                assert ducked == turn
                ducked = None
            case c.TellTurnEnded(turn) if turn == ducked:
                ducked = None
    assert ducked is None


@settings(max_examples=300, deadline=None)
@given(talks)
def test_what_was_heard_is_a_beginning_of_what_was_written(talk: Talk) -> None:
    written: dict[int, str] = {}
    for command in run(talk).done:
        match command:
            case c.TellText(turn, text):
                written[turn] = written.get(turn, "") + text
            case c.TellTurnEnded(turn=turn, heard_text=heard):
                assert written.get(turn, "").startswith(heard)


@settings(max_examples=300, deadline=None)
@given(talks)
def test_every_waterfall_adds_up_and_no_share_is_negative(talk: Talk) -> None:
    for command in run(talk).done:
        if isinstance(command, c.TellTurnEnded) and command.waterfall is not None:
            fall = command.waterfall
            shares = (fall.endpointing, fall.stt, fall.llm, fall.tts, fall.gateway)
            assert abs(sum(shares) - fall.saved - fall.total) < 1e-6
            assert min(*shares, fall.saved) > -1e-6


@settings(max_examples=300, deadline=None)
@given(talks)
def test_prompts_alternate_and_every_tool_call_has_its_result_behind_it(
    talk: Talk,
) -> None:
    for generate in run(talk).all(c.Generate):
        messages = list(generate.messages)
        assert messages[-1].speaker.value in ("user", "tool")
        for index, message in enumerate(messages):
            wanted = {call.id for call in message.tool_calls}
            following = messages[index + 1 : index + 1 + len(wanted)]
            assert {m.tool_call_id for m in following} == wanted
        calls = {call.id for message in messages for call in message.tool_calls}
        assert {
            message.tool_call_id for message in messages if message.tool_call_id
        } <= calls
        spoken = [
            m.speaker.value
            for m in messages
            if m.speaker.value in ("user", "assistant")
        ]
        assert "user user" not in " ".join(spoken)
