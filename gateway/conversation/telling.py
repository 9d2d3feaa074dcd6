"""What a client is told of turns and their answers, and the items of the history that go with it."""

from collections.abc import Callable, Mapping

from gateway.conversation import commands as c
from gateway.conversation.answer import Answer
from gateway.conversation.memory import Memory
from gateway.conversation.values import Failure, Outcome, Ref, Transcript

BudgetsOf = Callable[[Ref], Mapping[str, float]]
"""What an answer may take, in seconds by share of the waterfall, and ``total``."""


class Telling:
    """Tells of answers, and puts into the history what is told.

    Args:
        memory: holds the history.
        budgets: of each answer.
        out: takes what is to be done, in order.
    """

    def __init__(
        self, memory: Memory, budgets: BudgetsOf, out: list[c.Command]
    ) -> None:
        self._memory = memory
        self._budgets = budgets
        self._out = out

    def heard(self, answer: Answer, transcript: Transcript, beside: bool) -> None:
        """What was said that the answer is to; ``beside``: it is to nothing, since another one is under way."""
        answer.utterance = None
        self._memory.heard(answer.said, transcript.text, beside)
        self._out.append(c.TellTranscript(answer.ref.turn, transcript, answer.said))

    def unheard(self, answer: Answer, failure: Failure | None) -> None:
        """Nobody will know what was said: it failed, or was given up, and then is not part of the history any more."""
        if failure is not None:
            self._out.append(c.TellUnheard(answer.said, failure))
        elif self._memory.delete(answer.said):
            self._out.append(c.TellItemDeleted(answer.said))

    def responding(self, answer: Answer) -> None:
        """It is clear that there will be an answer."""
        key = answer.wish.key if answer.wish is not None else 0
        self._out.append(c.TellResponding(answer.ref.turn, key))

    def reply(self, answer: Answer) -> None:
        """All of the answer that the client may know now and does not."""
        for notice in answer.told():
            match notice:
                case c.TellReplyStarted(turn):
                    answer.item = self._memory.reserve()
                    if answer.text:
                        self._memory.reply_begins(answer.item, answer.voiced)
                        answer.kept = True
                    after = self._memory.before(answer.item) if answer.kept else None
                    self._out.append(c.TellReplyStarted(turn, answer.item, after))
                case c.TellToolCall(turn, call):
                    item = self._memory.reserve()
                    self._memory.call(call, item)
                    after = self._memory.before(item)
                    self._out.append(c.TellToolCall(turn, call, item, after))
                case _:
                    if not answer.kept:
                        self._memory.reply_begins(answer.item, answer.voiced)
                        answer.kept = True
                    self._out.append(notice)

    def ended(
        self,
        answer: Answer,
        outcome: Outcome,
        heard: str,
        failure: Failure | None,
    ) -> None:
        """The turn is over, and ``heard`` is what was heard of its answer, if there was one."""
        self._out.append(
            c.TellTurnEnded(
                answer.ref.turn,
                outcome,
                heard,
                answer.stopwatch.waterfall(self._budgets(answer.ref)),
                answer.usage,
                failure,
                answer.finish,
            )
        )
