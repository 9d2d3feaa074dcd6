"""What operators ask processes that are well."""

import aiohttp
import pytest

from antiphon.v1.conversation_pb2 import TURN_OUTCOME_ANSWERED
from tests.e2e.house import House, nothing_open, samples
from tests.e2e.talking import talking
from tests.microphone import QUESTIONS, recording

pytestmark = pytest.mark.asyncio(loop_scope="session")

RPC = "antiphon_rpc_duration_seconds_count"
COUNTED = {
    "gateway": 'antiphon_turns_total{outcome="answered"}',
    "stt": f'{RPC}{{code="OK",method="Transcribe"}}',
    "llm": f'{RPC}{{code="OK",method="Generate"}}',
    "tts": f'{RPC}{{code="OK",method="Synthesize"}}',
}


async def test_the_gateway_is_alive_and_ready_when_everything_is_up(
    house: House,
) -> None:
    async with aiohttp.ClientSession() as http:
        async with http.get(house.stack.url("gateway", "http_port", "/healthz")) as r:
            assert r.status == 200
        async with http.get(house.stack.url("gateway", "http_port", "/readyz")) as r:
            assert r.status == 200
            stages = (await r.json())["stages"]
    assert stages == {"stt": "SERVING", "llm": "SERVING", "tts": "SERVING"}


async def test_every_process_counts_its_part_of_a_turn(house: House) -> None:
    before = await counts(house)
    async with talking(house.gateway) as person:
        turn = await person.ask(recording(QUESTIONS[2]))
        assert turn.ended.outcome == TURN_OUTCOME_ANSWERED
        await person.finish()
    await nothing_open(house.stack)
    after = await counts(house)
    assert {name: after[name] - before[name] for name in COUNTED} == dict.fromkeys(
        COUNTED, 1
    )


async def counts(house: House) -> dict[str, float]:
    """What each process has counted so far, of those things that a turn needs once."""
    found = {}
    async with aiohttp.ClientSession() as http:
        for name, metric in COUNTED.items():
            url = house.stack.url(name, "metrics_port", "/metrics")
            found[name] = (await samples(http, url)).get(metric, 0.0)
    return found
