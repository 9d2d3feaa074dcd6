"""A stage that is slow is blamed, and no other: its share grows, and its overruns are counted."""

import asyncio
from collections.abc import Mapping

import pytest
from prometheus_client import REGISTRY

from services.runtime.telemetry.budgets import OBJECTIVES, SHARES, Budgets
from services.runtime.units import to_seconds
from tests.fakes.hearing import speech
from tests.fakes.running_gateway import Client, running
from tests.fakes.stages import Script, serving
from tests.microphone import Microphone, Recording

# A turn that is never decided hangs its test.
pytestmark = pytest.mark.timeout(60)

DELAY = 1.2
"""Seconds that the slow stage takes longer: less than the longest wait for the end of a turn, more than any other."""

STAGES = ("stt", "llm", "tts")
PARTS = tuple(share for share in SHARES if share != "total")

AMPLE = 50.0
"""Seconds that nothing takes here."""


class Sure:
    """Whoever pauses is done."""

    async def probability(self, _samples: bytes) -> float | None:
        return 1.0


class Ear:
    """Takes a microphone's audio to a gateway."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def send_audio(self, samples: bytes) -> None:
        await self._client.send(audio={"samples": samples})


def slow(stage: str) -> Script:
    """Stages of which one takes its time, before a transcript, a reply or a sound."""

    async def late() -> None:
        await asyncio.sleep(DELAY)

    gate = {"stt": "before_hearing", "llm": "before_writing", "tts": "before_speaking"}
    return Script(
        hear=lambda *_: "This is all.",
        write=lambda _request: ["Yes."],
        **{gate[stage]: late},
    )


def overruns() -> Mapping[str, float]:
    """Turns that overran, by what was counted."""
    name = "antiphon_budget_overruns_total"
    return {
        share: REGISTRY.get_sample_value(name, {"stage": share}) or 0.0
        for share in SHARES
    }


async def fall_of(
    script: Script, budgets: Budgets, **settings: object
) -> dict[str, float]:
    """Shares of one spoken turn, in seconds."""
    async with (
        serving(script) as stages,
        running(stages, ending=Sure(), budgets=budgets, **settings) as gateway,
    ):
        client = await Client.open(gateway)
        async with Microphone(Ear(client)) as microphone:
            microphone.say(Recording("something", speech(0.5), 0.5))
            ended = (await client.until("turn_ended")).turn_ended
    return {share: to_seconds(getattr(ended.waterfall, share)) for share in SHARES}


def budgets_of(**shares: float) -> Budgets:
    """Ample, but for these shares."""
    return Budgets(
        {**dict.fromkeys(SHARES, AMPLE), **shares}, {}, dict.fromkeys(OBJECTIVES, 0.9)
    )


@pytest.mark.parametrize("endpointing", ["predicted", "silence"])
@pytest.mark.parametrize("stage", STAGES)
async def test_a_slow_stage_moves_its_own_share_and_its_own_overruns(
    stage: str, endpointing: str
) -> None:
    before = overruns()
    # What the fixed silence hides of a transcript's delay is nobody's.
    hidden = 0.4 if (stage, endpointing) == ("stt", "silence") else 0.0
    budgets = budgets_of(**{stage: DELAY - hidden - 0.1})
    shares = await fall_of(slow(stage), budgets, endpointing=endpointing)
    assert shares[stage] >= DELAY - hidden
    assert max(PARTS, key=shares.__getitem__) == stage
    moved = {share: count - before[share] for share, count in overruns().items()}
    assert moved == {**dict.fromkeys(SHARES, 0.0), stage: 1.0}


@pytest.mark.parametrize("stage", STAGES)
async def test_the_whole_turn_overruns_beside_the_stage_that_made_it(
    stage: str,
) -> None:
    before = overruns()
    budgets = budgets_of(**{stage: DELAY - 0.1, "total": DELAY})
    shares = await fall_of(slow(stage), budgets, endpointing="predicted")
    assert shares["total"] >= DELAY
    moved = {share: count - before[share] for share, count in overruns().items()}
    assert moved == {**dict.fromkeys(SHARES, 0.0), stage: 1.0, "total": 1.0}
