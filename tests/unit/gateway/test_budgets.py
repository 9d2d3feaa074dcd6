"""Which budgets a turn is held to, and what is shown of them."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from gateway.conversation import commands as c
from gateway.conversation import events as e
from gateway.conversation.values import Wish
from gateway.service import Gateway
from gateway.settings import GatewaySettings
from services.runtime.admission import Admission
from services.runtime.contract import read_budget
from services.runtime.errors import FailedPrecondition
from services.runtime.models import catalogue
from services.runtime.telemetry.budgets import OBJECTIVES, SHARES, VARIABLE, Budgets
from tests.fakes.open_sessions import Gateway as Opened
from tests.fakes.open_sessions import opening, say
from tests.fakes.stages import Script, serving

NEVER = 1e-9
"""Seconds in which nothing can be done."""

AMPLE = 50.0

BUDGETS = Budgets(
    dict.fromkeys(SHARES, AMPLE),
    {"hasty": {**dict.fromkeys(SHARES, AMPLE), "llm": NEVER}},
    dict.fromkeys(OBJECTIVES, 0.9),
)

FILE = """
[budgets]
total = 2
endpointing = 0.7
stt = 0.2
llm = 0.6
tts = 0.1
gateway = 0.03

[routes.slow]
llm = 5.5

[objectives]
within_budget = 0.8
answered = 0.98
"""


@pytest.fixture
async def script() -> Script:
    return Script(write=lambda _request: ["Yes."])


@pytest.fixture
async def gateway(script: Script) -> AsyncIterator[Opened]:
    async with opening(script, budgets=BUDGETS) as opened:
        yield opened


def overruns(ended: c.Notice) -> tuple[str, ...]:
    assert isinstance(ended, c.TellTurnEnded)
    assert ended.waterfall is not None
    return ended.waterfall.overruns


async def test_a_turn_is_held_to_the_budgets_of_the_model_that_answered_it(
    gateway: Opened,
) -> None:
    async with gateway.talk() as (session, told):
        await say(session)
        assert overruns(await told.until(c.TellTurnEnded)) == ()
        session.update(replace(gateway.options, model="hasty"))
        await say(session)
        assert overruns(await told.until(c.TellTurnEnded, 2)) == ("llm",)
        session.update(replace(gateway.options, model="another"))
        await say(session)
        assert overruns(await told.until(c.TellTurnEnded, 3)) == ()


async def test_a_model_that_is_chosen_while_another_answers_changes_nothing_for_this_turn(
    gateway: Opened, script: Script
) -> None:
    asked, written = asyncio.Event(), asyncio.Event()

    async def writing() -> None:
        asked.set()
        await written.wait()

    script.before_writing = writing
    async with gateway.talk() as (session, told):
        await say(session)
        async with asyncio.timeout(10):
            await asked.wait()
        session.update(replace(gateway.options, model="hasty"))
        written.set()
        assert overruns(await told.until(c.TellTurnEnded)) == ()


async def test_one_answer_by_another_model_is_held_to_that_ones_budgets(
    gateway: Opened,
) -> None:
    policy = replace(gateway.options.policy, respond=False)
    async with gateway.talk(lambda options: replace(options, policy=policy)) as (
        session,
        told,
    ):
        await say(session)
        await told.until(c.TellTurnEnded)
        session.respond(Wish(1), replace(gateway.options, model="hasty"))
        ended = await told.until(c.TellTurnEnded, 2)
        assert overruns(ended) == ("llm",)


async def test_the_model_is_told_what_its_route_may_take(
    gateway: Opened, script: Script
) -> None:
    async with gateway.talk() as (session, told):
        session.tell(e.TextSaid("Why?", respond=True))
        await told.until(c.TellTurnEnded)
        session.update(replace(gateway.options, model="hasty"))
        session.tell(e.TextSaid("And?", respond=True))
        await told.until(c.TellTurnEnded, 2)
    wanted = [read_budget(metadata.items()) for metadata in script.metadata]
    assert wanted == [AMPLE, 0.0]


needs_voice = pytest.mark.skipif(
    not catalogue()["silero-vad"].present, reason="the model has not been fetched"
)


@needs_voice
async def test_what_is_in_force_is_shown_by_route(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "budgets.toml"
    path.write_text(FILE)
    monkeypatch.setenv(VARIABLE, str(path))
    gateway = Gateway(GatewaySettings(end_model="none"))
    gateway.admission = Admission(1)
    gateway.register(grpc.aio.server())

    def shown(route: str, share: str) -> float | None:
        return REGISTRY.get_sample_value(
            "antiphon_budget_seconds", {"route": route, "share": share}
        )

    assert (shown("default", "llm"), shown("slow", "llm")) == (0.6, 5.5)
    assert shown("default", "total") == shown("slow", "total") == 2.0
    assert (
        REGISTRY.get_sample_value(
            "antiphon_objective_ratio", {"objective": "within_budget"}
        )
        == 0.8
    )


async def test_a_gateway_whose_budgets_are_wrong_does_not_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(VARIABLE, "/nowhere/budgets.toml")
    gateway = Gateway(GatewaySettings())
    gateway.admission = Admission(1)
    with pytest.raises(FailedPrecondition, match=r"/nowhere/budgets\.toml: No such"):
        gateway.register(grpc.aio.server())


@needs_voice
async def test_budgets_for_a_route_that_nobody_has_are_told_of(
    script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "budgets.toml"
    path.write_text(FILE)
    monkeypatch.setenv(VARIABLE, str(path))
    async with serving(script) as stages:
        gateway = Gateway(
            GatewaySettings(
                http_port=0, end_model="none", stt=stages, llm=stages, tts=stages
            )
        )
        gateway.admission = Admission(1)
        gateway.register(grpc.aio.server())
        with capture_logs() as lines:
            await gateway.start()
        await gateway.stop()
    (line,) = [line for line in lines if line["log_level"] == "warning"]
    assert (line["route"], line["known"]) == ("slow", ["default"])
