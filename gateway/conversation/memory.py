"""What a conversation remembers: the history, and the calls that wait for results."""

from dataclasses import replace

from gateway.conversation.answer import Answer
from gateway.conversation.calls import Calls
from gateway.conversation.commands import Refuse
from gateway.conversation.context import Context, TooLong
from gateway.conversation.history import History, beginning, within
from gateway.conversation.prompt import Message, rendered, with_cue
from gateway.conversation.refusals import refusal, room_for
from gateway.conversation.values import (
    ROOT,
    Failure,
    Image,
    Item,
    Outcome,
    Speaker,
    Stage,
    ToolCall,
    Wish,
)

INVALID_ARGUMENT = 3
"""Number of the gRPC status code for a prompt that the model refuses, or could not read whole."""


class Memory:
    """Keeps what was said, whatever comes when, and makes prompts of it.

    An answer has its place in the history from the moment the model is asked: right behind what it was asked. What
    comes while it is under way stands behind it.

    Args:
        history: what was said before, and the instructions.
        context: how much of it the model reads.
    """

    def __init__(self, history: History, context: Context) -> None:
        self._history = history
        self._context = context
        self._calls = Calls()
        # Behind this item stands the answer to come, or under way; these are its own items.
        self._behind = history.last_id or ROOT
        self._answer: list[str] = []
        self._reply: str | None = None
        self._last_reply: str | None = None
        self._own_items = False

    # --- prompts ------------------------------------------------------------------------------------------

    def instruct(self, instructions: str) -> None:
        """From now on, this is said to the model before everything else; empty for nothing."""
        self._history.instructions = instructions

    def beginning(self) -> tuple[Message, ...]:
        """What every prompt begins with."""
        return self._history.beginning()

    def prompt(self, wish: Wish | None = None) -> tuple[Message, ...]:
        """What the model is to read now, oldest first; the answer to it will stand behind the last item.

        Args:
            wish: its instructions and its items are read instead of the conversation's, where it has any.

        Raises:
            TooLong: there is no room in its context for what was said last.
        """
        self._answer_behind(self._history.last_id or ROOT)
        first = self.beginning()
        if wish is not None and wish.instructions is not None:
            first = beginning(wish.instructions)
        own = None if wish is None else wish.items
        self._own_items = own is not None
        messages = (
            self._history.messages(open_calls=self._calls.open)
            if own is None
            else rendered(within(own, self._history.most_image_bytes), {})
        )
        return self._context.prompt(first, with_cue(messages))

    def anew(self, asked: tuple[Message, ...]) -> tuple[Message, ...] | None:
        """How the next prompts begin, if not as the one that was ``asked``: turns have left. None otherwise."""
        history = self._history.messages(open_calls=self._calls.open)
        try:
            following = self._context.prompt(self.beginning(), history)
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
        said = Item("", Speaker.USER, text)
        messages = self._history.messages((said,))
        try:
            return self._context.prompt(self.beginning(), with_cue(messages))
        except TooLong:
            return None

    # --- items --------------------------------------------------------------------------------------------

    @property
    def last_id(self) -> str | None:
        """Of the last item; None where there is none."""
        return self._history.last_id

    def reserve(self) -> str:
        """An id for an utterance or an answer that will be an item."""
        return self._history.reserve()

    @property
    def items(self) -> tuple[Item, ...]:
        """All that was said, oldest first."""
        return self._history.items

    def item(self, item_id: str) -> Item | None:
        """The item of that name, as it is now; None where there is none."""
        return self._history.item(item_id)

    def before(self, item_id: str) -> str | None:
        """Id of the item that precedes the one named; None where that is the first."""
        return self._history.before(item_id)

    def put(self, item: Item, after: str | None) -> Item | Refuse:
        """Put a client's item behind the one named ``after``: `ROOT` for the beginning, None for the end.

        A tool's item is the result of its call. A call is history: nobody waits for its result.

        Args:
            item: gets an id where it has none.
            after: has to be there.

        Returns:
            The item as it is kept, or why it is not.
        """
        refused = refusal(self._history, item, after)
        if refused is not None:
            return refused
        if not item.id:
            item = replace(item, id=self._history.reserve())
        if item.speaker is Speaker.TOOL:
            self._calls.take(item.call_id)
        self._put(item, after)
        return item

    def delete(self, item_id: str) -> bool:
        """Forget an item; returns whether there was one of that name."""
        before = self._history.before(item_id)
        item = self._history.remove(item_id)
        if item is None:
            return False
        if item.call is not None:
            self._calls.forget([item.call.id])
        if item_id == self._behind:
            self._behind = before or ROOT
        return True

    def truncate(self, item_id: str, text: str) -> bool:
        """Of something that the assistant said only ``text`` was heard; returns whether there is such an item."""
        item = self._history.item(item_id)
        if item is None or item.speaker is not Speaker.ASSISTANT or item.call:
            return False
        complete = item.complete and text == item.text
        self._history.change(replace(item, text=text, complete=complete))
        return True

    def _answer_behind(self, item_id: str) -> None:
        """The answer to come is to what the history holds up to this item."""
        self._behind, self._own_items = item_id, False

    def _put(self, item: Item, after: str | None = None) -> None:
        self._history.put(item, after)
        self._history.forget_oldest(self._answer, self._calls.open)

    # --- the user -----------------------------------------------------------------------------------------

    def user_speaks(self, item_id: str, text: str = "") -> None:
        """The user has said something, which is an item from now on; its text may follow, with `heard`."""
        if text.strip():
            self._calls.abandon()
            self._answer_behind(item_id)
        self._put(Item(item_id, Speaker.USER, text, spoken=True))

    def heard(self, item_id: str, text: str, beside: bool = False) -> None:
        """What the user said; results that have not come by now are not waited for.

        Args:
            item_id: of what they said.
            text: of it; empty where there were no words.
            beside: an answer to something else is under way, and goes on; so does the wait for results.
        """
        item = self._history.item(item_id)
        if item is not None:
            self._history.change(replace(item, text=text))
        if text.strip() and not beside:
            self._calls.abandon()
            self._answer_behind(item_id if item else self._history.last_id or ROOT)

    def user_says(self, text: str) -> str:
        """The user's turn, in writing; returns the id of the item that it is.

        Results that have not come by now are not waited for.
        """
        self._calls.abandon()
        item_id = self._history.reserve()
        self._put(Item(item_id, Speaker.USER, text))
        self._answer_behind(item_id)
        return item_id

    def note(self, text: str, images: tuple[Image, ...] = ()) -> bool:
        """Keep something for the next turn, behind the answer that is under way.

        Returns:
            Whether there was room for it.
        """
        if not room_for(self._history, text):
            return False
        self._put(Item(self._history.reserve(), Speaker.USER, text, images))
        return True

    # --- tools --------------------------------------------------------------------------------------------

    def call(self, call: ToolCall, item_id: str) -> None:
        """The model asks for a function to be called: another item of the answer under way."""
        places = [self._behind, *self._answer]
        after = next((i for i in reversed(places) if self._history.item(i)), ROOT)
        self._answer.append(item_id)
        self._calls.ask(call)
        self._put(Item(item_id, Speaker.ASSISTANT, call=call, complete=False), after)

    def take_result(self, call_id: str, content: str) -> bool:
        """A tool gave something back; returns whether anybody had asked for it."""
        if not self._calls.take(call_id):
            return self._history.awaits(call_id)
        item_id = self._history.reserve()
        self._put(Item(item_id, Speaker.TOOL, content, call_id=call_id))
        return True

    @property
    def waiting(self) -> bool:
        """Whether the result of a tool is missing."""
        return self._calls.waiting

    def expire(self) -> None:
        """Wait for no result any longer."""
        self._history.give_up(self._calls.expire())

    def complete(self) -> bool:
        """Whether the last result that was waited for is there; true but once."""
        return self._calls.all_returned()

    # --- the assistant ------------------------------------------------------------------------------------

    def reply_begins(self, item_id: str, spoken: bool = True) -> None:
        """The answer under way has text: an item of no text until it is over, behind what the model was asked."""
        self._reply = item_id
        self._answer.insert(0, item_id)
        self._put(
            Item(item_id, Speaker.ASSISTANT, spoken=spoken, complete=False),
            self._behind,
        )

    def answered(
        self, answer: Answer, outcome: Outcome, heard: str, failure: Failure | None
    ) -> list[str]:
        """An answer is over, and ``heard`` is what was heard of it.

        Returns:
            Ids of the user's items that are forgotten, since the model could not read them.
        """
        self._context.learn(answer.prompt, answer.usage.prompt)
        self._end_reply(answer, heard)
        self._end_calls(answer, outcome)
        self._answer = []
        if failure is None or failure.code != INVALID_ARGUMENT:
            return []
        refused = failure.stage is Stage.LLM and bool(answer.prompt)
        if refused:
            self._context.refused(answer.prompt)
        if self._own_items or not (refused or failure.stage is Stage.GATEWAY):
            return []
        return self._history.drop_unanswered(self._behind)

    def _end_reply(self, answer: Answer, heard: str) -> None:
        reply, self._reply = self._reply, None
        if answer.announced:
            self._last_reply = reply if answer.text else None
        if reply is None:
            return
        item = self._history.item(reply)
        if item is None:
            return
        if answer.text:
            complete = answer.written and heard == answer.text
            self._history.change(replace(item, text=heard, complete=complete))
        else:
            self._history.remove(reply)

    def _end_calls(self, answer: Answer, outcome: Outcome) -> None:
        if outcome is not Outcome.TOOL_CALLS:
            self._calls.forget(call.id for call in answer.tool_calls)
            return
        for item_id in self._answer:
            item = self._history.item(item_id)
            if item is not None and item.call is not None:
                self._history.change(replace(item, complete=True))

    def cut_reply(self, text: str) -> None:
        """Of the last reply only ``text`` was heard, it turns out. Without a last reply this does nothing."""
        if self._last_reply is not None:
            self.truncate(self._last_reply, text)
