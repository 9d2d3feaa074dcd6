"""The assistant's side of a conversation: the answer being given, the draft of the one to come, and what nobody answers."""

from dataclasses import replace

from gateway.conversation import commands as c
from gateway.conversation import events as e
from gateway.conversation.answer import Answer, Speaking, Writing
from gateway.conversation.context import TooLong
from gateway.conversation.drafts import Drafts
from gateway.conversation.ear import Said
from gateway.conversation.memory import INVALID_ARGUMENT, Memory
from gateway.conversation.telling import BudgetsOf, Telling
from gateway.conversation.underway import UnderWay
from gateway.conversation.values import (
    Failure,
    Finish,
    Initiative,
    Outcome,
    Policy,
    Ref,
    Speculated,
    Stage,
    Transcript,
    Wish,
)
from gateway.conversation.waterfall import Stopwatch

PLAIN = Wish(0)
"""An answer that nobody wished to be any other way."""


class Answering:
    """Gives one answer at a time, and may have one more up its sleeve.

    Args:
        policy: how long to wait for whom.
        memory: what the prompts are made of.
        budgets: of each answer.
        out: takes what is to be done, in order.

    Attributes:
        turns: that are under way.
        turn: turns decided so far.
        owed: how to make the last answer anew, which was cut before its first sound by a voice that may turn out to be a
            noise; None where it was not.
        understood: whether the user has said words since this was last set to False.
    """

    def __init__(
        self,
        policy: Policy,
        memory: Memory,
        budgets: BudgetsOf,
        out: list[c.Command],
    ) -> None:
        self._policy = policy
        self._memory = memory
        self._out = out
        self._drafts = Drafts(policy, memory, self.next_ref, out)
        self._telling = Telling(memory, budgets, out)
        self.turns = UnderWay(policy, memory, self._telling, out)
        self.turn = 0
        self.owed: Wish | None = None
        self.understood = False
        self._revision = 0
        self._unasked: Stopwatch | None = None

    @property
    def answer(self) -> Answer | None:
        """What is being answered; None while it is the user's turn."""
        return self.turns.answer

    @property
    def draft(self) -> Answer | None:
        """An answer to what the user has said so far, in case they are done."""
        return self._drafts.draft

    def hold(self, policy: Policy) -> None:
        """From now on, answers are given like this; the one in progress is given as it was begun."""
        self._policy = self._drafts.policy = self.turns.policy = policy
        self._drafts.drop(Speculated.SUPERSEDED)

    def next_ref(self) -> Ref:
        """The next attempt at the turn to come."""
        self._revision += 1
        return Ref(self.turn + 1, self._revision)

    # --- before the turn is decided -----------------------------------------------------------------------

    def speculate(
        self, transcript: Transcript, said_from: float, asked_at: float, now: float
    ) -> None:
        """Begin to answer what was said so far, if the user's turn will be answered, and by nothing but that.

        Args:
            transcript: what was said.
            said_from: position where it began.
            asked_at: when the transcript was asked for.
            now: on the driver's clock.
        """
        plain = self._policy.respond and self.turns.wish is None
        if plain and self.turns.answer is None and not self.turns.unanswered:
            self._drafts.make(transcript, said_from, asked_at, now)

    def drop_draft(self, outcome: Speculated) -> None:
        """Nobody will hear the draft: stop all work on it."""
        self._drafts.drop(outcome)

    # --- the turn is decided ------------------------------------------------------------------------------

    def take_turn(
        self,
        said: Said,
        transcript: Transcript | None,
        failure: Failure | None,
        stopwatch: Stopwatch,
        now: float,
    ) -> None:
        """The user is done.

        It is the assistant's turn, if it has the floor and is to answer: let the draft out if it answers just this, else
        begin to answer. Otherwise what was said is for the history alone.

        Args:
            said: what is to be answered.
            transcript: of it; None where it is awaited, or will not come.
            failure: why it will not come.
            stopwatch: the turn's instants so far.
            now: on the driver's clock.
        """
        if (
            self.draft is not None
            and transcript is not None
            and not self.turns.unanswered
        ):
            draft = self._drafts.use(said, stopwatch, now)
            self._note(draft)
            self._adopt(draft, transcript)
            return
        self.drop_draft(Speculated.SUPERSEDED)
        answer = Answer(
            self.next_ref(),
            self._policy,
            stopwatch,
            now,
            said_from=said.since,
            said=said.item,
            utterance=said.utterance,
        )
        self._note(answer)
        self._count(answer)
        wanted = self._policy.respond or self.turns.wish is not None
        if wanted and self.turns.answer is None and not self.turns.unanswered:
            self.turns.answer = answer
            answer.wish, self.turns.wish = self.turns.wish, None
        else:
            # What was said before this is still to be understood: then all of it is answered.
            if wanted and self.turns.answer is None and self.owed is None:
                self.owed = PLAIN
            self.turns.unanswered.append(answer)
        if failure is not None:
            self.turns.give_up(answer, Outcome.FAILED, now, failure)
        elif transcript is not None:
            self._hear(answer, transcript, now)

    def _adopt(self, draft: Answer, transcript: Transcript) -> None:
        self._count(draft)
        self.turns.answer = draft
        self._telling.heard(draft, transcript, beside=False)
        self._understand()
        self._telling.responding(draft)
        self._telling.reply(draft)
        self._out += draft.hand_over()

    def on_transcript(self, event: e.FinalHeard, now: float) -> None:
        """The transcript of a turn that was decided without."""
        for answer in self.turns.all():
            if answer.utterance == event.ref:
                self._hear(answer, event.transcript, now)
                return

    def _hear(self, answer: Answer, transcript: Transcript, now: float) -> None:
        answer.stopwatch.transcript_at = now
        beside = self.turns.answer is not None and self.turns.answer is not answer
        self._telling.heard(answer, transcript, beside)
        if not transcript.text.strip():
            self.turns.give_back(answer)
            self.turns.end(answer, Outcome.EMPTY, now)
            return
        if answer is self.turns.answer:
            self._understand()
            self._telling.responding(answer)
            self._generate(answer, now)
        else:
            self.understood = True
            self._unasked = answer.stopwatch
            self.turns.end(answer, Outcome.HEARD, now)

    def _understand(self) -> None:
        """The user said words; no tool is awaited any longer, and no earlier answer."""
        self.understood = True
        self.owed = None
        self.turns.tool_results_due = None

    # --- answers that nobody waited for the user's turn to end for ----------------------------------------

    def respond(self, wish: Wish) -> bool:
        """The client asks for an answer: to what the user is saying, or to what the history ends with.

        It begins when there is no other, and the user's words are known. Returns whether it will; it will not where
        another is under way, but for one that has called tools, and has all of their results: that one is to go on.
        """
        answer = self.turns.answer
        if self.turns.wish is not None:
            return False
        if answer is not None:
            if not answer.opened and answer.wish is None:
                answer.wish = wish
                return True
            if not answer.tool_calls or self._memory.waiting:
                return False
        self.turns.wish = wish
        self.drop_draft(Speculated.SUPERSEDED)
        return True

    def fulfil(self, now: float) -> None:
        """Nobody speaks: begin the answer that the client asked for, as soon as the user's words are known."""
        if len(self.turns.unanswered) == 1:
            self.turns.answer = answer = self.turns.unanswered.pop()
            answer.wish, self.turns.wish = self.turns.wish, None
        elif not self.turns.unanswered:
            self.go_on(now)

    def go_on(self, now: float) -> None:
        """Answer what the history ends with, without an utterance."""
        if not self._memory.waiting:
            self.turns.tool_results_due = None
        stopwatch, wish = Stopwatch(), self.turns.wish
        if wish is not None and wish.items is None and self._unasked is not None:
            stopwatch = self._unasked.asked_for(now)
        answer = Answer(self.next_ref(), self._policy, stopwatch, now)
        self._note(answer)
        answer.wish = wish or self.owed
        self.owed = self.turns.wish = None
        self._begin(answer)
        self._generate(answer, now)

    def owe(self, cut: Answer) -> None:
        """What was cut before its first sound is to be made anew, unless the user says words.

        The client was told that its wish has come to nothing: the new answer fulfils none, and is given in the
        conversation's own way, but for what the model reads.
        """
        wish = cut.wish
        self.owed = replace(wish, key=0, spoken=None) if wish is not None else PLAIN

    def take_initiative(
        self, what: Initiative, item: str, cue: str, now: float
    ) -> None:
        """Say something that nobody asked for.

        Args:
            what: to say.
            item: stands in the history for what it answers.
            cue: its text, where the initiative brings none.
            now: on the driver's clock.
        """
        self.owed = None
        self._memory.user_speaks(item, what.prompt or cue)
        if not what.say:
            self.go_on(now)
            return
        answer = Answer(
            self.next_ref(),
            self._policy,
            Stopwatch(),
            now,
            voiced=self._policy.spoken,
            opened=True,
        )
        self._begin(answer)
        self._out += answer.write(what.say, now)
        self._out += answer.end_writing(answer.usage, Finish.COMPLETE)
        self._telling.reply(answer)

    def _begin(self, answer: Answer) -> None:
        self._count(answer)
        self.turns.answer = answer
        self._telling.responding(answer)

    def _count(self, answer: Answer) -> None:
        """Another turn is decided."""
        self.turn = answer.ref.turn
        self._revision = 0
        self._unasked = None
        self._drafts.turn_decided()

    def _note(self, answer: Answer) -> None:
        """Say when the speech was over that is answered, if any is."""
        watch = answer.stopwatch
        ended, due, asked = watch.speech_ended_at, watch.due_at, watch.asked_at
        if ended is not None and due is not None and asked is not None:
            self._out.append(c.NoteEndpointing(answer.ref.turn, ended, due, asked))

    def _generate(self, answer: Answer, now: float) -> None:
        wish = answer.wish
        try:
            prompt = self._memory.prompt(wish)
        except TooLong as error:
            failure = Failure(Stage.GATEWAY, INVALID_ARGUMENT, str(error))
            self.turns.give_up(answer, Outcome.FAILED, now, failure)
            return
        answer.policy = self._policy
        answer.voiced = self._policy.spoken
        if wish is not None and wish.spoken is not None:
            answer.voiced = wish.spoken
        answer.opened = True
        answer.prompt = prompt
        answer.since = now
        self._out.append(c.Generate(answer.ref, prompt, wish.key if wish else 0))

    # --- what the stages say ------------------------------------------------------------------------------

    def _working(self, ref: Ref) -> Answer | None:
        """The answer, or the draft, that a stage works for."""
        for answer in (self.turns.answer, self.draft):
            if answer is not None and answer.ref == ref and answer.opened:
                return answer
        return None

    def on_writing(self, event: Writing, now: float) -> None:
        """The model wrote something."""
        answer = self._working(event.ref)
        if answer is not None and not answer.written:
            self._out += answer.take_writing(event, now)
            self._telling.reply(answer)

    def on_speaking(self, event: Speaking, now: float) -> None:
        """The voice spoke."""
        answer = self._working(event.ref)
        if answer is not None and answer.voiced and not answer.spoken:
            answer.take_speech(event, now)

    def on_failure(self, event: e.StageFailed, now: float) -> None:
        """A stage gave up; on a draft that costs nothing but time."""
        if self.draft is not None and self.draft.ref == event.ref:
            self.drop_draft(Speculated.FAILED)
            return
        answer = self.turns.of(event.ref)
        if answer is not None:
            self.turns.give_up(answer, Outcome.FAILED, now, event.failure)

    # --- time passes --------------------------------------------------------------------------------------

    def advance(self, now: float) -> None:
        """Let out what is due, end what is over, give up what takes too long."""
        draft = self.draft
        if draft is not None and draft.overdue(now) is not None:
            self.drop_draft(Speculated.FAILED)
        self.turns.advance(now)

    def wake_at(self, now: float) -> float | None:
        """When `advance` has something to do; None for never."""
        times = [
            at
            for answer in (*self.turns.all(), self.draft)
            if answer is not None and (at := answer.wake_at(now)) is not None
        ]
        return min(times) if times else None

    def abandon(self, now: float) -> None:
        """Give up every turn under way, and the draft: the client is gone."""
        self.drop_draft(Speculated.FORGOTTEN)
        for answer in self.turns.all():
            self.turns.give_up(answer, Outcome.CANCELLED, now)

    def cut(self, outcome: Outcome, now: float) -> Answer | None:
        """Stop the answer in progress; returns it, if there was one."""
        answer = self.turns.answer
        if answer is not None:
            self.turns.give_up(answer, outcome, now)
        return answer
