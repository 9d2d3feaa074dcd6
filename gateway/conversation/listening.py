"""The user's side of a conversation: from voice to an utterance, and from a pause to the end of their turn."""

import math

from gateway.conversation import commands as c
from gateway.conversation import events as e
from gateway.conversation.answering import Answering
from gateway.conversation.backchannels import says_something
from gateway.conversation.clocks import InputClock
from gateway.conversation.ear import Ear, Pause, Utterance
from gateway.conversation.endpointing import Patience
from gateway.conversation.memory import Memory
from gateway.conversation.values import (
    Endpointing,
    Failure,
    Interrupt,
    Outcome,
    Policy,
    Speculated,
    State,
    TurnTaking,
)
from gateway.conversation.waterfall import Stopwatch

CUT_OFF = 1.0
"""Seconds of an answer; whoever speaks before they have heard so much of it was not done, most likely."""

LATE = 0.3
"""Seconds by which voice activity notices the end of a voice late, at most, and a little more."""

NO_AUDIO = 1.0
"""Seconds for audio to come that should have come by now; then a pause is taken to go on."""

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

    Attributes:
        turns: when it is whose turn.
    """

    def __init__(
        self,
        policy: Policy,
        memory: Memory,
        answering: Answering,
        out: list[c.Command],
    ) -> None:
        self.turns = policy.turns
        self._policy = policy
        self._memory = memory
        self._answering = answering
        self._out = out
        self._ear = Ear()
        self._clock = InputClock()
        self._patience = Patience()
        self._interrupted = False
        self._failed: Failure | None = None
        self._arrived: float | None = None
        self._cut_off = False
        self._learnt_from = 0

    @property
    def state(self) -> State | None:
        """Where the conversation stands, as far as the user's speech tells; None where it tells nothing."""
        utterance = self._ear.utterance
        if utterance is None or utterance.aside:
            return None
        if utterance.pause is not None:
            return State.POISED
        return State.INTERRUPTED if self._interrupted else State.HEARING

    @property
    def speaking(self) -> bool:
        """Whether the user is saying something."""
        return self._ear.utterance is not None

    @property
    def needed_from(self) -> float:
        """Position before which the input's audio may be forgotten."""
        starts = [self._ear.heard]
        if self._ear.utterance is not None:
            starts.append(self._ear.utterance.start)
        if self._ear.voice is not None:
            starts.append(self._ear.voice.start)
        if (said_from := self._going_on_from()) is not None:
            starts.append(said_from)
        return min(starts) - self._policy.preroll

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
                    if not ear.utterance.aside:
                        self._out.append(c.TellSpeechStarted(at))
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
        at_once = answer is None or self.turns.interrupt is Interrupt.ALWAYS
        # Before the first sound of an answer there is nothing to talk into: the user just goes on.
        audible = answer is not None and answer.playback.sent > 0
        if audible and self.turns.interrupt is Interrupt.NEVER:
            ear.ignore()
            return
        if not at_once and ear.voiced() < self._policy.listen_after:
            return
        if answer is not None and answer.utterance is not None and start is None:
            # The words before these are not understood yet: to go on now would be to lose them.
            return
        utterance = ear.open(
            self._answering.next_ref(),
            voice.start if start is None else start,
            aside=audible and not at_once,
        )
        self._failed = None
        if utterance.aside and answer is not None:
            self._out.append(c.TellDucked(answer.ref.turn, True))
        else:
            self._take_floor(utterance, voice.start, now)
        policy = self._policy
        self._out.append(
            c.Transcribe(
                utterance.ref,
                max(0.0, utterance.start - policy.preroll),
                policy.partials or policy.prefill or utterance.aside,
            )
        )

    def _take_floor(self, utterance: Utterance, at: float, now: float) -> None:
        """It is the user's turn, by a voice that began at ``at``; an answer in progress is interrupted."""
        utterance.aside = False
        cut = self._answering.cut(Outcome.INTERRUPTED, now)
        self._interrupted = cut is not None
        if cut is not None and cut.opened and not cut.playback.sent:
            self._answering.owed = True
        self._cut_off = cut is not None and cut.playback.heard(now) < CUT_OFF
        self._out.append(c.TellSpeechStarted(at))
        if utterance.pause is not None and utterance.paused is not None:
            self._out.append(c.TellSpeechStopped(utterance.paused))

    def _learn(self) -> None:
        """The user said something: were they cut off by the last answer to their words, or did they listen to it?"""
        ended, cut_off = self._answering.ended, self._cut_off
        self._cut_off = False
        if ended is None or ended.said_from is None:
            return
        if ended.ref.turn == self._learnt_from:
            return
        self._learnt_from = ended.ref.turn
        if cut_off:
            self._patience.cut_off()
        else:
            self._patience.smooth()

    def _pause(self, now: float) -> None:
        """Take a checkpoint when the utterance pauses."""
        after = min(self._policy.soft_end, self._patience.longest(self.turns))
        utterance = self._ear.soft_end(after, now)
        if utterance is None or utterance.pause is None or utterance.paused is None:
            return
        ref, number = utterance.ref, utterance.checkpoints
        if not utterance.aside:
            self._out.append(c.TellSpeechStopped(utterance.paused))
        self._out.append(c.TakeCheckpoint(ref, number))
        if self.turns.endpointing is Endpointing.PREDICTED:
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

    def on_guess(self, event: Guess, now: float) -> None:
        """Something is known of an utterance that is not over yet."""
        utterance = self._ear.utterance
        if utterance is None or utterance.ref != event.ref:
            return
        pause = utterance.pause
        match event:
            case e.PartialHeard(_, text, stable):
                self._on_partial(utterance, text, stable, now)
            case e.EndPredicted(_, number, probability):
                if pause is not None and number == utterance.checkpoints:
                    pause.sound, pause.sound_known = probability, True
            case e.CheckpointHeard(_, number, transcript):
                if (
                    pause is None
                    or number != utterance.checkpoints
                    or pause.transcript is not None
                ):
                    return
                pause.transcript = transcript
                if utterance.aside:
                    if not says_something(transcript.text):
                        self.forget()
                        return
                    self._take_floor(utterance, utterance.start, now)
                if transcript.text.strip():
                    self._learn()
                self._speculate(utterance, pause, pause.asked_at, now)

    def _on_partial(
        self, utterance: Utterance, text: str, stable: int, now: float
    ) -> None:
        if utterance.aside:
            if says_something(text, so_far=True):
                self._take_floor(utterance, utterance.start, now)
            return
        if self._policy.partials:
            self._out.append(c.TellPartial(text, stable))
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
        if (
            self.turns.endpointing is not Endpointing.MANUAL
            and pause.transcript is not None
        ):
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

    def take_turns(self, turns: TurnTaking, now: float) -> None:
        """From now on, this is when it is whose turn."""
        before, self.turns = self.turns.endpointing, turns
        utterance = self._ear.utterance
        if utterance is None or utterance.pause is None:
            return
        utterance.pause.due_at = None
        predicted = Endpointing.PREDICTED
        if turns.endpointing is predicted and before is not predicted:
            self._predict(utterance)
        if self._answering.draft is None and not utterance.aside:
            self._speculate(utterance, utterance.pause, now, now)

    def on_failure(self, event: e.StageFailed) -> bool:
        """A stage gave up; returns whether it was the one that listens."""
        utterance = self._ear.utterance
        if utterance is None or utterance.ref != event.ref:
            return False
        self._failed = event.failure
        return True

    def forget(self) -> None:
        """Drop the utterance under way, and all that was made of it."""
        utterance, answer = self._ear.utterance, self._answering.answer
        if utterance is not None:
            self._answering.drop_draft(Speculated.FORGOTTEN)
            self._out.append(c.CancelTranscribe(utterance.ref))
            self._ear.close()
            if utterance.aside and answer is not None:
                self._out.append(c.TellDucked(answer.ref.turn, False))
        self._interrupted = False

    # --- the end of the user's turn -----------------------------------------------------------------------

    def judge(self, now: float) -> None:
        """Whether an aside has become more, and whether the user is done; to be asked after every event."""
        # What decides a turn is the arrival of the audio, not the time that listening to it took.
        at, self._arrived = self._arrived or now, None
        self.judge_aside(now)
        utterance = self._ear.utterance
        if utterance is not None and not utterance.aside:
            self._judge_end(utterance, at, now)

    def judge_aside(self, now: float) -> None:
        """Whether an aside has become more, or was nothing; to be asked whenever an answer may have ended, too."""
        utterance = self._ear.utterance
        if utterance is None or not utterance.aside:
            return
        interrupt = self.turns.interrupt
        long = self._ear.voiced() >= self._policy.interrupt_after
        if (
            self._answering.answer is None
            or interrupt is Interrupt.ALWAYS
            or (interrupt is Interrupt.SPEECH and long)
        ):
            self._take_floor(utterance, utterance.start, now)
        elif (
            interrupt is Interrupt.NEVER
            or (self._failed is not None and utterance.pause is not None)
            or now >= (self._hopeless_at() or math.inf)
            or self._ear.heard - utterance.start >= self._policy.longest_utterance
        ):
            self.forget()

    def _judge_end(self, utterance: Utterance, at: float, now: float) -> None:
        quiet, pause = self._ear.quiet(), utterance.pause
        if self._ear.heard - utterance.start >= self._policy.longest_utterance:
            self._decide(at, now)
        elif pause is not None and utterance.paused is not None:
            if quiet >= self._wait(pause) and pause.due_at is None:
                pause.due_at = at
            if now >= (self._hopeless_at() or math.inf):
                self._decide(now, now)
            elif pause.due_at is not None and (
                self._nothing_to_wait_for(pause)
                or quiet >= self._patience.longest(self.turns)
            ):
                # Without a draft the answer begins now, and what was waited for was the end of the turn.
                draft = self._answering.draft
                self._decide(at if draft is None else pause.due_at, now)

    def wake_at(self) -> float | None:
        """When `judge` has something to do though nothing more is heard; None for never."""
        return self._hopeless_at()

    def _hopeless_at(self) -> float | None:
        """When a pause has been waited in for too long: for a recognizer that hangs, or audio that does not come."""
        utterance = self._ear.utterance
        if utterance is None or utterance.pause is None:
            return None
        if utterance.aside:
            return utterance.pause.asked_at + self._policy.stt_timeout
        longest = self._patience.longest(self.turns)
        return (
            utterance.pause.asked_at + longest + NO_AUDIO
            if longest < math.inf
            else None
        )

    def _wait(self, pause: Pause) -> float:
        """Seconds of silence after which the turn may be decided."""
        if self._deaf(pause) and self.turns.endpointing is Endpointing.PREDICTED:
            return min(self.turns.silence, self._patience.longest(self.turns))
        return self._patience.wait(self.turns, pause.likely())

    def _nothing_to_wait_for(self, pause: Pause) -> bool:
        """Whether an answer could leave now, or will not be there any sooner for waiting."""
        if pause.transcript is None:
            return self._deaf(pause)
        draft = self._answering.draft
        return draft is None or draft.ready

    def _deaf(self, pause: Pause) -> bool:
        """Whether there will be no transcript."""
        return self._failed is not None and pause.transcript is None

    def commit(self, now: float) -> None:
        """The user is done, says the client."""
        utterance = self._ear.utterance
        if utterance is not None:
            if utterance.aside:
                self._take_floor(utterance, utterance.start, now)
            self._decide(now, now)

    def end(self, now: float) -> None:
        """Nothing more will be heard: take what there is for a turn, but for what may have meant nothing."""
        if self._ear.utterance is not None and self._ear.utterance.aside:
            self.forget()
        self.commit(now)

    def _decide(self, due_at: float, now: float) -> None:
        """The user is done, as was clear at ``due_at``: the utterance under way becomes a turn."""
        utterance = self._ear.utterance
        assert utterance is not None
        pause = utterance.pause
        if pause is None:
            paused = utterance.paused
            self._out.append(
                c.TellSpeechStopped(self._ear.heard if paused is None else paused)
            )
        ended_at = self._clock.instant(self._ear.close())
        # All audio since the checkpoint was held back: its transcript is the final one.
        transcript = pause.transcript if pause is not None else None
        self._interrupted = False
        if transcript is None:
            self._learn()
        failed = self._failed if transcript is None else None
        if failed is None:
            self._out.append(c.FinishTranscribe(utterance.ref))
        self._answering.take_turn(
            utterance.ref,
            utterance.start,
            transcript,
            Stopwatch(
                speech_ended_at=min(ended_at, due_at), due_at=due_at, asked_at=now
            ),
            now,
        )
        if failed is not None:
            self._answering.fail(failed, now)
