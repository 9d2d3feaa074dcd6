"""One answer: from the prompt to the last sound of it.

It knows nothing of the user's speech. It may be a draft, begun before it is the assistant's turn: then nothing of it
leaves, neither a word nor a sound. The audio waits here, at the gateway's door, and is let out slightly ahead of
real time.
"""

from collections import deque
from dataclasses import dataclass, field
from enum import Enum

from gateway.conversation import commands as c
from gateway.conversation import events as e
from gateway.conversation.clocks import PlaybackClock
from gateway.conversation.prompt import Message
from gateway.conversation.values import (
    Failure,
    Finish,
    Policy,
    Ref,
    Stage,
    ToolCall,
    Usage,
    Wish,
)
from gateway.conversation.waterfall import Stopwatch

Writing = e.TextWritten | e.ToolCalled | e.ReplyWritten
Speaking = e.ClauseTaken | e.AudioSpoken | e.MarkSpoken | e.ReplySpoken

DEADLINE_EXCEEDED = 4
"""Number of the gRPC status code for a stage that took too long."""

_END_SLACK = 1e-6
"""Seconds; keeps rounding from holding an answer open for ever."""


class Waits(Enum):
    """What an answer is waiting for; the value is the stage that a long wait is put down to."""

    TRANSCRIPT = Stage.STT
    CLAUSE = Stage.LLM
    AUDIO = Stage.TTS


