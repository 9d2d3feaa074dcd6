"""What has to be true of any stream of server events, whatever happens in the conversation."""

from dataclasses import dataclass, field
from typing import Any

Event = dict[str, Any]


@dataclass
class _Response:
    """One that has been created.

    Attributes:
        outside: it belongs to no conversation.
        items: by ``output_index``; the type of event that each is to be closed by.
        parts: open parts of content, by item.
        said: what the deltas of an item add up to.
    """

    outside: bool
    items: dict[int, Event] = field(default_factory=dict)
    closed: set[int] = field(default_factory=set)
    parts: set[str] = field(default_factory=set)
    said: dict[str, str] = field(default_factory=dict)


@dataclass
class EventOrder:
    """Watches a stream, and fails at the first event that does not belong there."""

    items: dict[str, bool] = field(default_factory=dict)
    responses: dict[str, _Response] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    speaking: str | None = None

    def watch(self, event: Event) -> None:
        """The next event."""
        type = event["type"]
        if type == "response.created":
            self._created(event["response"])
        elif type == "response.done":
            self._done(event["response"])
        elif type.startswith("response."):
            response = self.responses[event["response_id"]]
            self._within(type.removeprefix("response."), event, response)
        elif type == "conversation.item.added":
            self._added(event)
        elif type == "conversation.item.done":
            assert self.items[event["item"]["id"]] is False, "done twice"
            self.items[event["item"]["id"]] = True
        elif type == "conversation.item.deleted":
            del self.items[event["item_id"]]
        elif type == "input_audio_buffer.speech_started":
            assert self.speaking is None, "started twice"
            self.speaking = event["item_id"]
        elif type == "input_audio_buffer.speech_stopped":
            assert self.speaking == event["item_id"]
            self.speaking = None
        elif type == "input_audio_buffer.cleared":
            self.speaking = None

    def _added(self, event: Event) -> None:
        item, before = event["item"]["id"], event["previous_item_id"]
        assert item not in self.items, "added twice"
        assert before is None or before in self.items, "behind what nobody knows"
        self.items[item] = False

    def _created(self, response: Event) -> None:
        assert response["status"] == "in_progress" and response["output"] == []
        outside = response["conversation_id"] is None
        if not outside:
            active = [r for r in self.responses.values() if not r.outside]
            assert not active, "two responses of the conversation at once"
        assert response["id"] not in self.ended
        self.responses[response["id"]] = _Response(outside)

    def _done(self, told: Event) -> None:
        response = self.responses.pop(told["id"])
        self.ended.add(told["id"])
        assert told["status"] != "in_progress"
        assert response.closed == set(response.items), "an item is still open"
        assert not response.parts, "a part of content is still open"
        items = [response.items[index] for index in sorted(response.items)]
        assert told["output"] == items
        if told["status"] in ("cancelled", "failed", "incomplete"):
            assert told["status_details"]["type"] == told["status"]

    def _within(self, type: str, event: Event, response: _Response) -> None:
        if type == "output_item.added":
            assert event["output_index"] == len(response.items)
            response.items[event["output_index"]] = event["item"]
            return
        index = event["output_index"]
        assert index in response.items and index not in response.closed
        if type == "output_item.done":
            item = event["item"]
            assert item["id"] == response.items[index]["id"]
            assert item["id"] not in response.parts
            response.items[index] = item
            response.closed.add(index)
            return
        item_id = event["item_id"]
        assert item_id == response.items[index]["id"]
        if type == "content_part.added":
            response.parts.add(item_id)
        elif type == "content_part.done":
            response.parts.remove(item_id)
            part = event["part"]
            said = part.get("transcript", part.get("text"))
            assert said == response.said.get(item_id, "")
        elif type.startswith("output_"):
            assert item_id in response.parts, "outside of its part"
            if type in ("output_text.delta", "output_audio_transcript.delta"):
                before = response.said.get(item_id, "")
                response.said[item_id] = before + event["delta"]
