"""What a conversation remembers: the history, the calls that wait for results, and what waits for the next turn."""

from gateway.conversation.answer import Answer
from gateway.conversation.calls import Calls
from gateway.conversation.context import Context, TooLong
from gateway.conversation.history import History, Message
from gateway.conversation.values import Failure, Image, Outcome, Stage, ToolCall

MOST_UNANSWERED = 32_768
"""Characters that a client may leave for later turns."""

INVALID_ARGUMENT = 3
"""Number of the gRPC status code for a prompt that the model refuses, or could not read whole."""


class Memory:
    """Keeps prompts in an order that models take, whatever comes when.

    Args:
        history: what was said before, and the instructions.
        context: how much of it the model reads.
    """

    def __init__(self, history: History, context: Context) -> None:
        self._history = history
        self._context = context
        self._calls = Calls()
        self._noted: list[tuple[str, tuple[Image, ...]]] = []

    def beginning(self) -> tuple[Message, ...]:
        """What every prompt begins with."""
        return self._history.beginning()

    def prompt(self) -> tuple[Message, ...]:
        """What the model is to read, oldest first.

        Raises:
            TooLong: there is no room in its context for what was said last.
        """
        return self._context.prompt(self.beginning(), self._history.messages())

    def anew(self, asked: tuple[Message, ...]) -> tuple[Message, ...] | None:
        """How the next prompts begin, if not as the one that was ``asked``: turns have left. None otherwise."""
        try:
            following = self.prompt()
        except TooLong:
            return None
        first = len(self.beginning())
        if following[first : first + 1] == asked[first : first + 1]:
            return None
        return following

    def supposing(self, text: str) -> tuple[Message, ...] | None:
        """The prompt that there would be if the user said ``text`` now, or None if the model had no room for it.

        Nothing is kept of it.
        """
        supposed = Memory(self._history.copied(), self._context)
        supposed._calls = self._calls.copied()
        supposed.user_says(text)
        try:
            return supposed.prompt()
        except TooLong:
            return None

    def user_says(self, text: str) -> None:
        """The user's turn; results that have not come by now are not waited for."""
        for call_id, content in self._calls.abandon():
            self._history.add_tool_result(call_id, content)
        self._history.add_user(text)

    def note(self, text: str, images: tuple[Image, ...], answering: bool) -> bool:
        """Keep something for the next turn, behind the answer that is under way.

        Returns:
            Whether there was room for it.
        """
        kept = self._history.unanswered() + sum(len(noted) for noted, _ in self._noted)
        if kept + len(text) > MOST_UNANSWERED:
            return False
        if answering:
            self._noted.append((text, images))
        else:
            self._history.add_user(text, images)
        return True

    def call(self, call: ToolCall) -> None:
        """The model asks for a function to be called."""
        self._calls.ask(call)

    def take_result(self, call_id: str, content: str) -> bool:
        """A tool gave something back; returns whether anybody had asked for it."""
        return self._calls.take(call_id, content)

    @property
    def waiting(self) -> bool:
        """Whether the result of a tool is missing."""
        return self._calls.waiting

    def expire(self) -> None:
        """Wait for no result any longer."""
        self._calls.expire()

    def complete(self) -> bool:
        """Put the results into the history once the last one is there; returns whether that is now."""
        results = self._calls.all_returned()
        for call_id, content in results:
            self._history.add_tool_result(call_id, content)
        return bool(results)

    def answered(
        self, answer: Answer, outcome: Outcome, heard: str, failure: Failure | None
    ) -> None:
        """An answer is over, and ``heard`` is what was heard of it."""
        self._context.learn(answer.prompt, answer.usage.prompt)
        if outcome is Outcome.TOOL_CALLS:
            self._history.add_reply(heard, tuple(answer.tool_calls))
        else:
            if answer.announced and not heard:
                self._history.nothing_heard()
            self._history.add_reply(heard)
            self._calls.forget(answer.tool_calls)
        if failure is not None and failure.code == INVALID_ARGUMENT:
            refused = failure.stage is Stage.LLM and bool(answer.prompt)
            if refused:
                self._context.refused(answer.prompt)
            if refused or failure.stage is Stage.GATEWAY:
                self._history.drop_unanswered()
        noted, self._noted = self._noted, []
        for text, images in noted:
            self._history.add_user(text, images)

    def cut_reply(self, text: str) -> None:
        """Of the last reply only ``text`` was heard, it turns out."""
        self._history.cut_reply(text)
