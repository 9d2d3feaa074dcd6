"""Sessions of a gateway in this process, without a front: asked for by a test, before scripted stages."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from antiphon.v1.conversation_pb2 import ConversationConfig
from gateway.conversation import commands as c
from gateway.fronts.config import to_options
from gateway.hearing.voice import VoiceActivity
from gateway.options import Options
from gateway.session import Session
from gateway.sessions import Sessions
from gateway.settings import GatewaySettings
from gateway.stages.directory import Stages
from services.runtime.telemetry.budgets import Budgets, load
from tests.fakes.hearing import LoudnessVoice, silence, speech
from tests.fakes.stages import Script, serving


@dataclass
class Told:
    """Keeps what a conversation tells, and wakes who waits for some of it."""

    got: list[c.Notice] = field(default_factory=list)
    gave_up: list[BaseException] = field(default_factory=list)
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    def deliver(self, notice: c.Notice) -> None:
        self.got.append(notice)
        self._more.set()

    def give_up(self, error: BaseException) -> None:
        self.gave_up.append(error)
        self._more.set()

    def all(self, kind: type[c.Notice]) -> list[c.Notice]:
        return [notice for notice in self.got if isinstance(notice, kind)]

    async def until(self, kind: type[c.Notice], count: int = 1) -> c.Notice:
        async with asyncio.timeout(10):
            while len(self.all(kind)) < count:
                assert not self.gave_up
                self._more.clear()
                await self._more.wait()
        return self.all(kind)[count - 1]


@dataclass
class Gateway:
    """Sessions before scripted stages, and the options of a conversation that asks for nothing."""

    sessions: Sessions
    options: Options

    @asynccontextmanager
    async def talk(
        self,
        change: Callable[[Options], Options] = lambda options: options,
        beside: Session | None = None,
    ) -> AsyncIterator[tuple[Session, Told]]:
        told = Told()
        async with self.sessions.open(
            change(self.options), told.deliver, told.give_up, beside=beside
        ) as session:
            session.begin()
            yield session, told


@asynccontextmanager
async def opening(
    script: Script,
    voice: VoiceActivity | None = None,
    budgets: Budgets | None = None,
) -> AsyncIterator[Gateway]:
    """Turns end by silence, and nobody answers ahead; ``budgets``: none for those in force."""
    async with serving(script) as address:
        settings = GatewaySettings(
            endpointing="silence", stt=address, llm=address, tts=address, speculations=0
        )
        stages = Stages(address, address, address)
        sessions = Sessions(
            settings, stages, voice or LoudnessVoice(), None, budgets or load()
        )
        abilities = await stages.abilities()
        yield Gateway(sessions, to_options(ConversationConfig(), settings, abilities))
        await stages.close()


async def say(session: Session, seconds: float = 0.5) -> None:
    samples = speech(seconds) + silence(0.7)
    for start in range(0, len(samples), 1280):
        await session.hear(
            samples[start : start + 1280], asyncio.get_running_loop().time()
        )
