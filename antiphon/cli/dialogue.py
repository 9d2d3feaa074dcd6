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
    ReplyDucked,
    ReplyInterrupted,
    ReplyStarted,
    ReplyText,
    SpeechStarted,
    SpeechStopped,
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
        said: what the user said, empty where nothing was understood; None where the turn answers no speech.
        answer: the answer's text as far as it came.
        audio: the answer's audio, 16-bit mono PCM, cut where it was interrupted.
        ended: what became of it; None while it goes on.
    """

    number: int
    said: str | None = None
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
        speech_heard: the user has spoken at all.
        speech_end: where the user last stopped speaking, in seconds on the input's audio clock.
        finished: the gateway has said its last word.
        broken: why the conversation ended early; None while it has not.
    """

    def __init__(self, ready: ConversationReady) -> None:
        """Begin one with the gateway's first message."""
        self.conversation_id = ready.conversation_id
        self.output_rate = ready.output_format.sample_rate
        self.turns: list[Turn] = []
        self.partial = ""
        self.speech_heard = False
        self.speech_end = 0.0
        self.finished = False
        self.broken: AntiphonError | None = None
        self._speaking = False
        self._ducked: int | None = None

    @property
    def pending(self) -> bool:
        """Whether something goes on: speech, or a turn.

        Speech that has stopped is not waited for: between two sentences, or during an answer, it may come to nothing.
        """
        return self._speaking or any(turn.ended is None for turn in self.turns)

    @property
    def any_ended(self) -> bool:
        """Whether a turn is over."""
        return any(turn.ended is not None for turn in self.turns)

    @property
    def ducked(self) -> bool:
        """Whether the answer is to be played quietly."""
        return self._ducked is not None

    @property
    def answered(self) -> bool:
        """Whether speech was answered and nothing failed; that a cough came to nothing does no harm."""
        ended = [(turn, turn.ended.outcome) for turn in self.turns if turn.ended]
        if self.broken or any(outcome == TURN_OUTCOME_FAILED for _, outcome in ended):
            return False
        return any(
            turn.said and outcome == TURN_OUTCOME_ANSWERED for turn, outcome in ended
        )

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
                self._speaking = self.speech_heard = True
            case SpeechStopped():
                self._speaking = False
                self.speech_end = to_seconds(event.at)
            case PartialTranscript(text=text):
                self.partial = text
            case UserTranscript():
                self.turn(event.turn).said = event.transcript.text
                self.speech_heard = True
                self._speaking = False
                self.partial = ""
            case ReplyStarted():
                self.turn(event.turn)
            case ReplyText():
                self.turn(event.turn).answer += event.text
            case ReplyAudio():
                self._place(event)
            case ReplyDucked():
                self._duck(event)
            case ReplyInterrupted():
                self._ducked = None
                heard = self.turn(event.turn).audio
                del heard[self._byte(to_seconds(event.at)) :]
            case TurnEnded():
                self.turn(event.turn).ended = event
                if self._ducked == event.turn:
                    self._ducked = None
                if event.outcome == TURN_OUTCOME_FAILED:
                    # Failed at its recognizer, it has no transcript that would say so.
                    self._speaking = False
            case ConversationEnded():
                self.finished = True

    def _duck(self, event: ReplyDucked) -> None:
        self._ducked = event.turn if event.ducked else None
        if not event.ducked:
            # What was said meanwhile was a "mm-hmm" or a cough, and gets no turn of its own.
            self._speaking = False
            self.partial = ""

    def _place(self, event: ReplyAudio) -> None:
        audio = self.turn(event.turn).audio
        start = self._byte(to_seconds(event.position))
        if start > len(audio):
            audio.extend(bytes(start - len(audio)))
        audio[start : start + len(event.samples)] = event.samples

    def _byte(self, seconds: float) -> int:
        return round(seconds * self.output_rate) * PCM_BYTES
