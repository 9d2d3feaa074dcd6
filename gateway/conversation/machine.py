"""The conversation: one who listens, one who answers, a memory, and the rules between them.

Invariants (tests/unit/conversation/test_invariants.py holds them under random events):
audio never leaves before its turn is decided; no word of a cancelled revision reaches the client or the history;
a turn number rises only when a turn is decided; everything that is opened is finished or cancelled.
"""

from dataclasses import replace
from typing import assert_never

from gateway.conversation import commands as c
from gateway.conversation import events as e
from gateway.conversation.answering import Answering
from gateway.conversation.context import Context
from gateway.conversation.history import History
from gateway.conversation.initiative import BEGINNING, SILENCE, Quiet
from gateway.conversation.items import Items
from gateway.conversation.lifetime import Lifetime
from gateway.conversation.listening import Listening
from gateway.conversation.memory import Memory
from gateway.conversation.prompt import Message
from gateway.conversation.refusals import MOST_UNANSWERED
from gateway.conversation.telling import BudgetsOf
from gateway.conversation.values import (
    Ending,
    Image,
    Item,
    Outcome,
    Policy,
    Refusal,
    State,
)


class Conversation:
    """One conversation. Single-threaded; whoever drives it calls `handle` and `tick`, and does what they return.

    Args:
        policy: how it is held.
        history: what was said before, and the instructions.
        context: how much of it the model reads.
        budgets: of each answer; asked when its turn is over.
    """

    def __init__(
        self,
        policy: Policy,
        history: History,
        context: Context,
        budgets: BudgetsOf,
    ) -> None:
        self._policy = policy
        self._memory = Memory(history, context)
        self._out: list[c.Command] = []
        self._answering = Answering(policy, self._memory, budgets, self._out)
        self._listening = Listening(policy, self._memory, self._answering, self._out)
        self._items = Items(self._memory, self._answering, self._out)
        self._quiet = Quiet(policy.idle)
        self._lifetime = Lifetime(policy)
        self._ending: Ending | None = None
        self._input_over = False
        self._closed = False

    @property
    def state(self) -> State:
        """Where the conversation stands."""
        if (state := self._listening.state) is not None:
            return state
        return State.ANSWERING if self._answering.answer else State.LISTENING

    @property
    def answering(self) -> bool:
        """Whether an answer that the client knows of is under way."""
        answer = self._answering.answer
        return answer is not None and answer.opened

    def expects(self, wish: int) -> bool:
        """Whether the answer to the `Wish` with that key has yet to be asked for."""
        answer = self._answering.answer
        wishes = [self._answering.turns.wish]
        if answer is not None and not answer.opened:
            wishes.append(answer.wish)
        return any(wished is not None and wished.key == wish for wished in wishes)

    @property
    def beginning(self) -> tuple[Message, ...]:
        """What every prompt begins with."""
        return self._memory.beginning()

    @property
    def items(self) -> tuple[Item, ...]:
        """What the history holds, oldest first."""
        return self._memory.items

    def item(self, item_id: str) -> Item | None:
        """What the history holds under that name."""
        return self._memory.item(item_id)

    @property
    def turn(self) -> int:
        """Turns decided so far."""
        return self._answering.turn

    @property
    def backlog(self) -> float:
        """Seconds of reply audio that wait at the door."""
        answer = self._answering.answer or self._answering.draft
        return answer.backlog if answer else 0.0

    @property
    def needed_from(self) -> float:
        """Position before which the input's audio may be forgotten."""
        return self._listening.needed_from

    def wake_at(self, now: float) -> float | None:
        """When to call `tick` if nothing is handled before; None for never."""
        if self._closed:
            return None
        times = (
            self._answering.wake_at(now),
            self._listening.wake_at(),
            self._quiet.due_at(),
            self._answering.turns.tool_results_due if self._awaits_tools() else None,
            self._lifetime.due_at() if self._ending is None else None,
        )
        return min((time for time in times if time is not None), default=None)

    def begin(self, now: float) -> list[c.Command]:
        """The conversation opens."""
        self._lifetime.begin(now)
        greeting = self._policy.greeting
        if (beginning := self._memory.beginning()) and not (
            greeting and greeting.prompt
        ):
            self._out.append(c.Prepare(beginning, True))
        if greeting is not None:
            item = self._memory.reserve()
            self._answering.take_initiative(greeting, item, BEGINNING, now)
        self._advance(now)
        return self._taken()

    def tick(self, now: float) -> list[c.Command]:
        """Time has passed."""
        if not self._closed:
            self._count_silence(now)
            self._advance(now)
        return self._taken()

    def handle(self, event: e.Event, now: float) -> list[c.Command]:
        """Something happened; returns what is to be done, in order."""
        if not self._closed:
            self._count_silence(now)
            self._dispatch(event, now)
            self._advance(now)
        return self._taken()

    def leave(self, now: float) -> list[c.Command]:
        """The client is gone, and the conversation over: what is under way is given up, and nobody is told."""
        if not self._closed:
            self._closed = True
            self._answering.abandon(now)
        return self._taken()

    def _dispatch(self, event: e.Event, now: float) -> None:
        match event:
            case e.SpeechBegan() | e.SpeechPaused() | e.Heard():
                if self._ending is None or self._lets_finish():
                    self._listening.on_hearing(event, now)
            case e.EndPredicted() | e.PartialHeard() | e.CheckpointHeard():
                self._listening.on_guess(event, now)
            case e.FinalHeard():
                self._answering.on_transcript(event, now)
            case e.TextWritten() | e.ToolCalled() | e.ReplyWritten():
                self._answering.on_writing(event, now)
            case e.ClauseTaken() | e.AudioSpoken() | e.MarkSpoken() | e.ReplySpoken():
                self._answering.on_speaking(event, now)
            case e.StageFailed():
                if not self._listening.on_failure(event):
                    self._answering.on_failure(event, now)
            case e.TextSaid():
                self._on_text(event, now)
            case e.ImageShown():
                self._note("", (event.image,), now)
            case e.ToolReturned():
                self._on_tool_result(event, now)
            case e.Committed():
                self._listening.commit(now)
            case e.Cleared():
                self._listening.clear()
            case e.ReplyCancelled():
                self._answering.cut(Outcome.CANCELLED, now)
            case e.ReplyTruncated():
                self._on_truncate(event, now)
            case e.TurnTakingChanged(turns):
                self._hold(replace(self._policy, turns=turns), now)
                self._out.append(c.TellTurnTaking(turns))
            case e.MannerChanged(policy, instructions):
                self._memory.instruct(instructions)
                self._answering.hold(policy)
                self._hold(policy, now)
            case e.ItemCreated() | e.ItemDeleted() | e.ItemTruncated():
                if self._items.change(event, now):
                    self._quiet.user_spoke()
                    self._lifetime.spoke(now)
                    self._listening.rethink(now)
            case e.Respond():
                self._on_respond(event)
            case e.InputEnded(why):
                self._end(why, now)
            case _:
                assert_never(event)

    # --- time passes --------------------------------------------------------------------------------------

    def _advance(self, now: float) -> None:
        """Decide what is due, let out what may leave, break a silence, close when all is said."""
        over = self._lifetime.over(now)
        if over is not None:
            self._end(over, now)
        self._listening.judge(now)
        self._answering.advance(now)
        # Whoever spoke into an answer has the floor once it is over.
        self._listening.judge_aside(now)
        self._call_off(now)
        self._answer_what_is_asked(now)
        if self._answering.understood:
            self._answering.understood = False
            self._quiet.user_spoke()
        self._break_silence(now)
        if self._ending is not None and self._all_is_said(now):
            self._listening.forget()
            self._closed = True
            self._out.append(c.Close(self.turn, self._ending))

    def _count_silence(self, now: float) -> None:
        """Somebody may have spoken, or thought, until now, though nothing happened meanwhile."""
        if not self._nobody_speaks():
            self._lifetime.spoke(now)

    def _answer_what_is_asked(self, now: float) -> None:
        """Begin what could not begin before: nobody was to be interrupted, or something was to come yet."""
        if self._answering.answer is not None or self._listening.speaking:
            return
        if self._answering.turns.wish is not None:
            self._memory.complete()
            self._answering.fulfil(now)
        elif not self._answering.turns.unanswered:
            complete = self._memory.complete() and self._policy.go_on
            if complete or self._answering.owed is not None:
                self._answering.go_on(now)

    def _break_silence(self, now: float) -> None:
        waiting = self._ending is not None or self._memory.waiting
        lasted = self._quiet.lasted(now)
        said = self._quiet.observe(self._nobody_speaks() and not waiting, now)
        if said is not None:
            item, heard = self._memory.reserve(), self._listening.heard
            after, began = self._memory.last_id, max(0.0, heard - lasted)
            self._out.append(c.TellIdle(item, after, began, heard))
            self._answering.take_initiative(said, item, SILENCE, now)

    def _end(self, why: Ending, now: float) -> None:
        """Finish the turn in progress, and no other."""
        self._ending = self._ending or why
        if why is Ending.DRAINING:
            # The client is still there: who speaks may finish, and tools may return.
            self._listening.forget_aside()
        else:
            self._input_over = True
            self._listening.end(now)

    def _lets_finish(self) -> bool:
        """Whether what the user says now belongs to the turn that is finished yet."""
        return not self._input_over and self._listening.speaking

    def _all_is_said(self, now: float) -> bool:
        """Whether the turn that is finished yet is over, with what its tools return."""
        if not self._nobody_speaks():
            return False
        due = self._answering.turns.tool_results_due
        return self._input_over or due is None or now >= due

    def _hold(self, policy: Policy, now: float) -> None:
        """From now on the conversation is held like this."""
        self._policy = self._lifetime.policy = policy
        self._quiet.hold(policy.idle)
        self._listening.hold(policy, now)

    def _nobody_speaks(self) -> bool:
        answering = self._answering
        return (
            answering.answer is None
            and not answering.turns.unanswered
            and answering.turns.wish is None
            and not self._listening.speaking
        )

    def _awaits_tools(self) -> bool:
        """Whether what tools return is waited for, though not for ever; whoever asks for answers has that long."""
        if self._ending is not None:
            return self._nobody_speaks()
        return self._memory.waiting and self._policy.go_on

    def _call_off(self, now: float) -> None:
        """Go on without the results of tools that do not come."""
        due = self._answering.turns.tool_results_due
        if self._awaits_tools() and due is not None and now >= due:
            self._memory.expire()
            self._listening.rethink(now)

    # --- what the client says -----------------------------------------------------------------------------

    def _on_text(self, event: e.TextSaid, now: float) -> None:
        self._quiet.user_spoke()
        self._lifetime.spoke(now)
        if not event.respond or self._ending is not None:
            self._note(event.text, (), now)
            return
        self._answering.cut(Outcome.INTERRUPTED, now)
        self._listening.forget()
        self._memory.user_says(event.text)
        self._answering.go_on(now)

    def _on_respond(self, event: e.Respond) -> None:
        if self._listening.buffering:
            # Who takes audio for a turn as they like does not mean what was not taken.
            self._listening.forget()
        if not self._answering.respond(event.wish):
            problem = "another answer is under way, or asked for"
            self._out.append(c.Refuse("respond", problem, Refusal.ANSWERING))

    def _note(self, text: str, images: tuple[Image, ...], now: float) -> None:
        if self._memory.note(text, images):
            self._listening.rethink(now)
        else:
            problem = f"more than {MOST_UNANSWERED} characters wait for an answer"
            self._out.append(c.Refuse("text.text", problem))

    def _on_tool_result(self, event: e.ToolReturned, now: float) -> None:
        if self._memory.take_result(event.call_id, event.content):
            self._listening.rethink(now)
        else:
            problem = f"no open call has the id {event.call_id!r}"
            self._out.append(c.Refuse("tool_result.tool_call_id", problem))

    def _on_truncate(self, event: e.ReplyTruncated, now: float) -> None:
        answer = self._answering.answer
        if answer is not None and answer.announced and answer.ref.turn == event.turn:
            self._answering.cut(Outcome.INTERRUPTED, now)
        ended = self._answering.turns.ended
        if ended is None or ended.ref.turn != event.turn:
            last = ended.ref.turn if ended else "none yet"
            self._out.append(
                c.Refuse(
                    "truncate.turn",
                    f"only the last answered turn can be truncated: {last}",
                )
            )
            return
        self._memory.cut_reply(ended.text_until(event.heard))
        self._listening.rethink(now)

    def _taken(self) -> list[c.Command]:
        out = self._out.copy()
        self._out.clear()
        return out
