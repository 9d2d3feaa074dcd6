"""Inference providers: through Hugging Face's router or directly, and what the Hub has to say before."""

import itertools
from collections.abc import AsyncIterator

import pytest
from huggingface_hub import constants
from huggingface_hub.inference._providers import (
    CONVERSATIONAL_AUTO_ROUTER,
    PROVIDERS,
)

from services.llm.upstreams import providers
from services.runtime.errors import Unavailable
from tests.fakes.running_llm import (
    asking,
    failure,
    reply,
    running_proxy,
    text_of,
    tried,
)
from tests.fakes.upstream import ScriptedUpstream, refuses, scripted_upstream

_numbers = itertools.count()


@pytest.fixture
async def hugging_face(
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[ScriptedUpstream]:
    """The Hub, the router and the provider itself: one scripted server."""
    async with scripted_upstream() as running:
        router = f"{running.root}/{{provider}}"
        monkeypatch.setattr(constants, "ENDPOINT", running.root)
        monkeypatch.setattr(constants, "INFERENCE_PROXY_TEMPLATE", router)
        monkeypatch.setattr(providers, "ROUTER", running.url)
        direct = f"{running.root}/direct"
        monkeypatch.setattr(PROVIDERS["cerebras"]["conversational"], "base_url", direct)
        running.offers = {"cerebras": "gemma-over-there"}
        yield running


@pytest.fixture
def model() -> str:
    """One that nobody has looked up yet: the library keeps what it was told for as long as the process lives."""
    return f"google/gemma-{next(_numbers)}"


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_mine")
    monkeypatch.setenv("OWN_KEY", "csk-mine")


def cerebras(model: str, **more: str) -> dict[str, str]:
    return {"name": "far", "provider": "cerebras", "model": model, **more}


async def test_a_provider_is_asked_by_its_own_name_for_the_model_with_one_look_at_the_hub(
    hugging_face: ScriptedUpstream, model: str
) -> None:
    async with running_proxy(cerebras(model)) as stub:
        assert hugging_face.hub_requests == 1
        await reply(stub)
        responses = await reply(stub)
    assert hugging_face.hub_requests == 1
    assert responses[-1].summary.engine.model == model
    for exchange in hugging_face.exchanges:
        assert exchange.path == "/cerebras/v1/chat/completions"
        assert exchange.body["model"] == "gemma-over-there"
        assert exchange.headers["authorization"] == "Bearer hf_mine"
    assert hugging_face.model_requests == 1
    assert len({exchange.connection for exchange in hugging_face.exchanges}) == 1


async def test_with_a_key_of_its_own_a_provider_is_asked_directly(
    hugging_face: ScriptedUpstream, model: str
) -> None:
    async with running_proxy(cerebras(model, api_key_variable="OWN_KEY")) as stub:
        await reply(stub)
    (exchange,) = hugging_face.exchanges
    assert exchange.path == "/direct/v1/chat/completions"
    assert exchange.headers["authorization"] == "Bearer csk-mine"


async def test_without_the_hub_the_router_is_left_to_find_the_model(
    hugging_face: ScriptedUpstream, model: str
) -> None:
    hugging_face.hub_status = 503
    async with running_proxy(cerebras(model)) as stub:
        assert text_of(await reply(stub)) == "Hello there."
    (exchange,) = hugging_face.exchanges
    assert exchange.path == "/v1/chat/completions"
    assert exchange.body["model"] == f"{model}:cerebras"
    assert exchange.headers["authorization"] == "Bearer hf_mine"
    assert hugging_face.hub_requests == 1


async def test_a_hub_that_does_not_answer_holds_nobody_up(
    hugging_face: ScriptedUpstream, model: str
) -> None:
    hugging_face.hub_waits = True
    async with running_proxy(cerebras(model), warm_up_seconds=0.05) as stub:
        await reply(stub)
        hugging_face.release()
    assert hugging_face.exchanges[0].body["model"] == f"{model}:cerebras"


async def test_without_the_hub_a_key_of_the_providers_own_leads_nowhere_yet(
    hugging_face: ScriptedUpstream, model: str
) -> None:
    hugging_face.hub_status = 503
    own = cerebras(model, api_key_variable="OWN_KEY")
    local = {"name": "local", "base_url": hugging_face.url}
    async with running_proxy(own, local) as stub:
        assert tried(await reply(stub)) == [("far", "unreachable"), ("local", "ok")]
        hugging_face.hub_status = 200
        assert tried(await reply(stub)) == [("far", "ok")]


async def test_a_model_that_the_provider_does_not_offer_is_said_and_passed_by(
    hugging_face: ScriptedUpstream, model: str
) -> None:
    hugging_face.offers = {"groq": "x"}
    local = {"name": "local", "base_url": hugging_face.url}
    async with running_proxy(cerebras(model), local, routes={"far": "far"}) as stub:
        error = await failure(stub, asking(model="far"))
        assert error.code.name == "FAILED_PRECONDITION"
        assert "not supported by provider cerebras" in error.message
        assert tried(await reply(stub)) == [("far", "skipped"), ("local", "ok")]


async def test_the_choice_of_a_provider_may_be_left_to_the_router(
    hugging_face: ScriptedUpstream, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CONVERSATIONAL_AUTO_ROUTER, "base_url", hugging_face.root)
    async with running_proxy({**cerebras(model), "provider": "auto"}) as stub:
        await reply(stub)
    (exchange,) = hugging_face.exchanges
    assert (exchange.path, exchange.body["model"]) == ("/v1/chat/completions", model)
    assert hugging_face.hub_requests == 0


async def test_a_provider_that_nobody_knows_is_said(
    hugging_face: ScriptedUpstream, model: str
) -> None:
    async with running_proxy({**cerebras(model), "provider": "nobody"}) as stub:
        error = await failure(stub)
    assert "nobody" in error.message
    assert hugging_face.hub_requests == 0


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_what_a_hosted_model_tells_one_replica_it_would_tell_all_of_them(
    hugging_face: ScriptedUpstream, model: str, status: int
) -> None:
    own = {"name": "local", "base_url": hugging_face.url}
    routes = {"far": "far", "local": "local"}
    hugging_face.answers.extend([refuses(status, "no")] * 2)
    async with running_proxy(
        cerebras(model), own, routes=routes, circuit={"failures": 1}
    ) as stub:
        assert (await failure(stub, asking(model="far"))).everywhere
        assert not (await failure(stub, asking(model="local"))).everywhere
        if status == 429:
            again = await failure(stub, asking(model="far"))
            assert "rests" in again.message
            assert again.everywhere


MAPPING = b'{"id": "m", "inferenceProviderMapping": %s}'


@pytest.mark.parametrize(
    "garbage",
    [
        b"<html>",
        b'"\xff"',
        b"[" * 100_000,
        b"[]",
        b'{"id": "m", "lastModified": "yesterday"}',
        MAPPING % b'"x"',
        MAPPING % b"[1]",
        MAPPING % b'{"cerebras": {"status": "live", "task": "conversational"}}',
    ],
)
async def test_a_hub_that_talks_nonsense_is_asked_again_and_meanwhile_the_router_is(
    hugging_face: ScriptedUpstream, model: str, garbage: bytes
) -> None:
    hugging_face.hub_says = garbage
    own = cerebras(model, name="own", api_key_variable="OWN_KEY")
    routes = {"far": "far", "own": "own"}
    async with running_proxy(cerebras(model), own, routes=routes) as stub:
        assert tried(await reply(stub, asking(model="far"))) == [("far", "ok")]
        assert isinstance(await failure(stub, asking(model="own")), Unavailable)
        hugging_face.hub_says = None
        assert tried(await reply(stub, asking(model="own"))) == [("own", "ok")]


@pytest.mark.parametrize("variable", ["HF_TOKEN", "OWN_KEY"])
@pytest.mark.parametrize("status", [400, 401, 429, 500])
async def test_no_key_is_ever_logged_or_told(
    hugging_face: ScriptedUpstream,
    model: str,
    variable: str,
    status: int,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level("DEBUG")
    hugging_face.answers.append(refuses(status, "never heard of hf_mine or csk-mine"))
    async with running_proxy(cerebras(model, api_key_variable=variable)) as stub:
        error = await failure(stub)
    said = "".join([error.message, caplog.text, *capfd.readouterr()])
    key = {"HF_TOKEN": "hf_mine", "OWN_KEY": "csk-mine"}[variable]
    assert "never heard of" in said
    assert key not in said
    if status == 401:
        assert f"set ${variable}" in said
