"""The user's side of a conversation: from voice to an utterance, and from a pause to the end of their turn."""

from gateway.conversation import commands as c
from gateway.conversation import events as e
from gateway.conversation.answer import Answer
from gateway.conversation.answering import Answering
from gateway.conversation.backchannels import says_something
from gateway.conversation.buffer import LEAST_COMMITTED, TOO_QUIET, Buffer
from gateway.conversation.clocks import InputClock
from gateway.conversation.ear import Ear, Pause, Said, Utterance
from gateway.conversation.floor import Floor
from gateway.conversation.judging import Judge
from gateway.conversation.memory import Memory
from gateway.conversation.values import (
    Endpointing,
    Interrupt,
    Policy,
    Refusal,
    Speculated,
    State,
)
from gateway.conversation.waterfall import Stopwatch

LATE = 0.3
"""Seconds by which voice activity notices the end of a voice late, at most, and a little more."""

MOST_AWAITED = 8
"""Committed utterances that may wait for their transcripts; each is a stream of the recognizer's."""

PREFILL_STEP = 12
"""Characters of speech that are worth another request to read ahead."""

Guess = e.EndPredicted | e.PartialHeard | e.CheckpointHeard


class Listening:
    """Follows what the user says, and hands the turn over when they are done.

    Args:
        policy: how the conversation is held.
        memory: what the prompts are made of.
        answering: the assistant's side.
        out: takes what is to be done, in order.
    """

    def __init__(
        self,
        policy: Policy,
        memory: Memory,
        answering: Answering,
        out: list[c.Command],
    ) -> None:
        self._policy = policy
        self._memory = memory
        self._answering = answering
        self._out = out
        self._ear = Ear()
        self._clock = InputClock()
        self._judge = Judge(policy, self._ear, answering)
        patience = self._judge.patience
        self._floor = Floor(policy, self._ear, answering, patience, out)
        self._arrived: float | None = None
        self._buffer = Buffer(policy, self._ear)

    @property
    def state(self) -> State | None:
        """Where the conversation stands, as far as the user's speech tells; None where it tells nothing."""
        utterance = self._ear.utterance
        if utterance is None or utterance.aside:
            return None
        if utterance.pause is not None:
            return State.POISED
        return State.INTERRUPTED if self._floor.interrupted else State.HEARING

    @property
    def speaking(self) -> bool:
        """Whether the user is saying something."""
        return self._ear.utterance is not None

    @property
    def heard(self) -> float:
        """Position up to which all audio has been listened to."""
        return self._ear.heard

    @property
    def needed_from(self) -> float:
        """Position before which the input's audio may be forgotten."""
        starts = [self._ear.heard]
        if self._ear.utterance is not None:
            starts.append(self._ear.utterance.start)
        if self._ear.voice is not None and not self.buffering:
            starts.append(self._ear.voice.start)
        if (said_from := self._going_on_from()) is not None:
            starts.append(said_from)
        needed = min(starts) - self._policy.preroll
        return min(needed, self._buffer.start) if self.buffering else needed

    @property
    def buffering(self) -> bool:
        """Whether the client takes what it wants of all audio, voice or not."""
        return self._buffer.used

    def hold(self, policy: Policy, now: float) -> None:
        """From now on, this is when it is whose turn."""
        before = self._policy.turns.endpointing
        self._buffer.hold(policy, self.needed_from)
        self._policy = self._judge.policy = self._floor.policy = policy
        utterance = self._ear.utterance
        if utterance is None or utterance.pause is None:
            return
        utterance.pause.due_at = None
        predicted = Endpointing.PREDICTED
        if policy.turns.endpointing is predicted and before is not predicted:
            self._predict(utterance)
        if self._answering.draft is None and not utterance.aside:
            self._speculate(utterance, utterance.pause, now, now)

    # --- voice --------------------------------------------------------------------------------------------

    def on_hearing(
        self, event: e.SpeechBegan | e.SpeechPaused | e.Heard, now: float
    ) -> None:
        """The input was listened to."""
        ear = self._ear
        match event:
            case e.SpeechBegan(at):
                resumed = ear.began(at)
                if resumed and ear.utterance is not None:
                    self._answering.drop_draft(Speculated.RESUMED)
                    if ear.utterance.announced:
                        self._out.append(c.TellSpeechStarted(at, ear.utterance.item))
                    self._out.append(c.ResumeTranscribe(ear.utterance.ref))
            case e.SpeechPaused(at):
                ear.paused(at)
            case e.Heard(until, arrived):
                ear.heard = until
                self._arrived = arrived
                self._clock.observe(until, arrived)
                self._hear_voice(now)
                self._pause(now)

    def _hear_voice(self, now: float) -> None:
        """Open an utterance for voice that deserves one; into an answer it is an aside at first."""
        ear, answer = self._ear, self._answering.answer
        voice, start = ear.voice, self._going_on_from()
        # What is left of a voice when its utterance is over may be nothing but the time it takes to notice its end.
        if voice is None or (voice.left_over and ear.voiced() < LATE):
            return
        if self.buffering and not self._worth_opening(answer):
            return
        interrupt = self._policy.turns.interrupt
        at_once = answer is None or interrupt is Interrupt.ALWAYS
        # Before the first sound of an answer there is nothing to talk into: the user just goes on.
        audible = answer is not None and (
            answer.begun or (answer.opened and interrupt is Interrupt.LISTEN)
        )
        if audible and interrupt is Interrupt.NEVER:
            ear.ignore()
            return
        if not at_once and ear.voiced() < self._policy.listen_after:
            return
        if answer is not None and answer.utterance is not None and start is None:
            # The words before these are not understood yet: to go on now would be to lose them.
            return
        utterance = self._open(
            voice.start if start is None else start, audible and not at_once
        )
        if utterance.aside:
            self._floor.duck(utterance)
        else:
            self._floor.take(utterance, voice.start, now)
        self._transcribe(utterance)

    def _worth_opening(self, answer: Answer | None) -> bool:
        """Whether a voice is transcribed already, before the client takes it or not: where it is in nobody's way."""
        asked_for = answer is not None or self._answering.turns.wish is not None
        return not asked_for and not self._buffer.outgrown

    def _open(self, start: float, aside: bool) -> Utterance:
        before = max(0.0, start - self._policy.preroll)
        self._judge.failed = None
        return self._ear.open(
            self._answering.next_ref(),
            self._memory.reserve(),
            start,
            self._buffer.start if self.buffering else before,
            aside,
        )

    def _transcribe(self, utterance: Utterance) -> None:
        wanted = self._policy.partials or self._policy.prefill or utterance.aside
        began_at = self._clock.instant(utterance.start)
        self._out.append(
            c.Transcribe(utterance.ref, utterance.audio_from, wanted, began_at)
        )

    def _pause(self, now: float) -> None:
        """Take a checkpoint when the utterance pauses."""
        longest = self._judge.patience.longest(self._policy.turns)
        utterance = self._ear.soft_end(min(self._policy.soft_end, longest), now)
        if utterance is None or utterance.pause is None or utterance.paused is None:
            return
        if utterance.announced:
            self._out.append(c.TellSpeechStopped(utterance.paused))
        self._out.append(c.TakeCheckpoint(utterance.ref, utterance.checkpoints))
        if self._policy.turns.endpointing is Endpointing.PREDICTED:
            self._predict(utterance)

    def _predict(self, utterance: Utterance) -> None:
        start = max(0.0, utterance.start - self._policy.preroll)
        self._out.append(
            c.PredictEnd(utterance.ref, utterance.checkpoints, start, self._ear.heard)
        )

    def _going_on_from(self) -> float | None:
        """Where the utterance began whose transcript is awaited: speech now is the rest of the same sentence."""
        answer = self._answering.answer
        if answer is None or answer.opened or answer.said_from is None:
            return None
        if self._ear.heard - answer.said_from >= self._policy.longest_utterance:
            return None
        return answer.said_from

    # --- what is known of an utterance that is not over yet -----------------------------------------------

    def on_guess(self, event: Guess, now: float) -> None:
        """Something is known of the utterance under way."""
        utterance = self._ear.utterance
        if utterance is None or utterance.ref != event.ref:
            return
        pause = utterance.pause
        match event:
            case e.PartialHeard(_, text, stable):
                self._on_partial(utterance, text, stable, now)
            case e.EndPredicted(_, number, probability):
                if pause is not None and number == utterance.checkpoints:
                    pause.sound, pause.sound_at = probability, now
            case e.CheckpointHeard(_, number, transcript):
                if (
                    pause is None
                    or number != utterance.checkpoints
                    or pause.transcript is not None
                ):
                    return
                pause.transcript, pause.transcript_at = transcript, now
                if utterance.aside:
                    if not says_something(transcript.text):
                        self.forget()
                        return
                    self._floor.count(utterance, now)
                if transcript.text.strip():
                    self._floor.learn()
                self._speculate(utterance, pause, pause.asked_at, now)

    def _on_partial(
        self, utterance: Utterance, text: str, stable: int, now: float
    ) -> None:
        if utterance.aside:
            if says_something(text, so_far=True):
                self._floor.count(utterance, now)
            return
        if self._policy.partials:
            self._out.append(c.TellPartial(text, stable, utterance.item))
        certain = text[:stable].rpartition(" ")[0]
        if (
            self._policy.prefill
            and len(certain) >= utterance.prefilled + PREFILL_STEP
            and self._answering.answer is None
        ):
            utterance.prefilled = len(certain)
            if (prompt := self._memory.supposing(certain)) is not None:
                self._out.append(c.Prepare(prompt, False))

    def _speculate(
        self, utterance: Utterance, pause: Pause, asked_at: float, now: float
    ) -> None:
        """Begin to answer what was said up to the pause, where the end of the turn is not the client's to say."""
        manual = self._policy.turns.endpointing is Endpointing.MANUAL
        if not manual and pause.transcript is not None:
            self._answering.speculate(pause.transcript, utterance.start, asked_at, now)

    def rethink(self, now: float) -> None:
        """The memory may have changed: a draft that was made from another prompt answers something else."""
        utterance, draft = self._ear.utterance, self._answering.draft
        if draft is None or utterance is None or utterance.pause is None:
            return
        said = utterance.pause.transcript
        if said is not None and self._memory.supposing(said.text) != draft.prompt:
            self._answering.drop_draft(Speculated.SUPERSEDED)
            self._speculate(utterance, utterance.pause, now, now)

    def on_failure(self, event: e.StageFailed) -> bool:
        """A stage gave up; returns whether it was the one that listens."""
        utterance = self._ear.utterance
        if utterance is None or utterance.ref != event.ref:
            return False
        self._judge.failed = event.failure
        return True

    def forget(self) -> None:
        """Drop the utterance under way, and all that was made of it."""
        utterance = self._ear.utterance
        if utterance is not None:
            self._answering.drop_draft(Speculated.FORGOTTEN)
            self._out.append(c.CancelTranscribe(utterance.ref))
            self._ear.close()
            self._floor.raise_again(utterance)
        self._floor.interrupted = False

    def forget_aside(self) -> None:
        """Drop what the user says into an answer, if that is all it is so far."""
        if self._ear.utterance is not None and self._ear.utterance.aside:
            self.forget()

    # --- the end of the user's turn -----------------------------------------------------------------------

    def judge(self, now: float) -> None:
        """Whether an aside has become more, and whether the user is done; to be asked after every event."""
        # What decides a turn is the arrival of the audio, not the time that listening to it took.
        at, self._arrived = self._arrived or now, None
        self.judge_aside(now)
        utterance = self._ear.utterance
        if utterance is None or utterance.aside:
            return
        if self.buffering:
            self._let_go(utterance)
            return
        due_at = self._judge.done(utterance, at, now)
        if due_at is not None:
            self._decide(due_at, now)

    def _let_go(self, utterance: Utterance) -> None:
        """Follow a voice no longer that the client has not taken for so long; it can take the end of it yet."""
        if self._ear.heard - utterance.start >= self._policy.longest_utterance:
            self.forget()
            self._buffer.outgrown = True

    def judge_aside(self, now: float) -> None:
        """Whether an aside has become more, or was nothing; to be asked whenever an answer may have ended, too."""
        utterance = self._ear.utterance
        if utterance is None or not utterance.aside:
            return
        if self._floor.grows(utterance):
            self._floor.take(utterance, utterance.start, now)
        elif self._policy.turns.interrupt is Interrupt.NEVER or self._judge.hopeless(
            utterance, now
        ):
            self.forget()

    def wake_at(self) -> float | None:
        """When `judge` has something to do though nothing more is heard; None for never."""
        return self._judge.hopeless_at()

    def commit(self, now: float) -> None:
        """The user is done, says the client."""
        utterance = self._ear.utterance
        if self.buffering and len(self._answering.turns.unanswered) >= MOST_AWAITED:
            problem = f"{MOST_AWAITED} utterances wait for their transcripts; the audio is kept for the next commit"
            self._out.append(c.Refuse("commit", problem, Refusal.TOO_MANY))
        elif utterance is not None:
            if utterance.aside:
                self._floor.count(utterance, now)
            self._decide(now, now)
        elif self.buffering:
            self._take_buffer(now)

    def _take_buffer(self, now: float) -> None:
        """All audio since the last turn is the utterance, though no voice was noticed, or none that mattered."""
        if self._buffer.nothing:
            problem = (
                f"there is less than {LEAST_COMMITTED:g} s of audio since the last turn"
            )
            self._out.append(c.Refuse("commit", problem, Refusal.NOTHING_HEARD))
            return
        self._transcribe(self._open(self._buffer.start, aside=False))
        self._decide(now, now)

    def clear(self) -> None:
        """Forget what was heard since the last turn, says the client."""
        self._ear.ignore()
        self.forget()
        self._buffer.empty()

    def end(self, now: float) -> None:
        """Nothing more will be heard: take what there is for a turn, but for what was not meant for one, or may not be."""
        if self._ear.utterance is not None:
            if self._ear.utterance.aside or self.buffering:
                self.forget()
            else:
                self._decide(now, now)

    def _decide(self, due_at: float, now: float) -> None:
        """The user is done, as was clear at ``due_at``: the utterance under way becomes a turn."""
        utterance = self._ear.utterance
        assert utterance is not None
        pause, quiet = utterance.pause, self._ear.quiet()
        ended = self._ear.close()
        if pause is None and utterance.announced:
            self._out.append(c.TellSpeechStopped(ended))
        ended_at = self._clock.instant(ended)
        # All audio since the checkpoint was held back: its transcript is the final one.
        transcript = pause.transcript if pause is not None else None
        if (
            self.buffering
            and pause is not None
            and quiet >= TOO_QUIET
            and self._judge.failed is None
        ):
            # The client takes that audio, too.
            transcript = None
            self._out.append(c.ResumeTranscribe(utterance.ref))
        self._floor.interrupted = False
        self._buffer.empty()
        if transcript is None:
            self._floor.learn()
        failed = self._judge.failed if transcript is None else None
        item = utterance.item
        self._memory.user_speaks(item)
        start = utterance.audio_from if self.buffering else utterance.start
        self._out.append(c.TellCommitted(item, self._memory.before(item), start, ended))
        if failed is None:
            self._out.append(c.FinishTranscribe(utterance.ref))
        late = pause is not None and pause.late(now)
        stopwatch = Stopwatch(
            speech_ended_at=min(ended_at, due_at),
            due_at=due_at,
            asked_at=due_at if late else now,
            chosen=self._policy.turns.endpointing is Endpointing.MANUAL,
        )
        said = Said(utterance.ref, item, utterance.start)
        self._answering.take_turn(said, transcript, failed, stopwatch, now)
