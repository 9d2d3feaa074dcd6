"""Which options hold for which answer: the conversation's change while an answer is given, and some answers have their own."""

from collections.abc import Callable

from gateway.conversation.values import Ref
from gateway.options import Options


class AnswerOptions:
    """Keeps the options of the answers that are wished for, or under way.

    Args:
        options: of the conversation.

    Attributes:
        options: of the conversation, from now on.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self._wished: dict[int, Options] = {}
        self._begun: dict[Ref, Options] = {}

    def wish(self, key: int, options: Options) -> None:
        """The answer to the `Wish` with that key is to have these."""
        self._wished[key] = options

    def keep_wishes(self, expected: Callable[[int], bool]) -> None:
        """Forget those of wishes that are not expected any more: they were refused, or begun."""
        self._wished = {k: kept for k, kept in self._wished.items() if expected(k)}

    def begin(self, ref: Ref, wish: int) -> None:
        """An answer begins; ``wish`` is the key of the `Wish` that it fulfils, 0 for none."""
        self._begun[ref] = self._wished.pop(wish, self.options)

    def of(self, ref: Ref) -> Options:
        """Of an answer; the conversation's, where it has not been begun as one of the model's."""
        return self._begun.get(ref, self.options)

    def cancelled(self, ref: Ref) -> None:
        """An answer was given up."""
        self._begun.pop(ref, None)

    def ended(self, turn: int) -> None:
        """A turn is over."""
        self._begun = {r: kept for r, kept in self._begun.items() if r.turn != turn}
