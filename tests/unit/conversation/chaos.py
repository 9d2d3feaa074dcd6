"""Everything that can happen to a conversation, in random order: policies, events, times, duplicates and stragglers."""

from dataclasses import replace

from hypothesis import strategies as st

from gateway.conversation import commands as c
from gateway.conversation import events as e
from gateway.conversation.context import Context
from gateway.conversation.memory import INVALID_ARGUMENT
from gateway.conversation.values import (
    ROOT,
    Ending,
    Endpointing,
    Failure,
    Idle,
    Initiative,
    Interrupt,
    Item,
    Policy,
    Ref,
    Speaker,
    Speculated,
    Stage,
    ToolCall,
    Transcript,
    TurnTaking,
    Usage,
    Wish,
)
from tests.unit.conversation.driver import Driver

ACTIONS = (
    "ask", "ask", "ask_ahead", "ask_ahead", "voice", "pause", "hear", "hear", "hear_long", "partial", "checkpoint", "checkpoint",
    "end", "final", "text", "text", "tool", "written", "clause", "mark", "audio", "audio", "spoken", "fail", "say", "say_nothing",
    "result", "commit", "clear", "cancel", "truncate", "turns", "wait", "wait_long", "create", "create_result", "delete",
    "truncate_item", "wish", "wish", "manner",
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
    respond=st.booleans(),
    go_on=st.booleans(),
    spoken=st.sampled_from((True, True, False)),
    buffered=st.booleans(),
    longest_silence=st.sampled_from((None, None, 30.0)),
    longest=st.sampled_from((None, None, 60.0)),
)
sizes = st.sampled_from((90, 180, 8192))
talks = st.tuples(policies, sizes, steps)
Talk = tuple[Policy, int, list[tuple[str, int]]]


class Chaos(Driver):
    """Does something random, for a revision that may be old, and keeps what was asked of the model.

    Attributes:
        prompts: by the answer that they were for.
        silent: answers that are text alone.
        wished: keys of all wishes that were told in time.
        misplaced: notices that name an item which is not there.
    """

    def __post_init__(self) -> None:
        self.prompts: dict[Ref, tuple[object, ...]] = {}
        self.silent: set[Ref] = set()
        self.wishes: dict[int, Wish] = {0: Wish(0)}
        self.wished: list[int] = []
        self.misplaced: list[c.Command] = []
        super().__post_init__()

    def tell(self, event: e.Event) -> list[c.Command]:
        commands = super().tell(event)
        self._look_at(commands)
        return commands

    def _look_at(self, commands: list[c.Command]) -> None:
        deleted = {
            command.id for command in commands if isinstance(command, c.TellItemDeleted)
        }
        for command in commands:
            match command:
                case c.Generate(ref, messages, wish):
                    self.prompts[ref] = messages
                    spoken = self.wishes[wish].spoken
                    if not (self.policy.spoken if spoken is None else spoken):
                        self.silent.add(ref)
                case c.NoteSpeculation(ref, Speculated.USED):
                    asked = self.prompts[ref]
                    assert any(
                        self.remembered()[i : i + len(asked) - 1] == asked[1:]
                        for i in range(1, len(self.remembered()))
                    )
                case (
                    c.TellCommitted(after=after)
                    | c.TellReplyStarted(after=after)
                    | c.TellToolCall(after=after)
                    | c.TellItem(after=after)
                    | c.TellIdle(after=after)
                ) if after is not None:
                    if self.core.item(after) is None and after not in deleted:
                        self.misplaced.append(command)

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
            case "create":
                speaker = (Speaker.USER, Speaker.SYSTEM, Speaker.ASSISTANT)[which % 3]
                made = Item("" if which else "mine", speaker, "written")
                self.tell(e.ItemCreated(made, self.some_item(which)))
            case "create_result":
                call = f"call_{ref.turn}_{which}"
                self.tell(
                    e.ItemCreated(Item("", Speaker.TOOL, "done", call_id=call), None)
                )
            case "delete":
                self.tell(e.ItemDeleted(self.some_item(which) or ""))
            case "truncate_item":
                self.tell(e.ItemTruncated(self.some_item(which) or "", which * 0.2))
            case "wish":
                self.wish(which)
            case "manner":
                self.policy = replace(
                    self.policy,
                    respond=which != 0,
                    spoken=which != 1,
                    buffered=which == 2,
                    go_on=which != 3,
                )
                self.tell(e.MannerChanged(self.policy, f"Be kind {which} times."))
            case "wait":
                self.wait(0.05)
            case "wait_long":
                self.wait(20.0)

    def some_item(self, which: int) -> str | None:
        """One that the client was told of, or that it makes up; None, or the beginning, for none."""
        known = [
            command.item.id if isinstance(command, c.TellItem) else command.item
            for command in self.done
            if isinstance(
                command,
                c.TellCommitted
                | c.TellReplyStarted
                | c.TellToolCall
                | c.TellItem
                | c.TellSpeechStarted,
            )
        ]
        if which == 3 or not known:
            return (None, ROOT)[which % 2]
        return known[-1 - which % len(known)]

    def wish(self, which: int) -> None:
        key = len(self.wishes)
        own = (Item("own", Speaker.USER, "asked beside"),) if which == 1 else None
        wish = Wish(
            key,
            instructions="Be short." if which == 2 else None,
            spoken=(None, False, True, None)[which],
            items=own,
        )
        self.wishes[key] = wish
        if not self.all(c.Close):
            self.wished.append(key)
        self.tell(e.Respond(wish))


def tag(ref: Ref) -> str:
    return f"[{ref.turn}.{ref.revision}]"


def run(talk: Talk, kind: type[Chaos] = Chaos) -> Chaos:
    policy, size, actions = talk
    chaos = kind(policy, Context(size))
    # One in three gateways goes away meanwhile.
    drained_at = len(actions) // 2 if len(actions) % 3 == 0 else None
    for number, (action, which) in enumerate(actions):
        if number == drained_at:
            chaos.tell(e.InputEnded(Ending.DRAINING))
        chaos.act(action, which)
    chaos.tell(e.InputEnded())
    chaos.wait(900.0)
    return chaos
