"""Many conversations of people who interrupt at random, and what is left of them afterwards: nothing, it should be."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import psutil
from prometheus_client import REGISTRY

from antiphon.client import Client, connect
from antiphon.v1 import llm_pb2
from services.runtime.errors import Unavailable
from tests.fakes.running_gateway import RunningGateway, running
from tests.fakes.saying import said_in
from tests.fakes.stages import Script, serving
from tests.microphone import Microphone
from tests.simulator.clock import FastLoop
from tests.soak.user import FRAME, Manner, User
from tests.soak.wire import reply_to

FAILING = 0.002
"""Share of the steps of the stages that fail: about one turn in forty, for an answer takes a dozen."""

LAST_STEPS = 10.0
"""Seconds on the loop's clock for what was cancelled to be gone."""


@dataclass
class Soaked:
    """What came of a run.

    Attributes:
        turns: by how they went, as the clients were told.
        speculations: likewise, as the gateway counts them.
        conversations: held.
        deserted: of these, left by the client without a word.
        cancelled: calls that the stages saw cancelled, by name.
        problems: rules that were broken on the wire.
        calls: still open at the stages at the end, by name.
        sessions: still open in the gateway.
        tasks: still running, by what they run, beyond those that ran before.
        sockets: open, beyond those that were before.
        talked: seconds of talk, all conversations together.
        took: seconds.
    """

    turns: Counter[str] = field(default_factory=Counter)
    speculations: Counter[str] = field(default_factory=Counter)
    conversations: int = 0
    deserted: int = 0
    cancelled: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    sessions: int = 0
    tasks: Counter[str] = field(default_factory=Counter)
    sockets: int = 0
    talked: float = 0.0
    took: float = 0.0


def soak(
    turns: int,
    at_once: int,
    each: int = 8,
    seed: int = 1,
    speed: float = 20.0,
    progress: Callable[[Soaked], None] = lambda _soaked: None,
) -> Soaked:
    """Have people talk until so many turns have ended.

    Args:
        turns: at least.
        at_once: conversations.
        each: times that somebody says something in a conversation, before the next one begins.
        seed: of all that is random, but for the order in which things happen to come over the sockets.
        speed: how many times as fast as real time, while nothing is computed.
        progress: is told after each turn.
    """
    with asyncio.Runner(loop_factory=lambda: FastLoop(speed)) as runner:
        return runner.run(_Soak(turns, at_once, each, Random(seed), progress).run())


class _Ending:
    """Predicts at random whether somebody is done."""

    def __init__(self, random: Random) -> None:
        self._random = random

    async def probability(self, _samples: bytes) -> float | None:
        await asyncio.sleep(self._random.uniform(0.01, 0.05))
        return self._random.choice((None, 0.02, 0.5, 0.98))


class _Soak:
    def __init__(
        self,
        turns: int,
        at_once: int,
        each: int,
        random: Random,
        progress: Callable[[Soaked], None],
    ) -> None:
        self._wanted = turns
        self._at_once = at_once
        self._each = each
        self._random = random
        self._progress = progress
        self._soaked = Soaked()
        self._prompts: dict[str, llm_pb2.GenerateRequest] = {}

    async def run(self) -> Soaked:
        script = self._script()
        async with (
            serving(script) as stages,
            running(stages, ending=_Ending(self._random), max_streams=200) as gateway,
            connect(gateway.address) as client,
        ):
            # What is opened once and for all is open after the first conversation.
            await self._converse(client)
            await self._emptied(script, gateway)
            tasks, sockets = _tasks(), _sockets()
            self._soaked = soaked = Soaked()
            speculated, began = _speculations(), time.monotonic()
            async with asyncio.TaskGroup() as group:
                for _ in range(self._at_once):
                    group.create_task(self._people(client))
            soaked.took = time.monotonic() - began
            await self._emptied(script, gateway)
            await _ended(tasks)
            soaked.speculations = _speculations() - speculated
            soaked.calls = +script.open
            soaked.tasks, soaked.sockets = _tasks() - tasks, _sockets() - sockets
            soaked.sessions = int(_sample("antiphon_conversations_open"))
        return soaked

    def _script(self) -> Script:
        between = self._random.uniform

        def write(request: llm_pb2.GenerateRequest) -> list[str | llm_pb2.ToolCall]:
            self._prompts[request.turn.conversation_id] = request
            return [*reply_to(request)]

        async def work(least: float, most: float) -> None:
            await asyncio.sleep(between(least, most))
            if self._random.random() < FAILING:
                raise Unavailable("this replica goes away")

        return Script(
            understand=said_in,
            write=write,
            before_hearing=lambda: work(0.02, 0.3),
            before_writing=lambda: work(0.02, 0.4),
            behind_piece=lambda: asyncio.sleep(between(0.0, 0.1)),
            before_speaking=lambda: work(0.02, 0.2),
        )

    async def _people(self, client: Client) -> None:
        while self._soaked.turns.total() < self._wanted:
            await self._converse(client)

    async def _converse(self, client: Client) -> None:
        random = Random(self._random.random())
        manner = Manner.of(random)
        loop = asyncio.get_running_loop()
        began = loop.time()
        self._soaked.conversations += 1
        async with client.converse(manner.config) as conversation:
            async with Microphone(conversation, FRAME) as microphone:
                user = User(conversation, microphone, manner, random, self._ended)
                listening = asyncio.create_task(user.listen())
                stays = await user.talk(self._each)
            if stays:
                await conversation.finish()
                await listening
                self._check_history(user)
            else:
                self._soaked.deserted += 1
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)
        self._soaked.talked += loop.time() - began
        self._soaked.problems += user.wire.problems
        self._prompts.pop(conversation.ready.conversation_id, None)

    def _check_history(self, user: User) -> None:
        if (prompt := self._prompts.get(user.wire.id)) is not None:
            user.wire.check_history(prompt)

    def _ended(self, outcome: str) -> None:
        self._soaked.turns[outcome] += 1
        self._progress(self._soaked)

    async def _emptied(self, script: Script, gateway: RunningGateway) -> None:
        """Wait until every conversation has been left and every call to a stage is over, or should be."""
        async with asyncio.timeout(LAST_STEPS):
            for _ in range(self._soaked.conversations):
                await gateway.front.left.get()
            await script.idle.wait()
        while not script.cancelled.empty():
            self._soaked.cancelled[script.cancelled.get_nowait()] += 1
        script.requests.clear()
        script.prepared.clear()
        script.transcribed.clear()


def _tasks() -> Counter[str]:
    """Tasks by what they run; what a server does between two calls is one of them."""
    return Counter(
        getattr(task.get_coro(), "__qualname__", "?") for task in asyncio.all_tasks()
    )


async def _ended(before: Counter[str]) -> None:
    """Let the tasks end that were not there before, if they do: a server's task outlives the call by a moment."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LAST_STEPS):
            while _tasks() - before:
                others = asyncio.all_tasks() - {asyncio.current_task()}
                await asyncio.wait(others, return_when=asyncio.FIRST_COMPLETED)


def _sockets() -> int:
    return len(psutil.Process().net_connections())


def _speculations() -> Counter[str]:
    outcomes = ("used", "resumed", "superseded", "forgotten", "failed")
    return Counter(
        {
            outcome: int(
                _sample("antiphon_speculations_total", {"outcome": outcome}) or 0
            )
            for outcome in outcomes
        }
    )


def _sample(name: str, labels: dict[str, str] | None = None) -> float:
    return REGISTRY.get_sample_value(name, labels or {}) or 0.0
