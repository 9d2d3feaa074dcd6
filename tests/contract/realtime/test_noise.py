"""Noise reduction, as a client asks for it."""

import numpy as np
import pytest

from tests.fakes.hearing import silence, speech
from tests.fakes.running_realtime import Client, RunningRealtime, connected
from tests.fakes.stages import Script

FRAME = 640


def noisy(samples: bytes, level: float = 600) -> bytes:
    clean = np.frombuffer(samples, "<i2").astype(np.float64)
    noise = np.random.default_rng(1).standard_normal(len(clean)) * level
    return (clean + noise).clip(-32_768, 32_767).astype("<i2").tobytes()


async def quiet_parts(client: Client, script: Script) -> float:
    """How loud the recognizer heard it where nobody spoke, between two words."""
    heard: list[bytes] = []

    def understand(samples: bytes) -> str:
        heard.append(samples)
        return "hello"

    script.understand = understand
    said = speech(0.6) + silence(0.4) + speech(0.6)
    await client.say(noisy(silence(3) + said + silence(1.5)))
    await client.until("response.done")
    whole = np.abs(np.frombuffer(heard[-1], "<i2").astype(np.float64))
    frames = whole[: len(whole) // FRAME * FRAME].reshape(-1, FRAME).mean(axis=1)
    return float(frames.min())


@pytest.mark.parametrize("kind", ["near_field", "far_field"])
async def test_noise_is_taken_out_before_anything_listens(
    gateway: RunningRealtime, script: Script, kind: str
) -> None:
    async with connected(gateway) as client:
        before = await quiet_parts(client, script)
    asked = {"input": {"noise_reduction": {"type": kind}}}
    async with connected(gateway, audio=asked) as client:
        after = await quiet_parts(client, script)
    assert after < before / 2


async def test_it_can_be_switched_off_again(client: Client) -> None:
    on = {"input": {"noise_reduction": {"type": "near_field"}}}
    told = await client.update(audio=on)
    assert told["audio"]["input"]["noise_reduction"] == {"type": "near_field"}
    told = await client.update(audio={"input": {"noise_reduction": None}})
    assert told["audio"]["input"]["noise_reduction"] is None
    await client.say(speech(0.6) + silence(1))
    assert (await client.until("response.done"))["response"]["status"] == "completed"


async def test_a_minute_in_one_event_is_taken_too(
    gateway: RunningRealtime, script: Script
) -> None:
    on = {"input": {"noise_reduction": {"type": "near_field"}}}
    async with connected(gateway, audio=on) as client:
        whole = silence(59) + speech(0.6) + silence(1)
        await client.say(whole, frame=len(whole))
        await client.until("response.done")
    (heard,) = script.transcribed
    assert heard < 5
