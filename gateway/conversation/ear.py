"""The ear of a conversation: from voice activity to the end of an utterance.

It knows nothing of answers; `listening.Listening` decides what follows from what it hears.
"""

import math
from dataclasses import dataclass

from gateway.conversation.endpointing import likelihood
from gateway.conversation.values import Ref, Transcript


@dataclass(slots=True)
class Pause:
    """What is known of the pause that an utterance is poised in.

    Attributes:
        asked_at: when the checkpoint was asked for, on the driver's clock.
        sound: likelihood that the user is done, by the sound; None while, or where, nobody can tell.
        sound_at: when that was answered, on the driver's clock; None until it is.
        transcript: up to the checkpoint; None until it is there.
        transcript_at: when it came, on the driver's clock.
        due_at: when the silence had been long enough, on the driver's clock; None until it has.
    """

    asked_at: float
    sound: float | None = None
    sound_at: float | None = None
    transcript: Transcript | None = None
    transcript_at: float = -math.inf
    due_at: float | None = None

    def late(self, at: float) -> bool:
        """Whether the sound has been judged, and the transcript was waited for until ``at``, or still is."""
        awaited = self.transcript is None or self.transcript_at >= at
        return self.sound_at is not None and awaited

    def likely(self) -> float | None:
        """How likely the user is done, by all that is known; None while a vote is missing that may yet come."""
        if self.transcript is None or self.sound_at is None:
            return None
        return likelihood(self.sound, self.transcript)


@dataclass(slots=True)
class Utterance:
    """One stretch of user speech that is being transcribed.

    Attributes:
        ref: the turn that it will become.
        item: of the history that it will become.
        start: position of its first voice.
        audio_from: position from which on it is transcribed.
        voiced_from: position since which there has been voice without a pause.
        aside: spoken into an answer, which it may interrupt yet; the client does not know of it.
        ducked: the answer is played quietly for it.
        announced: the client knows that the user speaks.
        paused: position since which there is no voice; None while there is.
        pause: set while it is poised.
        checkpoints: how many were taken.
        prefilled: characters of it that the model was given to read ahead.
    """

    ref: Ref
    item: str
    start: float
    audio_from: float
    voiced_from: float
    aside: bool = False
    ducked: bool = False
    announced: bool = False
    paused: float | None = None
    pause: Pause | None = None
    checkpoints: int = 0
    prefilled: int = 0


@dataclass(frozen=True, slots=True)
class Said:
    """An utterance that has become a turn.

    Attributes:
        utterance: the revision that it was transcribed for.
        item: of the history.
        since: position where it began.
    """

    utterance: Ref
    item: str
    since: float


@dataclass(frozen=True, slots=True)
class Voice:
    """Speech that is not an utterance yet: it may be a cough into an answer.

    Attributes:
        start: position of its first voice.
        left_over: it began in an utterance that is over by now.
    """

    start: float
    left_over: bool = False


class Ear:
    """Follows voice activity; positions are seconds on the input's audio clock.

    Attributes:
        utterance: what is being transcribed; None in silence.
        voice: speech under way that no utterance was opened for.
        heard: position up to which all audio has been listened to.
    """

    def __init__(self) -> None:
        self.utterance: Utterance | None = None
        self.voice: Voice | None = None
        self.heard = 0.0

    def began(self, at: float) -> bool:
        """Voice begins; returns whether a paused utterance goes on by it, past a checkpoint."""
        if self.utterance is None:
            self.voice = Voice(at)
            return False
        was_poised = self.utterance.pause is not None
        if self.utterance.paused is not None:
            self.utterance.voiced_from = at
        self.utterance.paused = None
        self.utterance.pause = None
        return was_poised

    def paused(self, at: float) -> None:
        """Voice ends, perhaps for a moment."""
        self.voice = None
        if self.utterance is not None:
            self.utterance.paused = at

    def ignore(self) -> None:
        """Do not listen to the voice under way so far."""
        if self.voice is not None:
            self.voice = Voice(self.heard)

    def voiced(self) -> float:
        """Seconds for which there has been voice without a pause."""
        if self.utterance is not None:
            if self.utterance.paused is not None:
                return 0.0
            return self.heard - self.utterance.voiced_from
        return self.heard - self.voice.start if self.voice else 0.0

    def quiet(self) -> float:
        """Seconds for which the utterance has had no voice."""
        if self.utterance is None or self.utterance.paused is None:
            return 0.0
        return self.heard - self.utterance.paused

    def open(
        self, ref: Ref, item: str, start: float, audio_from: float, aside: bool
    ) -> Utterance:
        """Take the voice under way, or what was not noticed to be any, for an utterance that began at ``start``.

        Args:
            ref: the turn that it will become.
            item: of the history that it will become.
            start: position of its first voice.
            audio_from: position from which on it is transcribed.
            aside: spoken into an answer, which it may interrupt yet.
        """
        voiced_from = self.voice.start if self.voice else start
        self.utterance = Utterance(ref, item, start, audio_from, voiced_from, aside)
        if self.voice is None:
            self.utterance.paused = self.heard
        self.voice = None
        return self.utterance

    def soft_end(self, after: float, now: float) -> Utterance | None:
        """The utterance, if it has just become quiet for long enough to take a checkpoint.

        Args:
            after: seconds of silence.
            now: on the driver's clock.
        """
        utterance = self.utterance
        if utterance is None or utterance.pause or utterance.paused is None:
            return None
        if self.quiet() < after:
            return None
        utterance.pause = Pause(asked_at=now)
        utterance.checkpoints += 1
        return utterance

    def close(self) -> float:
        """Forget the utterance; returns the position where its speech ended.

        Voice that goes on is from here on somebody's next words.
        """
        utterance, self.utterance = self.utterance, None
        if utterance is None:
            return self.heard
        if utterance.paused is None:
            self.voice = Voice(self.heard, left_over=True)
            return self.heard
        return utterance.paused
