"""A person at a real gateway: says and writes things, and keeps what comes back by turn."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import jiwer

from antiphon.client import Conversation, Event, connect
from antiphon.v1.conversation_pb2 import (
    ConversationConfig,
    ConversationEnded,
    ReplyAudio,
    ReplyText,
    TurnEnded,
    UserTranscript,
)
from tests.microphone import Microphone, Recording

Kind = TypeVar("Kind", bound=Event)

PATIENCE = 60.0
"""Seconds after which a test that waits for the other side has failed."""

FAMOUS = (
    "and so my fellow americans ask not what your country can do for you "
    "ask what you can do for your country"
)
"""What the recording of `microphone.SPEECH` says."""


@dataclass
class Turn:
    """All that a client was told from the end of one turn to the end of the next.

    Attributes:
        events: in order; the last one is the turn's end.
    """

    events: list[Event]

    @property
    def ended(self) -> TurnEnded:
        last = self.events[-1]
        assert isinstance(last, TurnEnded)
        return last

    @property
    def transcript(self) -> str:
        return " ".join(e.transcript.text for e in self.of(UserTranscript))

    @property
    def text(self) -> str:
        return "".join(e.text for e in self.of(ReplyText))

    @property
    def audio(self) -> bytes:
        return b"".join(e.samples for e in self.of(ReplyAudio))

    @property
    def order(self) -> list[str]:
        """Kinds of events, each where it first came."""
        return list(dict.fromkeys(type(event).__name__ for event in self.events))

    def of(self, kind: type[Kind]) -> list[Kind]:
        return [event for event in self.events if isinstance(event, kind)]


@dataclass
class Talker:
    """One conversation, as a test leads it.

    Attributes:
        conversation: open.
        microphone: silent until something is said.
        events: since the last turn's end.
    """

    conversation: Conversation
    microphone: Microphone
    events: list[Event] = field(default_factory=list)

    async def ask(self, question: Recording) -> Turn:
        """Say something, and hear the answer out."""
        self.microphone.say(question)
        return await self.turn()

    async def write(self, text: str) -> Turn:
        """Write something, and hear the answer out."""
        await self.conversation.send_text(text)
        return await self.turn()

    async def until(self, kind: type[Kind]) -> Kind:
        """Take what comes until something of that kind does."""
        async with asyncio.timeout(PATIENCE):
            async for event in self.conversation:
                self.events.append(event)
                if isinstance(event, kind):
                    return event
        raise AssertionError(f"the conversation ended before {kind.__name__}")

    async def turn(self) -> Turn:
        """Take what comes until a turn ends."""
        await self.until(TurnEnded)
        events, self.events = self.events, []
        return Turn(events)

    async def finish(self) -> ConversationEnded:
        """Hang up; nothing comes after the terminal message."""
        await self.conversation.finish()
        ended = await self.until(ConversationEnded)
        assert [event async for event in self.conversation] == []
        return ended


@asynccontextmanager
async def talking(
    gateway: str, config: ConversationConfig | None = None, microphone: bool = True
) -> AsyncIterator[Talker]:
    """A conversation with a microphone that is on from its beginning, unless the client has none."""
    async with connect(gateway) as client, client.converse(config) as conversation:
        heard = Microphone(conversation)
        if not microphone:
            yield Talker(conversation, heard)
            return
        async with heard:
            yield Talker(conversation, heard)


def words_of(question: Path) -> str:
    """What is said in a recorded question: its name says it, after a number."""
    return question.stem.partition("-")[2].replace("-", " ")


def word_error_rate(said: str | list[str], understood: str | list[str]) -> float:
    """Share of wrong words, whatever the case and the punctuation."""
    texts = [[text] if isinstance(text, str) else text for text in (said, understood)]
    plain = [[_plain(text) for text in each] for each in texts]
    return float(jiwer.wer(*plain))


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[^\w\s]", "", text.lower().replace("-", " ")).split())
