"""What was spoken of the last answers, and when: a listener may say late how far they heard one."""

from dataclasses import dataclass

from gateway.conversation.answer import Answer
from gateway.conversation.clocks import PlaybackClock

MOST = 64
"""Answers whose marks are kept; a mark takes 16 bytes, and a long answer has a thousand."""


@dataclass(frozen=True, slots=True)
class _Reply:
    text: str
    playback: PlaybackClock


class Spoken:
    """Keeps the marks of the last answers, by item."""

    def __init__(self) -> None:
        self._replies: dict[str, _Reply] = {}

    def keep(self, answer: Answer) -> None:
        """An answer is over; nothing is kept of one that was not spoken."""
        if not answer.voiced or not answer.item:
            return
        self._replies[answer.item] = _Reply(answer.text, answer.playback)
        if len(self._replies) > MOST:
            del self._replies[next(iter(self._replies))]

    def length(self, item: str) -> float | None:
        """Seconds of audio that were sent of an answer; None for what was not spoken, or too long ago."""
        reply = self._replies.get(item)
        return reply.playback.sent if reply is not None else None

    def text_until(self, item: str, position: float) -> str:
        """The text of an answer that is spoken by ``position`` of its audio clock."""
        reply = self._replies[item]
        return reply.text[: reply.playback.characters(position)]
