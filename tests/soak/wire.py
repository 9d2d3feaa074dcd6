"""What one client may be told: the rules that hold for every conversation, whoever interrupts whom.

A reply says which conversation, turn and revision it was made for, and to which words; the voice's samples say which
reply they were made from. So whoever hears the wire can tell whether anything of a cancelled revision is on it.
"""

import re
from dataclasses import dataclass, field

from antiphon.client import Event
from antiphon.v1 import conversation_pb2 as pb
from antiphon.v1 import llm_pb2
from services.runtime.units import to_seconds
from tests.fakes.stages import FRAME, spoken_text

GREETING = "Hello, who is there?"
CHARACTER = FRAME / 24_000
"""Seconds of reply audio that say a character."""

_ECHO = 24
"""Characters of the user's last words that a reply repeats."""

_THOUGHT = "| Well, let me think aloud."
_REPLY = re.compile(r"(\w+) (\d+)\.(\d+): (.*)")


def reply_to(request: llm_pb2.GenerateRequest) -> list[str]:
    """What the scripted model answers, in pieces."""
    turn = request.turn
    echo = request.messages[-1].content[0].text[-_ECHO:]
    made_for = f"{turn.conversation_id[:4]} {turn.turn}.{turn.revision}"
    return re.findall(r"\S+\s*", f"{made_for}: {echo}{_THOUGHT}")


def outcome_of(ended: pb.TurnEnded) -> str:
    """How a turn went, in a word."""
    return pb.TurnOutcome.Name(ended.outcome).removeprefix("TURN_OUTCOME_").lower()


@dataclass
class Turn:
    """What was told of one turn.

    Attributes:
        transcript: None where it was not spoken.
        text: of the answer.
        audio: of the answer; forgotten at its end.
        cut_at: position on the reply's audio clock; None where it was not interrupted.
        outcome: None until it has ended.
        told_heard: what was heard of the answer, as the turn's end says.
        truncated_at: seconds that were heard, as the client said; None where it did not.
    """

    transcript: str | None = None
    text: str = ""
    audio: bytearray = field(default_factory=bytearray)
    cut_at: float | None = None
    outcome: int | None = None
    told_heard: str = ""
    truncated_at: float | None = None

    @property
    def heard(self) -> str:
        """What the history is to keep of the answer."""
        if self.truncated_at is None:
            return self.told_heard
        return self.until(self.truncated_at)

    def until(self, position: float) -> str:
        """What is spoken of the answer by a position of its audio."""
        return self.text[: int(position / CHARACTER + 1e-6)]


class Wire:
    """Holds what one client is told against the rules.

    Args:
        conversation_id: for problems.
        listens: what is said into an answer is a turn of its own, which may end before that one.

    Attributes:
        problems: rules that were broken; none is as it should be.
        turns: by number.
        id: of the conversation.
    """

    def __init__(self, conversation_id: str, listens: bool) -> None:
        self.problems: list[str] = []
        self._listens = listens
        self.turns: dict[int, Turn] = {}
        self.id = conversation_id

    @property
    def open(self) -> int | None:
        """Number of the turn that has not ended."""
        for number, turn in self.turns.items():
            if turn.outcome is None:
                return number
        return None

    def take(self, event: Event) -> None:
        """The client was told something."""
        match event:
            case pb.UserTranscript():
                self._of(event.turn).transcript = event.transcript.text
            case pb.ReplyStarted():
                self._of(event.turn)
            case pb.ReplyText():
                turn = self._of(event.turn)
                self._not_cut(turn, event)
                turn.text += event.text
            case pb.ReplyAudio():
                turn = self._of(event.turn)
                self._not_cut(turn, event)
                turn.audio += event.samples
            case pb.ReplyInterrupted():
                turn = self._of(event.turn)
                self._not_cut(turn, event)
                turn.cut_at = to_seconds(event.at)
            case pb.TurnEnded():
                self._end(self._of(event.turn), event)
            case pb.ConversationEnded():
                ended = sum(t.outcome is not None for t in self.turns.values())
                if not event.turns == ended == len(self.turns):
                    self._wrong(f"of {event.turns} turns {ended} have ended")

    def truncated(self, number: int, heard: float) -> None:
        """The client has said how much it heard."""
        self.turns[number].truncated_at = heard

    def check_history(self, request: llm_pb2.GenerateRequest) -> None:
        """A prompt holds what was heard of the answers before it, and nothing else."""
        kept = [
            message.content[0].text
            for message in request.messages
            if message.role == llm_pb2.ROLE_ASSISTANT
        ]
        heard = [
            turn.heard
            for number, turn in self.turns.items()
            if number < request.turn.turn and turn.heard
        ]
        if kept != heard:
            self._wrong(f"the model read {kept} where {heard} was heard")

    def _of(self, number: int) -> Turn:
        if number not in self.turns:
            if self.open is not None and not self._listens:
                self._wrong(f"turn {number} began before {self.open} had ended")
            if number != len(self.turns) + 1:
                self._wrong(f"turn {number} came after {len(self.turns)}")
            self.turns[number] = Turn()
        turn = self.turns[number]
        if turn.outcome is not None:
            self._wrong(f"turn {number} goes on after its end")
        return turn

    def _not_cut(self, turn: Turn, event: Event) -> None:
        if turn.cut_at is not None:
            self._wrong(f"{type(event).__name__} of an answer that was interrupted")

    def _end(self, turn: Turn, ended: pb.TurnEnded) -> None:
        turn.outcome = ended.outcome
        turn.told_heard = ended.heard_text
        spoken = spoken_text(bytes(turn.audio))
        if not turn.text.startswith(spoken):
            self._wrong(f"{turn.text!r} was told, and {spoken!r} spoken")
        if turn.cut_at is not None:
            until = turn.until(turn.cut_at)
            if ended.heard_text != until:
                self._wrong(f"{ended.heard_text!r} was heard, by the cut {until!r}")
        if turn.text and turn.text != GREETING:
            self._check_reply(turn, ended.turn)
        turn.audio.clear()

    def _check_reply(self, turn: Turn, number: int) -> None:
        told = _REPLY.match(turn.text)
        if told is None:
            # Cut before it had said whom it is for; its audio is held against its text all the same.
            return
        conversation, made_for, _, said = told.groups()
        if (conversation, int(made_for)) != (self.id[:4], number):
            self._wrong(f"{turn.text!r} was told to {self.id[:4]} in turn {number}")
        echo, ended, _ = said.partition("|")
        if ended and turn.transcript is not None:
            # What was said before it without being answered stands in the same message.
            last = turn.transcript[-_ECHO:]
            if not echo.endswith(last):
                self._wrong(f"{turn.text!r} answers {turn.transcript!r}")

    def _wrong(self, what: str) -> None:
        self.problems.append(f"{self.id[:4]}: {what}")
