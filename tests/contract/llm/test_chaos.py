"""Many requests at once before upstreams that do anything at all: each ends as the contract says, and nothing is left."""

import asyncio
import random
from typing import Any

import grpc
from prometheus_client import REGISTRY

from services.llm.breaker import State
from tests.fakes.running_llm import Serve, asking, text_of, tried
from tests.fakes.upstream import Answer, ScriptedUpstream, Step, chunk, refuses, says

ANYTHING = (
    says("Hello", " there."),
    says("Hello", " there."),
    refuses(500, "boom"),
    refuses(429, "slow", Retry_After="0"),
    refuses(400, "no"),
    Answer([Step.BREAK]),
    Answer([chunk(reasoning="hm"), chunk("stop")]),
    Answer([chunk(content="a"), Step.BREAK]),
    Answer([Step.WAIT]),
    Answer([chunk(content="a"), Step.WAIT]),
)
REQUESTS = 60
ALLOWED = ("INVALID_ARGUMENT", "RESOURCE_EXHAUSTED", "UNAVAILABLE", "DEADLINE_EXCEEDED")


async def test_every_request_ends_as_the_contract_says_and_leaves_nothing_behind(
    serve_both: Serve,
    upstream: ScriptedUpstream,
    second: ScriptedUpstream,
) -> None:
    chosen = random.Random(1)
    limits = {"first_token_timeout": 0.2, "between_tokens_timeout": 0.2}
    for server in (upstream, second):
        server.answer_to = lambda _body: chosen.choice(ANYTHING)
    ended: list[str] = []

    async def ask(stub: Any, leaves: bool) -> None:
        call = stub.Generate(asking())
        try:
            if leaves:
                await call.read()
                call.cancel()
                ended.append("left")
                return
            responses = [response async for response in call]
        except grpc.aio.AioRpcError as error:
            ended.append(error.code().name)
        else:
            assert text_of(responses) == "Hello there."
            assert [outcome for _, outcome in tried(responses)].count("ok") == 1
            assert tried(responses)[-1][1] == "ok"
            ended.append("ok")

    async with (
        serve_both(
            route={"hedge": 0.02},
            first=limits,
            behind=limits,
            circuit={"rest": 0.001, "longest_rest": 0.01},
            max_streams=REQUESTS,
        ) as stub,
        asyncio.TaskGroup() as group,
    ):
        for _ in range(REQUESTS):
            group.create_task(ask(stub, leaves=chosen.random() < 0.2))
    for name in ("first", "second"):
        labels = {"upstream": name}
        state = REGISTRY.get_sample_value("antiphon_upstream_circuit_state", labels)
        assert state in (State.CLOSED, State.OPEN), "nobody finds out any more"
    races = [task for task in asyncio.all_tasks() if "Attempt.begin" in repr(task)]
    assert races == []
    assert len(ended) == REQUESTS
    assert {"ok", "left"} <= set(ended)
    assert set(ended) <= {"ok", "left", *ALLOWED}
