"""Drives the pure core the way a gateway would, and keeps what it commands."""

from dataclasses import dataclass, field

from gateway.conversation import commands as c
from gateway.conversation import events as e
from gateway.conversation.context import Context
from gateway.conversation.history import History
from gateway.conversation.machine import Conversation
from gateway.conversation.prompt import Message
from gateway.conversation.values import Outcome, Policy, Ref, Speaker, Transcript, Usage

STEP = 0.032


@dataclass
class Driver:
    """A conversation with a clock that a test sets, and audio that arrives as it is spoken."""

    policy: Policy = field(default_factory=Policy)
    context: Context = field(default_factory=lambda: Context(8192))
    budgets: dict[str, float] = field(default_factory=dict)
    now: float = 100.0
    position: float = 0.0
    done: list[c.Command] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.history = History("Be kind.")
        self.core = Conversation(
            self.policy, self.history, self.context, lambda _ref: self.budgets
        )
        self.done += self.core.begin(self.now)

    def tell(self, event: e.Event) -> list[c.Command]:
        commands = self.core.handle(event, self.now)
        self.done += commands
        return commands

    def wait(self, seconds: float) -> list[c.Command]:
        """Let time pass without audio, waking the core when it wants to be woken."""
        until, before = self.now + seconds, len(self.done)
        while (wake := self.core.wake_at(self.now)) is not None and wake <= until:
            self.now = max(self.now, wake)
            self.done += self.core.tick(self.now)
        self.now = until
        return self.done[before:]

    def hear(self, seconds: float) -> list[c.Command]:
        """Audio arrives in real time, with whatever voice is under way."""
        before = len(self.done)
        for _ in range(round(seconds / STEP)):
            self.position += STEP
            self.wait(STEP)
            self.tell(e.Heard(self.position, self.now))
        return self.done[before:]

    def speak(self, seconds: float) -> list[c.Command]:
        before = len(self.done)
        self.tell(e.SpeechBegan(self.position))
        self.hear(seconds)
        self.tell(e.SpeechPaused(self.position))
        return self.done[before:]

    def remembered(self) -> tuple[Message, ...]:
        """The prompt, if the model could read all of it."""
        return self.history.beginning() + self.history.messages()

    def all(self, kind: type[c.Command]) -> list[c.Command]:
        return [command for command in self.done if isinstance(command, kind)]

    def ref(self) -> Ref:
        """Of the utterance or answer opened last."""
        opened = [
            command.ref
            for command in self.done
            if isinstance(command, c.Transcribe | c.Generate)
        ]
        return opened[-1] if opened else Ref(1, 1)

    def ask(self, text: str = "Why?") -> Ref:
        """A whole utterance, up to the point where the model is asked."""
        self.speak(1.0)
        self.hear(0.6)
        self.tell(e.FinalHeard(self.ref(), Transcript(text)))
        return self.ref()

    def ask_ahead(self, text: str = "Why?", likely: float | None = None) -> Ref:
        """An utterance up to its checkpoint's transcript, and how likely the user is done."""
        self.speak(1.0)
        self.hear(0.2)
        if checkpoints := self.all(c.TakeCheckpoint):
            ref, number = checkpoints[-1].ref, checkpoints[-1].id
            self.tell(e.CheckpointHeard(ref, number, Transcript(text)))
            self.tell(e.EndPredicted(ref, number, likely))
        return self.ref()

    def answer(self, ref: Ref, text: str, seconds: float) -> None:
        """A whole answer, with a mark for every character."""
        self.tell(e.TextWritten(ref, text))
        self.tell(e.ReplyWritten(ref, Usage()))
        self.tell(e.ClauseTaken(ref, len(text)))
        for index in range(len(text)):
            each = seconds / len(text)
            self.tell(e.MarkSpoken(ref, index + 1, (index + 1) * each))
            self.tell(e.AudioSpoken(ref, index * each, each, text[index].encode()))
        self.tell(e.ReplySpoken(ref))


def outcomes(driver: Driver) -> list[Outcome]:
    return [ended.outcome for ended in driver.all(c.TellTurnEnded)]


def prompt(driver: Driver) -> list[tuple[str, str]]:
    messages = driver.all(c.Generate)[-1].messages
    return [
        (m.speaker.value, m.text) for m in messages if m.speaker is not Speaker.SYSTEM
    ]
