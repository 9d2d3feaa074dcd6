"""What has been said, as the model is to read it.

Only what was heard is kept of a reply: a model that believes to have said what nobody heard confuses people.
"""

from dataclasses import dataclass, field, replace

from gateway.conversation.values import Image, Speaker, ToolCall

GONE = "(A picture that is not shown any more.)"
"""Stands for a user's message that was nothing but pictures, once they are forgotten."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a prompt.

    Attributes:
        speaker: who says it.
        text: may be empty where there are images or tool calls.
        images: shown with it.
        tool_calls: asked for with it.
        tool_call_id: on a tool's message, the call that it answers.
    """

    speaker: Speaker
    text: str = ""
    images: tuple[Image, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""


@dataclass(slots=True)
class History:
    """The conversation so far.

    Attributes:
        instructions: said to the model before everything else; empty for none.
        most_messages: kept; beyond them the oldest leave, whole exchanges, down to half.
        most_image_bytes: pictures kept; beyond them the oldest are forgotten, so that a prompt fits into a message.
    """

    instructions: str
    most_messages: int = 400
    most_image_bytes: int = 3 * 1024 * 1024
    _messages: list[Message] = field(default_factory=list)
    _reply_index: int | None = None
    _unheard: bool = False

    def copied(self) -> "History":
        """The same messages; what is added to either is not added to the other."""
        return replace(self, _messages=list(self._messages))

    def beginning(self) -> tuple[Message, ...]:
        """What every prompt begins with."""
        return (
            (Message(Speaker.SYSTEM, self.instructions),) if self.instructions else ()
        )

    def messages(self) -> tuple[Message, ...]:
        """What was said, oldest first."""
        return tuple(self._messages)

    def add_user(self, text: str, images: tuple[Image, ...] = ()) -> None:
        """The user says or shows something.

        Joined to what they said just before, if nobody answered that: models want the roles to alternate.
        """
        said = Message(Speaker.USER, text, images)
        self._unheard = False
        if self._messages and self._messages[-1].speaker is Speaker.USER:
            self._messages[-1] = _joined(self._messages[-1], said)
        else:
            self._messages.append(said)
        self._forget_oldest()
        if images:
            self._forget_pictures()

    def unanswered(self) -> int:
        """Characters that the user said or wrote since somebody last answered."""
        last = self._messages[-1] if self._messages else None
        return (
            len(last.text) if last is not None and last.speaker is Speaker.USER else 0
        )

    def drop_unanswered(self) -> None:
        """Forget what the user said last: no model can read it, and the next prompt would hold it again."""
        if self._messages and self._messages[-1].speaker is Speaker.USER:
            del self._messages[-1]

    def add_reply(self, text: str, calls: tuple[ToolCall, ...] = ()) -> None:
        """The assistant was heard saying ``text``, or called tools; without either nothing is kept."""
        if text or calls:
            self._messages.append(Message(Speaker.ASSISTANT, text, tool_calls=calls))
            self._reply_index = len(self._messages) - 1

    def nothing_heard(self) -> None:
        """There was a reply, and nothing of it was heard, it seems: it is the last one, and the one before stays."""
        self._reply_index = None
        self._unheard = True

    def add_tool_result(self, call_id: str, content: str) -> None:
        """A tool gave something back; it stands behind its call, whatever was said since."""
        index = len(self._messages)
        for i, message in enumerate(self._messages):
            if any(call.id == call_id for call in message.tool_calls):
                index = i + 1
        while (
            index < len(self._messages)
            and self._messages[index].speaker is Speaker.TOOL
        ):
            index += 1
        self._messages.insert(
            index, Message(Speaker.TOOL, content, tool_call_id=call_id)
        )

    def cut_reply(self, text: str) -> None:
        """Of the last reply only ``text`` was heard, it turns out. Without a last reply this does nothing.

        One of which nothing seemed to be heard comes back, as long as the user has not gone on: then what they said
        before and after it is one message.
        """
        index = self._reply_index
        if index is None:
            if self._unheard:
                self.add_reply(text)
            return
        if text or self._messages[index].tool_calls:
            self._messages[index] = replace(self._messages[index], text=text)
            return
        self._reply_index = None
        del self._messages[index]
        if 0 < index < len(self._messages):
            before, after = self._messages[index - 1 : index + 1]
            if before.speaker is after.speaker is Speaker.USER:
                self._messages[index - 1 : index + 1] = [_joined(before, after)]

    def _forget_oldest(self) -> None:
        """Drop exchanges from the front when there are too many, so that a prompt begins with the user.

        Down to half at once: each time, what upstreams have cached of the prompt is worth nothing.
        """
        if len(self._messages) <= self.most_messages:
            return
        while len(self._messages) > self.most_messages // 2:
            starts = [
                i
                for i, message in enumerate(self._messages[: self._first_open_call()])
                if message.speaker is Speaker.USER and i > 0
            ]
            if not starts:
                return
            del self._messages[: starts[0]]
            if self._reply_index is not None:
                self._reply_index = (
                    index if (index := self._reply_index - starts[0]) >= 0 else None
                )

    def _first_open_call(self) -> int:
        """Index of the first message with a call that has no result yet; that of the end where there is none."""
        answered = {message.tool_call_id for message in self._messages}
        for index, message in enumerate(self._messages):
            if any(call.id not in answered for call in message.tool_calls):
                return index
        return len(self._messages)

    def _forget_pictures(self) -> None:
        room = self.most_image_bytes
        for index in reversed(range(len(self._messages))):
            kept: list[Image] = []
            for image in reversed(self._messages[index].images):
                room -= len(image.data)
                if room >= 0:
                    kept.insert(0, image)
            if len(kept) < len(self._messages[index].images):
                text = self._messages[index].text or GONE
                self._messages[index] = replace(
                    self._messages[index], text=text, images=tuple(kept)
                )


def _joined(first: Message, second: Message) -> Message:
    return replace(
        first,
        text=f"{first.text} {second.text}".strip(),
        images=first.images + second.images,
    )
