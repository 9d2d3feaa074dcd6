"""An HTTP request is one trace, from whoever asks to the upstream, and its answer says which."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from typing import Any

import aiohttp
import pytest
from openai import AsyncOpenAI
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode
from prometheus_client import REGISTRY

from services.runtime.errors import EngineError, Full
from services.runtime.telemetry import metrics, names
from tests.fakes.doors import doors
from tests.fakes.hearing import silence, speech
from tests.fakes.recordings import as_wav
from tests.fakes.running_llm import serving_proxy
from tests.fakes.spans import Spans, id_of, is_below, recorded, told, trace_of
from tests.fakes.stages import Script
from tests.fakes.upstream import scripted_upstream
from tests.fakes.visitors import CHAT, KEYS, upgrade

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"
TRACED = {"Traceparent": f"00-{TRACE}-{CALLER}-01"}

COMPLETIONS = "/v1/chat/completions"
SPEECH = "/v1/audio/speech"
TRANSCRIPTIONS = "/v1/audio/transcriptions"


def _file() -> aiohttp.FormData:
    form = aiohttp.FormData()
    samples = silence(0.5) + speech(1.0) + silence(0.5)
    form.add_field("file", as_wav(samples), filename="it.wav")
    return form


WORK: list[tuple[str, Callable[[], dict[str, Any]], str, str]] = [
    (
        COMPLETIONS,
        lambda: {"json": CHAT},
        "generate",
        "antiphon.v1.LanguageModel/Generate",
    ),
    (
        SPEECH,
        lambda: {"json": {"input": "Hi.", "response_format": "pcm"}},
        "synthesize",
        "antiphon.v1.TextToSpeech/Synthesize",
    ),
    (
        TRANSCRIPTIONS,
        lambda: {"data": _file()},
        "transcribe",
        "antiphon.v1.SpeechToText/Transcribe",
    ),
]


@pytest.fixture
def spans() -> Iterator[Spans]:
    with recorded() as found:
        yield found


@pytest.fixture
async def web() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def counted(route: str, code: str) -> float:
    """Requests that the metric has of a route and a code."""
    name = "antiphon_http_request_duration_seconds_count"
    return REGISTRY.get_sample_value(name, {"route": route, "code": code}) or 0


async def ended(spans: Spans, name: str) -> ReadableSpan:
    """The only span of a name, once nothing is open any more."""
    await spans.all_ended()
    return spans.one(name)


@pytest.mark.parametrize(
    ("path", "given", "call", "method"), WORK, ids=[work[2] for work in WORK]
)
async def test_the_stages_call_and_its_own_span_are_below_the_request(
    path: str,
    given: Callable[[], dict[str, Any]],
    call: str,
    method: str,
    spans: Spans,
    web: aiohttp.ClientSession,
) -> None:
    async with doors() as here:
        async with web.post(here.http + path, **given(), headers=TRACED) as got:
            assert got.status == 200
            await got.read()
        request = await ended(spans, f"POST {path}")
    assert request.kind is SpanKind.SERVER
    assert request.parent and f"{request.parent.span_id:016x}" == CALLER
    assert told(request) == {
        "http.request.method": "POST",
        "http.route": path,
        "http.response.status_code": 200,
        "url.scheme": "http",
    }
    assert request.status.status_code is StatusCode.UNSET
    [client] = spans.below(request)
    assert (client.name, client.kind) == (call, SpanKind.CLIENT)
    assert told(client) == {
        "rpc.system.name": "grpc",
        "rpc.method": method,
        "rpc.response.status_code": "OK",
        names.TRIES: 1,
    }
    [server] = spans.below(client)
    assert (server.name, server.kind) == (method, SpanKind.SERVER)


async def test_a_completion_is_one_trace_from_who_asks_to_the_upstream(
    spans: Spans, web: aiohttp.ClientSession
) -> None:
    async with (
        scripted_upstream() as upstream,
        serving_proxy({"name": "scripted", "base_url": upstream.url}) as llm,
        doors(llm=llm) as here,
    ):
        headers = {**TRACED, "Tracestate": "a=b", "Baggage": "c=d"}
        async with web.post(here.http + COMPLETIONS, json=CHAT, headers=headers) as got:
            assert got.headers["X-Request-Id"] == TRACE
        await spans.all_ended()
        [exchange] = upstream.exchanges
    chain = [
        spans.one(f"POST {COMPLETIONS}"),
        spans.one("generate"),
        spans.one("antiphon.v1.LanguageModel/Generate"),
        spans.one("chat default"),
    ]
    for above, below in pairwise(chain):
        assert is_below(below, above)
    assert exchange.headers["traceparent"] == f"00-{TRACE}-{id_of(chain[-1]):016x}-01"
    # What a stranger put beside the ids stays outside.
    assert not {"tracestate", "baggage"} & exchange.headers.keys()


async def test_openais_client_shows_the_trace(spans: Spans) -> None:
    async with (
        doors() as here,
        AsyncOpenAI(base_url=f"{here.http}/v1", api_key="any") as client,
    ):
        answer = await client.chat.completions.create(
            model="default", messages=[{"role": "user", "content": "Hello"}]
        )
        request = await ended(spans, f"POST {COMPLETIONS}")
    assert answer._request_id == f"{trace_of(request):032x}"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_a_stage_that_is_full_everywhere_fails_the_call_and_the_request(
    stream: bool, spans: Spans, web: aiohttp.ClientSession
) -> None:
    async def full() -> None:
        raise Full("all streams are in use", retry_after=2)

    before = counted(COMPLETIONS, "503")
    async with doors(Script(before_writing=full)) as here:
        asked = {**CHAT, "stream": stream}
        async with web.post(here.http + COMPLETIONS, json=asked) as got:
            assert got.status == 503
            assert "X-Request-Id" in got.headers
        request = await ended(spans, f"POST {COMPLETIONS}")
    assert told(request)[names.HTTP_STATUS_CODE] == 503
    assert told(request)[names.ERROR_TYPE] == "503"
    assert request.status.status_code is StatusCode.ERROR
    [client] = spans.below(request)
    assert told(client)[names.RPC_STATUS_CODE] == "RESOURCE_EXHAUSTED"
    assert told(client)[names.ERROR_TYPE] == "RESOURCE_EXHAUSTED"
    assert told(client)[names.TRIES] == len(spans.below(client)) == 3
    assert [dict(event.attributes or {}) for event in client.events] == [
        {names.ASKED_AGAIN_REASON: "full"}
    ] * 2
    assert counted(COMPLETIONS, "503") == before + 1


@pytest.mark.parametrize("form", ["audio", "sse"])
async def test_an_answer_that_breaks_off_has_failed_whatever_its_status_says(
    form: str, spans: Spans, web: aiohttp.ClientSession
) -> None:
    def fail(_turn: object) -> None:
        raise EngineError("the voice broke")

    before = counted(SPEECH, "500"), counted(SPEECH, "200")
    async with doors(Script(spoke=fail)) as here:
        asked = {"input": "Hi.", "response_format": "pcm", "stream_format": form}
        async with web.post(here.http + SPEECH, json=asked) as got:
            assert got.status == 200
            with suppress(aiohttp.ClientError):
                await got.read()
        request = await ended(spans, f"POST {SPEECH}")
    assert told(request)[names.HTTP_STATUS_CODE] == 200
    assert told(request)[names.ERROR_TYPE] == "INTERNAL"
    assert request.status.status_code is StatusCode.ERROR
    assert counted(SPEECH, "500") == before[0] + 1
    assert counted(SPEECH, "200") == before[1]


async def test_a_stage_that_is_silent_for_too_long_is_a_call_past_its_deadline(
    spans: Spans, web: aiohttp.ClientSession
) -> None:
    never = asyncio.Event()
    async with doors(Script(before_writing=never.wait), llm_timeout=0.1) as here:
        async with web.post(here.http + COMPLETIONS, json=CHAT) as got:
            assert got.status == 504
        request = await ended(spans, f"POST {COMPLETIONS}")
    [client] = spans.below(request)
    assert told(client)[names.RPC_STATUS_CODE] == "DEADLINE_EXCEEDED"
    assert client.status.status_code is StatusCode.ERROR


async def test_a_client_that_leaves_has_nothing_fail(spans: Spans) -> None:
    begun, never = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        begun.set()
        await never.wait()

    before = counted(COMPLETIONS, "499")
    async with doors(Script(before_writing=wait)) as here:
        async with aiohttp.ClientSession() as web:
            asking = asyncio.ensure_future(web.post(here.http + COMPLETIONS, json=CHAT))
            await begun.wait()
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        assert await here.script.cancelled.get() == "Generate"
        request = await ended(spans, f"POST {COMPLETIONS}")
    [client] = spans.below(request)
    assert told(request)[names.HTTP_STATUS_CODE] == 499
    assert told(client)[names.RPC_STATUS_CODE] == "CANCELLED"
    for span in (request, client):
        assert span.status.status_code is StatusCode.UNSET
        assert names.ERROR_TYPE not in told(span)
    assert counted(COMPLETIONS, "499") == before + 1


async def test_who_has_no_key_is_counted_and_no_fault_of_ours(
    spans: Spans, web: aiohttp.ClientSession
) -> None:
    before = counted("/v1/models", "401")
    async with doors(**KEYS) as here:
        async with web.get(f"{here.http}/v1/models") as got:
            assert got.headers["X-Request-Id"]
        request = await ended(spans, "GET /v1/models")
    assert told(request)[names.HTTP_STATUS_CODE] == 401
    assert request.status.status_code is StatusCode.UNSET
    assert counted("/v1/models", "401") == before + 1


async def test_a_page_of_another_site_may_read_the_requests_id(
    web: aiohttp.ClientSession,
) -> None:
    origin = "https://elsewhere.example"
    async with (
        doors(origins=origin) as here,
        web.get(f"{here.http}/v1/models", headers={"Origin": origin}) as got,
    ):
        assert "X-Request-Id" in got.headers["Access-Control-Expose-Headers"]


async def test_what_a_path_names_is_in_no_route(
    spans: Spans, web: aiohttp.ClientSession
) -> None:
    route = "/v1/models/{id}"
    before = counted(route, "404")
    async with doors() as here:
        async with web.get(f"{here.http}/v1/models/some/name") as got:
            assert got.status == 404
        request = await ended(spans, f"GET {route}")
    assert told(request)[names.HTTP_ROUTE] == route
    assert "some" not in request.to_json()
    assert counted(route, "404") == before + 1


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/v1/embeddings", "404"),
        ("GET", "/wp-login.php", "404"),
        ("PUT", "/v1/models", "405"),
    ],
)
async def test_what_there_is_not_is_counted_together_and_not_traced(
    method: str, path: str, code: str, spans: Spans, web: aiohttp.ClientSession
) -> None:
    before = counted("other", code)
    async with doors() as here, web.request(method, here.http + path) as got:
        assert str(got.status) == code
        assert "X-Request-Id" not in got.headers
    assert counted("other", code) == before + 1
    assert _http(spans) == []


async def test_conversations_pages_and_probes_are_no_requests(
    spans: Spans, web: aiohttp.ClientSession
) -> None:
    before = _routes()
    async with doors() as here:
        for path in ("/", "/docs", "/healthz", "/readyz"):
            async with web.get(here.http + path) as got:
                assert got.status == 200
        address = f"{here.http}/v1/realtime"
        async with web.get(address, headers=upgrade()) as got:
            assert got.status == 101
            got.close()
    assert _routes() == before
    assert _http(spans) == []


async def test_a_conversation_is_below_the_span_of_who_opened_it(
    spans: Spans, web: aiohttp.ClientSession
) -> None:
    async with doors() as here:
        address = f"{here.http}/v1/realtime"
        async with web.ws_connect(address, headers=TRACED) as opened:
            assert (await opened.receive_json())["type"] == "session.created"
        conversation = await ended(spans, names.CONVERSATION_SPAN)
    assert f"{trace_of(conversation):032x}" == TRACE
    assert conversation.parent and f"{conversation.parent.span_id:016x}" == CALLER


async def test_a_request_leads_to_its_trace(
    spans: Spans, web: aiohttp.ClientSession
) -> None:
    async with doors() as here:
        async with web.get(f"{here.http}/v1/audio/voices") as got:
            id = got.headers["X-Request-Id"]
        await ended(spans, "GET /v1/audio/voices")
    assert {"trace_id": id} in [
        sample.exemplar.labels
        for family in metrics.HTTP_REQUESTS.collect()
        for sample in family.samples
        if sample.labels["route"] == "/v1/audio/voices" and sample.exemplar
    ]


def _http(spans: Spans) -> list[str]:
    """Names of the spans of HTTP requests, open ones too."""
    every = [*spans, *spans.open.values()]
    return [span.name for span in every if names.HTTP_METHOD in told(span)]


def _routes() -> dict[tuple[str, str], float]:
    """Requests of each route and code."""
    return {
        (sample.labels["route"], sample.labels["code"]): sample.value
        for family in metrics.HTTP_REQUESTS.collect()
        for sample in family.samples
        if sample.name.endswith("_count")
    }