@dataclass(slots=True, eq=False)
class Answer:
    """The state of one answer.

    Attributes:
        ref: which attempt at which turn.
        policy: how long to wait, and how far ahead to send.
        stopwatch: the turn's instants so far.
        since: when what it waits for was last seen to move, on the driver's clock.
        decided: it is the assistant's turn; until then it is a draft.
        said_from: position where the utterance that it answers began; None where there was none.
        said: the item of that utterance; empty where there was none.
        utterance: whose transcript is awaited; None where none is, or was.
        wish: says how it is made, where the client asked for it.
        voiced: whether it is spoken; no: it is text alone.
        item: of its text.
        prompt: what the model was asked; empty where it has not been, or will not be.
        text: written so far.
        pieces: in which the text came.
        tool_calls: made so far.
        usage: tokens; known once it is written.
        finish: why the model stopped writing; likewise.
        opened: the prompt has been sent.
        written: the model is done.
        spoken: the voice is done.
        announced: the client knows of it.
        kept: its item is in the history.
        playback: what has been heard.
    """

    ref: Ref
    policy: Policy
    stopwatch: Stopwatch
    since: float
    decided: bool = True
    said_from: float | None = None
    said: str = ""
    utterance: Ref | None = None
    wish: Wish | None = None
    voiced: bool = True
    item: str = ""
    prompt: tuple[Message, ...] = ()
    text: str = ""
    pieces: int = 0
    tool_calls: list[ToolCall] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    finish: Finish = Finish.COMPLETE
    opened: bool = False
    written: bool = False
    spoken: bool = False
    announced: bool = False
    kept: bool = False
    playback: PlaybackClock = field(default_factory=PlaybackClock)
    _told: list[c.Notice] = field(default_factory=list)
    _handed: int = 0
    _finished: bool = False
    _door: deque[e.AudioSpoken] = field(default_factory=deque)
    _behind_door: float = 0.0
    _taken: int = 0

    @property
    def backlog(self) -> float:
        """Seconds of audio that wait at the door."""
        return self._behind_door

    @property
    def ready(self) -> bool:
        """Whether there is something to let out, or nothing will come."""
        if not self.voiced and self.announced:
            return True
        return bool(self._door) or self.spoken

    @property
    def begun(self) -> bool:
        """Whether the listener, or the reader, has had anything of it."""
        if not self.voiced:
            return self.decided and self.announced
        return self.playback.sent > 0

    @property
    def tokens(self) -> int:
        """Written so far: as the upstream counted them, or in pieces of text, about a token each."""
        return self.usage.completion or self.pieces

    # --- what the stages say ------------------------------------------------------------------------------

    def take_writing(self, event: Writing, now: float) -> list[c.Command]:
        """The model wrote something; returns what is to be done about it."""
        match event:
            case e.TextWritten(_, text):
                return self.write(text, now)
            case e.ToolCalled(_, call):
                self.call(call)
                return []
            case e.ReplyWritten(_, usage, finish):
                return self.end_writing(usage, finish)

    def take_speech(self, event: Speaking, now: float) -> None:
        """The voice spoke."""
        match event:
            case e.ClauseTaken(_, end):
                self.clause(end, now)
            case e.AudioSpoken():
                self.hold(event, now)
            case e.MarkSpoken(_, characters, at):
                self.playback.mark(characters, at)
            case e.ReplySpoken():
                self.spoken = True

    def write(self, text: str, now: float) -> list[c.Command]:
        """The model wrote another piece; returns what is to be done about it."""
        if not text:
            return []
        if not self.voiced:
            self.since = now
        self._announce()
        self.text += text
        self.pieces += 1
        self._told.append(c.TellText(self.ref.turn, text))
        return self.hand_over()

    def call(self, call: ToolCall) -> None:
        """The model asks for a function to be called."""
        self._announce()
        self.tool_calls.append(call)
        self._told.append(c.TellToolCall(self.ref.turn, call))

    def end_writing(self, usage: Usage, finish: Finish) -> list[c.Command]:
        """The model is done; returns what is to be done about it."""
        self.written = True
        self.usage = usage
        self.finish = finish
        if not self.text or not self.voiced:
            self.spoken = True
        return self.hand_over()

    def hand_over(self) -> list[c.Command]:
        """Text that the voice may have now: of a draft no more than what can be heard first."""
        if not self.voiced:
            return []
        most = len(self.text) if self.decided else self.policy.draft_text
        piece = self.text[self._handed : most]
        self._handed += len(piece)
        commands: list[c.Command] = [c.Speak(self.ref, piece)] if piece else []
        complete = self.written and self._handed == len(self.text)
        if complete and self.text and not self._finished:
            self._finished = True
            commands.append(c.FinishSpeaking(self.ref))
        return commands

    def told(self) -> list[c.Notice]:
        """What the client is to know now; nothing of a draft."""
        if not self.decided:
            return []
        told, self._told = self._told, []
        return told

    def _announce(self) -> None:
        if not self.announced:
            self.announced = True
            self._told.append(c.TellReplyStarted(self.ref.turn))

    def clause(self, end: int, now: float) -> None:
        """The voice took another clause, up to character ``end``."""
        self.since = now
        self._taken = end
        if self.stopwatch.clause_at is None:
            self.stopwatch.clause_at = now

    def hold(self, audio: e.AudioSpoken, now: float) -> None:
        """Audio came from the voice."""
        self.since = now
        if self.stopwatch.audio_at is None:
            self.stopwatch.audio_at = now
        if self.stopwatch.clause_at is None:
            self.stopwatch.clause_at = now
        self._door.append(audio)
        self._behind_door += audio.seconds

    # --- what leaves, and what has been heard -------------------------------------------------------------

    def release(self, now: float) -> list[e.AudioSpoken]:
        """What may leave now: all that begins less than the policy's lead ahead of what has been heard."""
        let_out: list[e.AudioSpoken] = []
        while (
            self.decided
            and self._door
            and self.playback.sent - self.playback.heard(now)
            <= self.policy.lead + _END_SLACK
        ):
            audio = self._door.popleft()
            self._behind_door -= audio.seconds
            self.playback.send(audio.seconds, now)
            let_out.append(audio)
            self.since = now
        if let_out and self.stopwatch.sent_at is None:
            self.stopwatch.sent_at = now
        return let_out

    def played_out(self, now: float) -> bool:
        """Whether all of it has been written, spoken and heard."""
        if not (self.decided and self.written and self.spoken) or self._door:
            return False
        return self.playback.sent - self.playback.heard(now) <= _END_SLACK

    def heard_text(self, now: float) -> str:
        """The text that the listener has heard, or was told; what cannot be spoken counts as heard at the end."""
        if not self.voiced:
            return self.text if self.decided else ""
        if self.played_out(now):
            return self.text
        return self.text_until(self.playback.heard(now))

    def text_until(self, position: float) -> str:
        """The text that is spoken by ``position`` of the reply's audio clock."""
        return self.text[: self.playback.characters(position)]

    # --- waiting ------------------------------------------------------------------------------------------

    def waits(self) -> Waits | None:
        """What it is waiting for; None once nothing can fail any more."""
        if not self.opened:
            return Waits.TRANSCRIPT
        if self.written and self.spoken:
            return None
        if not self.decided and self._handed >= self.policy.draft_text:
            return None
        speaking = self.playback.marked < self._taken
        return Waits.AUDIO if speaking or self.written else Waits.CLAUSE

    def overdue_at(self) -> float | None:
        """When to give up waiting; never while there is audio left to send."""
        if self._door:
            return None
        match self.waits():
            case Waits.TRANSCRIPT:
                return self.since + self.policy.stt_timeout
            case Waits.CLAUSE:
                return self.since + self.policy.llm_timeout
            case Waits.AUDIO:
                return self.since + self.policy.tts_timeout
            case None:
                return None

    def overdue(self, now: float) -> Failure | None:
        """What there is to say of the stage that it has waited for in vain; None if it has not."""
        due, waits = self.overdue_at(), self.waits()
        if due is None or waits is None or now < due:
            return None
        stage: Stage = waits.value
        problem = f"{stage.value} took too long to answer"
        return Failure(stage, DEADLINE_EXCEEDED, problem)

    def wake_at(self, now: float) -> float | None:
        """When something happens to it without anybody saying so."""
        ahead = self.playback.sent - self.playback.heard(now)
        times = []
        if self._door and self.decided:
            times.append(now + max(0.0, ahead - self.policy.lead))
        elif self.written and self.spoken and self.decided:
            times.append(now + ahead)
        if (overdue := self.overdue_at()) is not None:
            times.append(overdue)
        return min(times) if times else None
