"""The language-model proxy, run on a free port before a scripted upstream."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from tests.fakes.running_llm import Serve, running_proxy
from tests.fakes.upstream import ScriptedUpstream, scripted_upstream


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with scripted_upstream() as running:
        yield running


@pytest.fixture
def serve(upstream: ScriptedUpstream) -> Serve:
    def serve(max_streams: int = 4, **changes: Any) -> AbstractAsyncContextManager[Any]:
        settings = {"name": "scripted", "base_url": upstream.url, **changes}
        return running_proxy(settings, max_streams)

    return serve
