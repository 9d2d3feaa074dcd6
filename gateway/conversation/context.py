"""What of the history a prompt holds, so that it and its reply stay within the model's context.

The history keeps what it keeps. What is left out here is left out of prompts only, and follows from the messages
alone: the same history makes the same prompt, however often it is asked for and whatever was supposed in between.
"""

from collections.abc import Iterable, Sequence

from gateway.conversation.prompt import Message
from gateway.conversation.tokens import of_message
from gateway.conversation.values import Speaker

MOST_CONTEXT = 131_072
"""Tokens of a context that are made use of. So much text and its pictures still fit into one gRPC message of 4 MiB."""

MARGIN = 1 / 16
"""Of the context: for what a chat template says of its own accord, and for what an estimate misses."""

KEPT = 0.6
"""Of the room for the history, once it is too small. To leave out little means to do so often, and each time what the
upstream has cached of the prompt is worth nothing: for every token that is said, about 0.6 / (1 - 0.6) = 1.5 are read
again (3 at 0.75, 1 at 0.5)."""

AHEAD = 1 / 16
"""Of the room for the history, that there is to be for what the user says next. Where there is not, turns leave when
an answer is over: then prompts can be read anew while nobody waits for it."""

LEAST_SCALE = 0.5
MOST_SCALE = 3.0
"""Tokens that a model counts for each of ours; SmolLM2 counts 2.8 for Korean, which is the most that was seen."""

HEADROOM = 1.1
"""Learnt scales are so much larger than what was counted, since the next words may be dearer ones."""

LOOSE = 0.7
"""Of the scale; a model that counts less has it lowered. A little less is left at that: each change of scale may change
where prompts begin."""

TELLING = 0.25
"""Of the context; of a shorter prompt, what the template adds may be the most, and nobody refuses it for its length."""

REFUSED = 1.5
"""By which the scale rises where the model refuses a prompt: it may have been too long."""

SHORTEST_TURN = 64
"""Tokens of what the user says that there is to be room for; a sentence or two."""


class TooLong(Exception):
    """What was said last does not fit into the model's context, whatever else is left out; the message tells it."""


class Context:
    """How much a model reads at once, and how it counts.

    Args:
        size: tokens that a prompt and its reply may have together.
        reply: tokens that the reply may have; half of the context is the prompt's in any case.
        tools: tokens of the definitions of tools, by `gateway.conversation.tokens`.
    """

    def __init__(self, size: int, reply: int = 0, tools: int = 0) -> None:
        self._scale, self._least = 1.0, LEAST_SCALE
        self._known: dict[Message, int] = {}
        self.resize(size, reply, tools)

    def resize(self, size: int, reply: int, tools: int) -> None:
        """Another model is asked, or for longer replies, or with other tools; what was learnt stays."""
        self._size = min(size, MOST_CONTEXT)
        self._room = self._size * (1 - MARGIN) - min(reply, self._size // 2)
        self._tools = tools

    def fits(self, beginning: Iterable[Message]) -> bool:
        """Whether there is room for the beginning of all prompts and `SHORTEST_TURN`."""
        return self._room / self._scale - self._tokens(beginning) >= SHORTEST_TURN

    def prompt(
        self, beginning: tuple[Message, ...], history: Sequence[Message]
    ) -> tuple[Message, ...]:
        """The beginning of all prompts, and as many of the newest turns as there is room for.

        Turns leave whole, the oldest first: from what the user says to the last answer, so that tool calls and their
        results stay together. As soon as there is no room for the next message, so many leave that the others take
        `KEPT` of it; then prompts begin alike until it is full again, as far as `AHEAD` allows.

        Args:
            beginning: is never left out.
            history: all messages, oldest first.

        Raises:
            TooLong: there is no room for the newest turn.
        """
        # Kept for the next time: most of the messages will be the same.
        self._known = {m: self._cost(m) for m in (*beginning, *history)}
        costs = [self._known[message] for message in history]
        room = self._room / self._scale - self._tokens(beginning)
        first, newest, taken = 0, 0, 0
        for index, message in enumerate(history):
            taken += costs[index]
            if message.speaker is Speaker.USER:
                newest = index
            if taken > room - (room * AHEAD if _ends_a_turn(message) else 0):
                while first < newest and taken > room * KEPT:
                    following = _next_turn(history, first)
                    taken -= sum(costs[first:following])
                    first = following
        if taken > room:
            raise TooLong(
                f"the last turn has about {self._counted(taken)} tokens, and the model's context of {self._size} has"
                f" room for {max(0, self._counted(room))} besides the instructions, the tools and the reply"
            )
        return (*beginning, *history[first:])

    def learn(self, prompt: Iterable[Message], counted: int) -> None:
        """The model counted so many tokens in a prompt; 0 where it did not say. It answered, so that all is not lost."""
        messages = tuple(prompt)
        ours = self._tokens(messages)
        if counted <= 0 or ours < self._size * TELLING:
            return
        ratio = counted / ours
        if ratio > self._scale or ratio < self._scale * LOOSE:
            scale = max(ratio * HEADROOM, self._least)
            self._scale = min(scale, self._most(messages))

    def refused(self, prompt: Iterable[Message]) -> None:
        """The model refused a prompt; the next ones are shorter, in case that was why, but never hopeless.

        A model that refuses what it counts as little is not believed again.
        """
        messages = tuple(prompt)
        if self._tokens(messages) < self._size * TELLING:
            return
        scale = min(self._scale * REFUSED, self._most(messages))
        self._scale = self._least = max(self._scale, scale)

    def _most(self, prompt: Iterable[Message]) -> float:
        """The scale that leaves room for the prompt's beginning and `SHORTEST_TURN`."""
        fixed = self._tokens(m for m in prompt if m.speaker is Speaker.SYSTEM)
        return min(MOST_SCALE, self._room / (fixed + SHORTEST_TURN))

    def _tokens(self, messages: Iterable[Message]) -> int:
        """Of messages and tools, as we count them."""
        return self._tools + sum(self._cost(message) for message in messages)

    def _cost(self, message: Message) -> int:
        return self._known.get(message) or of_message(message)

    def _counted(self, ours: float) -> int:
        return round(ours * self._scale)


def _ends_a_turn(message: Message) -> bool:
    return message.speaker is Speaker.ASSISTANT and not message.tool_calls


def _next_turn(history: Sequence[Message], index: int) -> int:
    """Where the turn after the one that begins at ``index`` begins; the end where there is none."""
    return next(
        (
            later
            for later in range(index + 1, len(history))
            if history[later].speaker is Speaker.USER
        ),
        len(history),
    )
