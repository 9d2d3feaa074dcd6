"""What is left of requests on connections that are kept, whatever becomes of them."""

import asyncio

import pytest

from services.llm.upstreams.http import KeptClient, Rejected
from tests.fakes.upstream import Answer, ScriptedUpstream, Step, chunk

UNENDING = Answer([chunk(content="a"), Step.WAIT])


def in_flight(client: KeptClient) -> str:
    """What the pool keeps, in its own words; there is no other way to ask it."""
    return repr(client._transport._pool)  # type: ignore[attr-defined]


async def test_a_request_is_forgotten_also_when_its_closing_is_cancelled(
    upstream: ScriptedUpstream,
) -> None:
    upstream.answers.append(UNENDING)
    client = KeptClient(connect_timeout=1.0, send_key=False)
    url = f"{upstream.url}/chat/completions"
    request = client.build_request("POST", url, json={})
    response = await client.send(request, stream=True)
    assert "Requests: 1 active" in in_flight(client)
    closing = asyncio.create_task(response.aclose())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert "Requests: 0 active" in in_flight(client)
    await client.aclose()


async def test_a_refused_request_is_forgotten_also_when_it_is_cancelled_at_any_moment(
    upstream: ScriptedUpstream,
) -> None:
    refused = Answer([b"{}"], 500, {"Connection": "close"})
    upstream.answer_to = lambda _body: refused
    client = KeptClient(connect_timeout=1.0, send_key=False)
    url = f"{upstream.url}/chat/completions"
    moments, ended = 0, False
    while not ended:
        asking = asyncio.create_task(client.post(url, json={}))
        for _ in range(moments):
            await asyncio.sleep(0)
        ended = asking.done()
        asking.cancel()
        with pytest.raises((asyncio.CancelledError, Rejected)):
            await asking
        moments += 1
    assert "Requests: 0 active, 0 queued" in in_flight(client)
    await client.aclose()
