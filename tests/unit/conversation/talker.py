"""A user who pauses, goes on, and talks into answers, as voice activity and a recognizer tell of them."""

from gateway.conversation import commands as c
from gateway.conversation import events as e
from gateway.conversation.endpointing import Patience, likelihood
from gateway.conversation.values import (
    Eagerness,
    Endpointing,
    Policy,
    Ref,
    Speculated,
    Transcript,
    TurnTaking,
    Usage,
)
from tests.unit.conversation.driver import Driver

PAUSE = 0.2
"""Seconds: longer than the soft end, shorter than any wait."""


def predicting(
    eagerness: Eagerness = Eagerness.MEDIUM,
    min_wait: float = 0.4,
    max_wait: float = 2.0,
    **policy: object,
) -> Policy:
    """Ends are predicted, and the waits stay as they are."""
    turns = TurnTaking(
        endpointing=Endpointing.PREDICTED,
        eagerness=eagerness,
        min_wait=min_wait,
        max_wait=max_wait,
    )
    return Policy(turns=turns, **policy)  # type: ignore[arg-type]


def patience(text: str, likely: float | None, turns: TurnTaking) -> float:
    """Seconds of silence that a turn is waited for, whatever numbers that follows from."""
    return Patience().wait(turns, likelihood(likely, Transcript(text)))


class Talker(Driver):
    """Turns end by silence (0.4 s) unless the policy says otherwise."""

    def ask(self, text: str = "Why?") -> Ref:
        """A whole utterance, whatever ends turns, up to the point where the model is asked."""
        self.speak(1.0)
        self.tell(e.Committed())
        self.tell(e.FinalHeard(self.utterance(), Transcript(text)))
        return self.ref()

    def pause(self, text: str, likely: float | None = None) -> list[c.Command]:
        """Speak, pause, and be understood; returns what followed from the transcript."""
        self.speak(1.0)
        self.hear(PAUSE)
        return self.understood(text, likely)

    def understood(self, text: str, likely: float | None = None) -> list[c.Command]:
        """The transcript of the last checkpoint comes; ``likely``: and what the sound says."""
        asked = self.all(c.TakeCheckpoint)[-1]
        done = self.tell(e.CheckpointHeard(asked.ref, asked.id, Transcript(text)))
        if likely is not None:
            done += self.sounds(likely)
        return done

    def sounds(self, likely: float | None) -> list[c.Command]:
        asked = self.all(c.PredictEnd)[-1]
        return self.tell(e.EndPredicted(asked.ref, asked.id, likely))

    def utterance(self) -> Ref:
        return self.all(c.Transcribe)[-1].ref

    def draft(self) -> Ref:
        """Of the answer that was begun last."""
        return self.all(c.Generate)[-1].ref

    def write(self, ref: Ref, text: str, tokens: int = 0) -> None:
        """The whole reply is written."""
        self.tell(e.TextWritten(ref, text))
        self.tell(e.ReplyWritten(ref, Usage(completion=tokens)))

    def sound(self, ref: Ref, seconds: float = 1.0) -> list[c.Command]:
        """The voice gives one piece of audio."""
        return self.tell(e.AudioSpoken(ref, 0.0, seconds, b"sound"))

    def finish(self) -> None:
        """Hear out the answer that is being given, whose stages are done."""
        self.tell(e.ReplySpoken(self.draft()))
        self.wait(20.0)

    def answering(self, text: str = "x" * 50, seconds: float = 5.0) -> Ref:
        """A question asked, and its answer under way for a second."""
        ref = self.ask()
        self.answer(ref, text, seconds)
        self.hear(1.0)
        return ref

    def speculated(self) -> list[Speculated]:
        return [note.outcome for note in self.all(c.NoteSpeculation)]

    def told(self) -> list[c.Command]:
        """What a client knows of answers."""
        kinds = (
            c.TellTranscript,
            c.TellReplyStarted,
            c.TellText,
            c.TellToolCall,
            c.TellAudio,
            c.TellTurnEnded,
        )
        return [command for command in self.done if isinstance(command, kinds)]


def kinds(commands: list[c.Command]) -> list[type[c.Command]]:
    return [type(command) for command in commands]


def ready(policy: Policy | None = None) -> Talker:
    """A user who pauses, and an answer to them that waits at the door."""
    talker = Talker(policy or Policy())
    talker.pause("Why?")
    talker.write(talker.draft(), "Because.")
    talker.sound(talker.draft())
    return talker
