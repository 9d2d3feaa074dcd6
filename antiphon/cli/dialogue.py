"""What a conversation has come to so far: the gateway's events folded into turns. No sockets, no clock."""

from dataclasses import dataclass, field

from antiphon.client import Event
from antiphon.v1.conversation_pb2 import (
    TURN_OUTCOME_ANSWERED,
    TURN_OUTCOME_FAILED,
    ConversationEnded,
    ConversationReady,
    PartialTranscript,
    ReplyAudio,
    ReplyInterrupted,
    ReplyStarted,
    ReplyText,
    SpeechStarted,
    TurnEnded,
    TurnOutcome,
    UserTranscript,
)
from services.runtime.errors import AntiphonError
from services.runtime.units import PCM_BYTES, to_seconds


@dataclass(slots=True)
class Turn:
    """One turn as its client sees it.

    Attributes:
        number: counted from 1.
        said: what the user said.
        answer: the answer's text as far as it came.
        audio: the answer's audio, 16-bit mono PCM, cut where it was interrupted.
        ended: what became of it; None while it goes on.
    """

    number: int
    said: str = ""
    answer: str = ""
    audio: bytearray = field(default_factory=bytearray)
    ended: TurnEnded | None = None

    @property
    def outcome(self) -> str:
        """``answered``, ``interrupted``, ``failed`` and so on; ``open`` while it goes on."""
        if self.ended is None:
            return "open"
        return (
            TurnOutcome.Name(self.ended.outcome).removeprefix("TURN_OUTCOME_").lower()
        )


class Dialogue:
    """The turns of one conversation.

    Attributes:
        conversation_id: the gateway's name for it, for bug reports.
        output_rate: of the answers' audio, in Hz.
        turns: in order.
        partial: what the user seems to be saying.
        finished: the gateway has said its last word.
        broken: why the conversation ended early; None while it has not.
    """

    def __init__(self, ready: ConversationReady) -> None:
        """Begin one with the gateway's first message."""
        self.conversation_id = ready.conversation_id
        self.output_rate = ready.output_format.sample_rate
        self.turns: list[Turn] = []
        self.partial = ""
        self.finished = False
        self.broken: AntiphonError | None = None
        self._speaking = False

    @property
    def pending(self) -> bool:
        """Whether something is to be waited for: speech without its turn yet, or a turn without its end."""
        return self._speaking or any(turn.ended is None for turn in self.turns)

    @property
    def answered(self) -> bool:
        """Whether there was an answer and nothing failed; that a cough came to nothing does no harm."""
        if self.broken:
            return False
        outcomes = [turn.ended.outcome for turn in self.turns if turn.ended]
        return TURN_OUTCOME_ANSWERED in outcomes and TURN_OUTCOME_FAILED not in outcomes

    @property
    def audio(self) -> bytes:
        """All answers one after the other, 16-bit mono PCM."""
        return b"".join(bytes(turn.audio) for turn in self.turns)

    def turn(self, number: int) -> Turn:
        """The turn of that number, begun if it is new."""
        for turn in reversed(self.turns):
            if turn.number == number:
                return turn
        self.turns.append(Turn(number))
        return self.turns[-1]

    def apply(self, event: Event) -> None:
        """Take in what the gateway told."""
        match event:
            case SpeechStarted():
                self._speaking = True
            case PartialTranscript(text=text):
                self.partial = text
            case UserTranscript():
                self.turn(event.turn).said = event.transcript.text
                self._speaking = False
                self.partial = ""
            case ReplyStarted():
                self.turn(event.turn)
            case ReplyText():
                self.turn(event.turn).answer += event.text
            case ReplyAudio():
                self._place(event)
            case ReplyInterrupted():
                heard = self.turn(event.turn).audio
                del heard[self._byte(to_seconds(event.at)) :]
            case TurnEnded():
                self.turn(event.turn).ended = event
                if event.outcome == TURN_OUTCOME_FAILED:
                    # Failed at its recognizer, it has no transcript that would say so.
                    self._speaking = False
            case ConversationEnded():
                self.finished = True

    def _place(self, event: ReplyAudio) -> None:
        audio = self.turn(event.turn).audio
        start = self._byte(to_seconds(event.position))
        if start > len(audio):
            audio.extend(bytes(start - len(audio)))
        audio[start : start + len(event.samples)] = event.samples

    def _byte(self, seconds: float) -> int:
        return round(seconds * self.output_rate) * PCM_BYTES
