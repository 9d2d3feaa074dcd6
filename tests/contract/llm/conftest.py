"""The language-model proxy, run on a free port before one scripted upstream or two."""

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
async def second() -> AsyncIterator[ScriptedUpstream]:
    """What stands behind `upstream` in `serve_both`."""
    async with scripted_upstream() as running:
        yield running


@pytest.fixture
def serve(upstream: ScriptedUpstream) -> Serve:
    def serve(max_streams: int = 4, **changes: Any) -> AbstractAsyncContextManager[Any]:
        settings = {"name": "scripted", "base_url": upstream.url, **changes}
        return running_proxy(settings, max_streams=max_streams)

    return serve


@pytest.fixture
def serve_both(upstream: ScriptedUpstream, second: ScriptedUpstream) -> Serve:
    """A proxy that asks ``first``, then ``second``; ``route`` and ``circuit`` and so on are settings of its own."""

    def serve(
        route: dict[str, Any] | None = None,
        first: dict[str, Any] | None = None,
        behind: dict[str, Any] | None = None,
        **more: Any,
    ) -> AbstractAsyncContextManager[Any]:
        names = {"upstreams": ["first", "second"]}
        return running_proxy(
            {"name": "first", "base_url": upstream.url, **(first or {})},
            {"name": "second", "base_url": second.url, **(behind or {})},
            routes={"default": {**names, **(route or {})}},
            **more,
        )

    return serve
