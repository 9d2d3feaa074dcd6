"""Somebody who talks at random: pauses, interrupts, murmurs, writes, cancels, and now and then just leaves."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Self

from antiphon.client import Conversation
from antiphon.v1 import conversation_pb2 as pb
from services.runtime.errors import AntiphonError
from services.runtime.units import to_duration
from tests.fakes.hearing import RATE, silence
from tests.fakes.saying import noise, saying
from tests.microphone import Microphone, Recording
from tests.soak.wire import CHARACTER, GREETING, Wire, outcome_of

WORDS = [
    "what",
    "when",
    "why",
    "there",
    "many",
    "small",
    "houses",
    "bring",
    "rivers",
    "along",
    "quick",
    "stones",
]
MURMUR = "mm hmm"
FRAME = 0.08
"""Seconds of audio in a message."""

PATIENCE = 30.0
"""Seconds of silence within which every turn has ended, on the loop's clock."""

GAP = 1.3
"""Seconds of silence after which a user, the most patient of gateways included, is done."""


class _LeftError(Exception):
    """They are gone, without a word."""


@dataclass
class Manner:
    """How somebody talks: the config of their conversation, and whether they say when they are done."""

    config: pb.ConversationConfig
    commits: bool

    @classmethod
    def of(cls, random: Random) -> Self:
        """Any manner there is."""
        taking = pb.TurnTaking(
            interrupt=random.choice(pb.InterruptPolicy.values()),
        )
        endpointing = random.choice(("silence", "predicted", "predicted", "manual"))
        match endpointing:
            case "silence":
                taking.silence.silence.CopyFrom(to_duration(0.4))
            case "predicted":
                taking.predicted.eagerness = pb.EAGERNESS_HIGH
            case "manual":
                taking.manual.SetInParent()
        config = pb.ConversationConfig(
            turn_taking=taking, interim_transcripts=random.random() < 0.5
        )
        if (greeting := random.random()) < 0.2:
            config.greeting.say = GREETING
        elif greeting < 0.3:
            config.greeting.prompt = "Greet them."
        return cls(config, endpointing == "manual")


class User:
    """One user in one conversation.

    Args:
        conversation: open.
        microphone: of the user; on.
        manner: how they talk.
        random: what they do.
        ended: is told how each turn went.

    Attributes:
        wire: what they were told.
    """

    def __init__(
        self,
        conversation: Conversation,
        microphone: Microphone,
        manner: Manner,
        random: Random,
        ended: Callable[[str], None],
    ) -> None:
        policy = manner.config.turn_taking.interrupt
        self.wire = Wire(
            conversation.ready.conversation_id,
            listens=policy == pb.INTERRUPT_POLICY_LISTEN,
        )
        self._conversation = conversation
        self._microphone = microphone
        self._manner = manner
        self._random = random
        self._ended = ended
        self._seen = 0
        self._news = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    async def listen(self) -> None:
        """Take all that comes until the conversation ends."""
        try:
            async for event in self._conversation:
                self.wire.take(event)
                if isinstance(event, pb.TurnEnded):
                    self._ended(outcome_of(event))
                self._seen += 1
                self._news.set()
        except AntiphonError as error:
            self.wire.problems.append(f"the conversation broke: {error}")

    async def talk(self, turns: int) -> bool:
        """Talk for so many turns; returns whether they stayed to the end."""
        try:
            await self._settle()
            for _ in range(turns):
                await self._turn()
        except _LeftError:
            return False
        return True

    async def _turn(self) -> None:
        before = len(self.wire.turns)
        await self._ask()
        if not await self._until(lambda: len(self.wire.turns) > before, PATIENCE):
            self.wire.problems.append(
                f"nobody answered turn {before + 1} of {self._manner.config}"
            )
            raise _LeftError
        await self._until(self._hears_something, PATIENCE)
        await asyncio.sleep(self._random.uniform(0.0, 1.5))
        await self._react()
        await self._settle()

    def _hears_something(self) -> bool:
        number = self.wire.open
        return number is None or bool(self.wire.turns[number].audio)

    async def _ask(self) -> None:
        if self._random.random() < 0.1:
            await self._conversation.send_text(self._words(3))
            return
        said = saying(self._words(self._random.randint(2, 4)))
        while self._random.random() < 0.4:
            pause = silence(self._random.uniform(0.18, 0.45))
            said += pause + saying(self._words(self._random.randint(1, 2)))
        await self._say(said)

    async def _react(self) -> None:
        """Do something about the answer, or let it be."""
        match self._random.choices(
            ("listen", "say", "murmur", "cough", "write", "cancel", "cut", "leave"),
            (25, 30, 12, 8, 8, 8, 8, 2),
        )[0]:
            case "say":
                await self._say(saying(self._words(self._random.randint(1, 4))))
            case "murmur":
                await self._say(saying(MURMUR))
            case "cough":
                await self._say(noise(self._random.uniform(0.1, 1.2)))
            case "write":
                await self._conversation.send_text(self._words(2))
            case "cancel":
                await self._conversation.cancel_reply()
            case "cut":
                await self._truncate()
            case "leave":
                raise _LeftError

    async def _say(self, samples: bytes) -> None:
        """Say it to its end, and commit where that is how turns end."""
        seconds = len(samples) / (2 * RATE)
        ends = self._microphone.say(Recording("", samples, seconds))
        await asyncio.sleep(ends + FRAME - self._loop.time())
        if self._manner.commits:
            await self._conversation.commit()

    async def _truncate(self) -> None:
        """Say how much was really heard, as a player does that was stopped."""
        number = self.wire.open
        if number is None or not self.wire.turns[number].audio:
            return
        spoken = len(self.wire.turns[number].audio) / (2 * 24_000)
        characters = self._random.randint(0, round(spoken / CHARACTER))
        heard = (characters + 0.5) * CHARACTER
        self.wire.truncated(number, heard)
        await self._conversation.truncate(number, heard)

    def _words(self, count: int) -> str:
        return " ".join(self._random.choice(WORDS) for _ in range(count))

    async def _settle(self) -> None:
        """Be silent until everything has ended."""
        while True:
            if not await self._until(lambda: self.wire.open is None, PATIENCE):
                self.wire.problems.append(
                    f"turn {self.wire.open} of {self._manner.config} does not end"
                )
                raise _LeftError
            seen = self._seen
            if not await self._until(lambda seen=seen: self._seen > seen, GAP):
                return

    async def _until(self, found: Callable[[], bool], seconds: float) -> bool:
        """Wait until something is so; returns whether it was within so many seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not found():
                    self._news.clear()
                    await self._news.wait()
                return True
        return False
