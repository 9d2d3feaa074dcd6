"""An HTTP request is one trace, from whoever asks to the upstream, and its answer says which."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from typing import Any

import aiohttp
import pytest
from openai import AsyncOpenAI
from opentelemetry.trace import SpanKind, StatusCode

from services.runtime.errors import EngineError, Full
from services.runtime.telemetry import names
from tests.contract.openai.conftest import counted, ended
from tests.fakes.doors import doors
from tests.fakes.hearing import silence, speech
from tests.fakes.recordings import as_wav
from tests.fakes.running_llm import serving_proxy
from tests.fakes.spans import Spans, id_of, is_below, told, trace_of
from tests.fakes.stages import Script
from tests.fakes.upstream import scripted_upstream
from tests.fakes.visitors import CHAT

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
