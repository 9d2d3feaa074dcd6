"""One response, as the wire tells it: from ``response.created`` to ``response.done``, each part opened and closed."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gateway.conversation import commands as c
from gateway.conversation.values import (
    Failure,
    Finish,
    Outcome,
    ToolCall,
    Usage,
)
from gateway.fronts.realtime.items import function_call, reply_message

Event = dict[str, Any]

Telling = (
    c.TellReplyStarted | c.TellText | c.TellAudio | c.TellToolCall | c.TellTurnEnded
)
"""What there is to be told of a response that has begun."""

_STATUS = {
    Finish.COMPLETE: ("completed", None),
    Finish.TOOL_CALLS: ("completed", None),
    Finish.LENGTH: ("incomplete", "max_output_tokens"),
    Finish.FILTERED: ("incomplete", "content_filter"),
}
"""Status of a response that ran to its end, and the reason that goes with it."""


@dataclass(frozen=True, slots=True)
class Manner:
    """What a response says of itself, and how it sounds.

    Attributes:
        spoken: whether it is audio with a transcript; no: text.
        conversation_id: to which it belongs; None for one beside it, whose items are nobody's.
        format: of its audio, as the wire has it; None where no audio goes in events.
        voice: that speaks.
        max_output_tokens: a number, or "inf".
        metadata: the client's own.
        encode: from the voice's samples to the bytes of ``format``; None where no audio goes in events.
    """

    spoken: bool
    conversation_id: str | None
    format: Event | None
    voice: str
    max_output_tokens: int | str
    metadata: dict[str, str] | None
    encode: Callable[[bytes], bytes] | None


@dataclass(slots=True)
class _Message:
    """The message that a response says; it is told once there is something of it."""

    item: str
    after: str | None
    index: int | None = None
    text: list[str] = field(default_factory=list)


class Response:
    """Turns what becomes of an answer into the events that stand for it, in the order that clients rely on.

    Args:
        id: of the response.
        manner: what it says of itself.

    Attributes:
        id: of the response.
    """

    def __init__(self, id: str, manner: Manner) -> None:
        self.id = id
        self._manner = manner
        self._output: list[Event] = []
        self._message: _Message | None = None
        self._deleted: set[str] = set()

    def created(self) -> list[Event]:
        """It has begun."""
        return [{"type": "response.created", "response": self._state("in_progress")}]

    @property
    def item(self) -> str:
        """The message that it says; empty while the client knows of none."""
        message = self._message
        return "" if message is None or message.index is None else message.item

    def forget(self, item: str) -> None:
        """The client has an item deleted: the conversation has nothing more to say of it."""
        self._deleted.add(item)

    def tell(self, notice: Telling, by_client: bool = False) -> list[Event]:
        """What has become of it.

        Args:
            notice: from the conversation.
            by_client: whether the client is why, where an answer was stopped.
        """
        match notice:
            case c.TellReplyStarted(_, item, after):
                self._message = _Message(item, after)
                return []
            case c.TellText(_, text):
                return self._text(text)
            case c.TellAudio(_, _, _, samples):
                return self._audio(samples)
            case c.TellToolCall(_, call, item, after):
                return self._call(call, item, after)
            case c.TellTurnEnded():
                return self._ended(notice, by_client)

    def _text(self, text: str) -> list[Event]:
        message = self._message
        assert message is not None
        opening = self._open(message)
        message.text.append(text)
        kind = "audio_transcript" if self._manner.spoken else "text"
        return [
            *opening,
            {
                "type": f"response.output_{kind}.delta",
                **self._place(message),
                "delta": text,
            },
        ]

    def _audio(self, samples: bytes) -> list[Event]:
        message = self._message
        assert message is not None
        opening = self._open(message)
        encode = self._manner.encode
        if encode is None:
            return opening
        return [
            *opening,
            {
                "type": "response.output_audio.delta",
                **self._place(message),
                "delta": base64.b64encode(encode(samples)).decode("ascii"),
            },
        ]

    def _call(self, call: ToolCall, item: str, after: str | None) -> list[Event]:
        message = self._message
        if message is not None and message.index is None and after == message.item:
            # The message has not been told, so that nobody knows what stands behind it.
            after = message.after
        index = len(self._output)
        done = function_call(item, call, "completed")
        self._output.append(done)
        begun = function_call(item, ToolCall(call.id, call.name, ""), "in_progress")
        place = {"response_id": self.id, "item_id": item, "output_index": index}
        arguments = {"call_id": call.id, **place}
        return [
            *self._item_event("added", index, begun, after),
            {
                "type": "response.function_call_arguments.delta",
                **arguments,
                "delta": call.arguments_json,
            },
            {
                "type": "response.function_call_arguments.done",
                **arguments,
                "name": call.name,
                "arguments": call.arguments_json,
            },
            *self._item_event("done", index, done, after),
        ]

    def _ended(self, notice: c.TellTurnEnded, by_client: bool) -> list[Event]:
        status, details = _how(notice, by_client)
        done = self._state(status)
        events = self._close(complete=status == "completed")
        done["output"] = self._output
        done["status_details"] = details
        done["usage"] = usage(notice.usage)
        return [*events, {"type": "response.done", "response": done}]

    # --- the message --------------------------------------------------------------------------------------

    def _open(self, message: _Message) -> list[Event]:
        if message.index is not None:
            return []
        message.index = len(self._output)
        item = reply_message(message.item, None, self._manner.spoken, "in_progress")
        self._output.append(item)
        return [
            *self._item_event("added", message.index, item, message.after),
            {
                "type": "response.content_part.added",
                **self._place(message),
                "part": self._part(""),
            },
        ]

    def _close(self, complete: bool) -> list[Event]:
        message = self._message
        if message is None or message.index is None:
            return []
        text = "".join(message.text)
        place = self._place(message)
        events: list[Event]
        if self._manner.spoken:
            events = [
                {"type": "response.output_audio.done", **place},
                {
                    "type": "response.output_audio_transcript.done",
                    **place,
                    "transcript": text,
                },
            ]
        else:
            events = [{"type": "response.output_text.done", **place, "text": text}]
        events.append(
            {"type": "response.content_part.done", **place, "part": self._part(text)}
        )
        status = "completed" if complete else "incomplete"
        item = reply_message(message.item, text, self._manner.spoken, status)
        self._output[message.index] = item
        return [*events, *self._item_event("done", message.index, item, message.after)]

    def _part(self, text: str) -> Event:
        if self._manner.spoken:
            return {"type": "audio", "transcript": text}
        return {"type": "text", "text": text}

    def _place(self, message: _Message) -> Event:
        return {
            "response_id": self.id,
            "item_id": message.item,
            "output_index": message.index,
            "content_index": 0,
        }

    def _item_event(
        self, what: str, index: int, item: Event, after: str | None
    ) -> list[Event]:
        output = {
            "type": f"response.output_item.{what}",
            "response_id": self.id,
            "output_index": index,
            "item": item,
        }
        if self._manner.conversation_id is None or item["id"] in self._deleted:
            return [output]
        return [
            output,
            {
                "type": f"conversation.item.{what}",
                "previous_item_id": after,
                "item": item,
            },
        ]

    # --- the response itself ------------------------------------------------------------------------------

    def _state(self, status: str) -> Event:
        manner = self._manner
        audio: Event = {"voice": manner.voice}
        if manner.format is not None:
            audio["format"] = manner.format
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": status,
            "status_details": None,
            "output": [],
            "conversation_id": manner.conversation_id,
            "output_modalities": ["audio" if manner.spoken else "text"],
            "max_output_tokens": manner.max_output_tokens,
            "audio": {"output": audio},
            "usage": None,
            "metadata": manner.metadata,
        }


def _how(notice: c.TellTurnEnded, by_client: bool) -> tuple[str, Event | None]:
    """Status of an ended response, and its details."""
    match notice.outcome:
        case Outcome.FAILED:
            return "failed", {"type": "failed", "error": error(notice.failure)}
        case Outcome.CANCELLED | Outcome.INTERRUPTED:
            client = by_client or notice.outcome is Outcome.CANCELLED
            reason = "client_cancelled" if client else "turn_detected"
            return "cancelled", {"type": "cancelled", "reason": reason}
        case Outcome.ANSWERED | Outcome.TOOL_CALLS | Outcome.EMPTY | Outcome.HEARD:
            status, cause = _STATUS[notice.finish]
            return status, {"type": status, "reason": cause} if cause else None


def error(failure: Failure | None) -> Event:
    """What a stage's failure is called on the wire."""
    if failure is None:
        return {"type": "server_error", "code": "server_error"}
    return {
        "type": "server_error",
        "code": f"{failure.stage.value}_failed",
        "message": failure.message,
    }


def usage(counted: Usage) -> Event:
    """Tokens as the wire counts them: all of them are text, since audio costs the model none."""
    return {
        "total_tokens": counted.prompt + counted.completion,
        "input_tokens": counted.prompt,
        "output_tokens": counted.completion,
        "input_token_details": {
            "text_tokens": counted.prompt,
            "audio_tokens": 0,
            "image_tokens": 0,
            "cached_tokens": counted.cached,
            "cached_tokens_details": {
                "text_tokens": counted.cached,
                "audio_tokens": 0,
                "image_tokens": 0,
            },
        },
        "output_token_details": {
            "text_tokens": counted.completion,
            "audio_tokens": 0,
        },
    }
