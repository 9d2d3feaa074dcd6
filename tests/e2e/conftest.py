"""The CPU default as real processes, started once for each language model behind it."""

import json
from collections.abc import AsyncIterator

import pytest_asyncio

from tests.e2e.house import (
    FIRST_TOKEN_SECONDS,
    IMPATIENT,
    LIMITED,
    LONGEST_ANSWER,
    House,
    nothing_open,
)
from tests.fakes.upstream import scripted_upstream
from tests.stack import Stack, stack


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pipeline() -> AsyncIterator[Stack]:
    """All of the real thing, the small model included; it is kept from talking for long."""
    async with stack({"ANTIPHON_GATEWAY_MAX_TOKENS": LONGEST_ANSWER}) as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def built_house() -> AsyncIterator[House]:
    async with scripted_upstream() as upstream:
        patient = {"name": "scripted", "base_url": upstream.url, "tools": True}
        impatient = {
            **patient,
            "name": IMPATIENT,
            "first_token_timeout": FIRST_TOKEN_SECONDS,
        }
        limited = {**patient, "name": LIMITED}
        environment = {
            "ANTIPHON_LLM_UPSTREAMS": json.dumps([patient, impatient, limited]),
            "ANTIPHON_LLM_ROUTES": json.dumps(
                {"default": "scripted", IMPATIENT: IMPATIENT, LIMITED: LIMITED}
            ),
        }
        async with stack(environment, without=("llm-local",)) as running:
            yield House(running, upstream)


@pytest_asyncio.fixture(loop_scope="session")
async def house(built_house: House) -> AsyncIterator[House]:
    """Real processes before a scripted upstream; whatever a test did there, nothing of it may be left open."""
    yield built_house
    built_house.upstream.answers.clear()
    built_house.upstream.answer_to = built_house.upstream.next_answer
    built_house.upstream.exchanges.clear()
    await nothing_open(built_house.stack)
