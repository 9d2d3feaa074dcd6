"""Who has the floor: the user takes it, and what stays an aside does not."""

from gateway.conversation import commands as c
from gateway.conversation.answering import Answering
from gateway.conversation.ear import Ear, Utterance
from gateway.conversation.endpointing import Patience
from gateway.conversation.values import Interrupt, Outcome, Policy

CUT_OFF = 1.0
"""Seconds of an answer; whoever speaks before they have heard so much of it was not done, most likely."""


class Floor:
    """Interrupts answers where the user's speech counts.

    Args:
        policy: how the conversation is held.
        ear: hears the user.
        answering: the assistant's side.
        patience: learns from who was cut off.
        out: takes what is to be done, in order.

    Attributes:
        policy: how the conversation is held.
        interrupted: whether the utterance under way stopped an answer.
    """

    def __init__(
        self,
        policy: Policy,
        ear: Ear,
        answering: Answering,
        patience: Patience,
        out: list[c.Command],
    ) -> None:
        self.policy = policy
        self.interrupted = False
        self._ear = ear
        self._answering = answering
        self._patience = patience
        self._out = out
        self._cut_off = False
        self._learnt_from = 0

    def take(self, utterance: Utterance, at: float, now: float) -> None:
        """It is the user's turn, by a voice that began at ``at``; an answer in progress is interrupted."""
        cut = self._answering.cut(Outcome.INTERRUPTED, now)
        self.interrupted = cut is not None
        if cut is not None and cut.opened and not cut.begun and self.policy.respond:
            self._answering.owe(cut)
        self._cut_off = cut is not None and cut.playback.heard(now) < CUT_OFF
        self._announce(utterance, at)

    def count(self, aside: Utterance, now: float) -> None:
        """What was said into an answer is more than an aside: it stops the answer, if it may."""
        listen = self.policy.turns.interrupt is Interrupt.LISTEN
        if listen and self._answering.answer is not None:
            self._announce(aside, aside.start)
        else:
            self.take(aside, aside.start, now)

    def duck(self, aside: Utterance) -> None:
        """Somebody speaks into the answer; unless it goes on in any case, it is played quietly."""
        answer = self._answering.answer
        if answer is not None and self.policy.turns.interrupt is not Interrupt.LISTEN:
            aside.ducked = True
            self._out.append(c.TellDucked(answer.ref.turn, True))

    def raise_again(self, utterance: Utterance) -> None:
        """The answer goes on as loud as before, if it was played quietly for this."""
        answer = self._answering.answer
        if utterance.ducked and answer is not None:
            self._out.append(c.TellDucked(answer.ref.turn, False))
        utterance.ducked = False

    def grows(self, aside: Utterance) -> bool:
        """Whether an aside has become more, by how long it lasts, or since there is nothing left to speak into."""
        interrupt = self.policy.turns.interrupt
        long = self._ear.voiced() >= self.policy.interrupt_after
        return (
            self._answering.answer is None
            or interrupt is Interrupt.ALWAYS
            or (interrupt is Interrupt.SPEECH and long)
        )

    def learn(self) -> None:
        """The user said something: were they cut off by the last answer to their words, or did they listen to it?"""
        ended, cut_off = self._answering.turns.ended, self._cut_off
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

    def _announce(self, utterance: Utterance, at: float) -> None:
        """The user says something."""
        self.raise_again(utterance)
        utterance.aside = False
        utterance.announced = True
        self._out.append(c.TellSpeechStarted(at, utterance.item))
        if utterance.pause is not None and utterance.paused is not None:
            self._out.append(c.TellSpeechStopped(utterance.paused))
