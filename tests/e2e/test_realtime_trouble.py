"""What nobody should send to a gateway's HTTP port: it says what is wrong, and serves the next one as if nothing had been.

One process for all tests, before scripted stages; behind each of them nothing may be open.
"""

import asyncio
import base64
import json
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import pytest
import pytest_asyncio

from antiphon.v1 import llm_pb2
from tests.e2e.house import samples
from tests.e2e.process import LoneProcess, lone_process
from tests.e2e.strangers import says_to
from tests.fakes.caller import calling
from tests.fakes.running_realtime import Client, Event
from tests.fakes.stages import Script, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONG = "I could go on about this for quite a while, and as nobody stops me I will. " * 9

OPEN = ("antiphon_conversations_open", "antiphon_streams_open")

LOOK_AGAIN_SECONDS = 0.05

RESET = struct.pack("ii", 1, 0)
"""Of SO_LINGER: closing resets the connection."""


def parrot(request: llm_pb2.GenerateRequest) -> list[str | llm_pb2.ToolCall]:
    asked = request.messages[-1].content[0].text
    return [LONG] if asked == "go on" else [f"You said: {asked}."]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def process() -> AsyncIterator[LoneProcess]:
    async with serving(Script(write=parrot)) as stages:
        environment = {
            f"ANTIPHON_GATEWAY_{name}": stages for name in ("STT", "LLM", "TTS")
        }
        async with lone_process("gateway", environment) as gateway:
            yield gateway
            gateway.terminate()
            assert await gateway.ended() == 0
            assert [line for line in gateway.log if "Traceback" in line] == []


@pytest_asyncio.fixture(loop_scope="module")
async def gateway(process: LoneProcess) -> AsyncIterator[LoneProcess]:
    """With a conversation that goes on beside what a test does, and is not disturbed by it."""
    async with talking(process) as neighbour:
        await asks(neighbour, "before")
        yield process
        await asks(neighbour, "behind")
        assert neighbour.all("error") == []
    async with asyncio.timeout(20), aiohttp.ClientSession() as http:
        while await anything_open(http, process):  # noqa: ASYNC110
            await asyncio.sleep(LOOK_AGAIN_SECONDS)


async def anything_open(http: aiohttp.ClientSession, process: LoneProcess) -> bool:
    found = await samples(http, process.metrics)
    return any(found[gauge] for gauge in OPEN)


@asynccontextmanager
async def talking(process: LoneProcess) -> AsyncIterator[Client]:
    async with (
        asyncio.timeout(30),
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{process.http}/v1/realtime", max_msg_size=0) as socket,
    ):
        client = Client(socket)
        await client.until("session.created")
        yield client


async def asks(client: Client, text: str) -> None:
    """Is answered in writing, and hears nothing but that."""
    client.got.clear()
    await client.write(text)
    await client.send("response.create", response={"output_modalities": ["text"]})
    done = await client.until("response.done")
    assert done["response"]["output"][0]["content"][0]["text"] == f"You said: {text}."
    told = [e["delta"] for e in client.all("response.output_text.delta")]
    assert "".join(told) == f"You said: {text}."


async def begins_to_be_answered(client: Client) -> None:
    await client.write("go on")
    await client.send("response.create")
    await client.until("response.output_audio.delta")


# --- messages ---------------------------------------------------------------------------------------------

CREATE: Event = {
    "type": "conversation.item.create",
    "item": {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "hi"}],
    },
}
APPEND = '{"type": "input_audio_buffer.append", "audio": "%s"}'
TRUNCATE = (
    '{"type": "conversation.item.truncate", "item_id": "x", "content_index": 0, '
    '"audio_end_ms": %s}'
)
BAD_MESSAGES = [
    ("", "invalid_json"),
    ("{", "invalid_json"),
    ("\0", "invalid_json"),
    ("[1]", "invalid_json"),
    ("[" * 3_000_000, "invalid_json"),
    ('{"a":' * 50_000 + "1" + "}" * 50_000, "invalid_json"),
    ('{"type": "x", "a": [' + "{}," * 99_000 + "{}]}", "invalid_json"),
    ('{"type": "response.create", "response": {"temperature": NaN}}', "invalid_json"),
    ('{"type": "response.cancel", "type": "response.cancel"}', "invalid_json"),
    ('{"type": "\\ud800"}', "invalid_json"),
    ("{}", "missing_required_parameter"),
    ('{"type": []}', "unknown_event"),
    (f'{{"type": "{"x" * 1_000_000}"}}', "unknown_event"),
    (APPEND % "!!!!", "invalid_value"),
    (APPEND % "AAA", "invalid_value"),
    (APPEND % "AAAA", "invalid_value"),
    (TRUNCATE % "-1", "invalid_value"),
    (TRUNCATE % "1.5", "invalid_value"),
    (TRUNCATE % "1e15", "invalid_value"),
    (TRUNCATE % ("9" * 4_000), "invalid_json"),
    (TRUNCATE % ("9" * 5_000), "invalid_json"),
    (TRUNCATE % "0", "item_truncate_invalid_item_id"),
    (json.dumps(CREATE).replace("hi", "x" * 3_000_000), "invalid_value"),
]


async def test_what_is_no_event_is_told_and_the_conversation_goes_on(
    gateway: LoneProcess,
) -> None:
    async with talking(gateway) as client:
        for message, code in BAD_MESSAGES:
            await client.socket.send_str(message)
            assert (await client.error())["code"] == code, message[:80]
        await client.socket.send_bytes(b"\x00\xff" * 500)
        assert (await client.error())["code"] == "invalid_json"
        await asks(client, "still there?")


async def test_fifty_megabytes_in_one_message_close_the_connection(
    gateway: LoneProcess,
) -> None:
    async with talking(gateway) as client:
        # Why, it is told as well; who goes on sending may not come to read it.
        sending = client.socket.send_str("x" * 50_000_000)
        await asyncio.gather(sending, client.closed(), return_exceptions=True)
        assert client.socket.closed


SILENCE = base64.b64encode(bytes(960)).decode()
STORMS: list[list[Event]] = [
    [{"type": "input_audio_buffer.append", "audio": SILENCE}],
    [{"type": "input_audio_buffer.commit"}],
    [{"type": "input_audio_buffer.clear"}],
    [{"type": "session.update", "session": {"type": "realtime"}}],
    [CREATE],
    [{"type": "conversation.item.retrieve", "item_id": "x"}],
    [{"type": "response.create"}, {"type": "response.cancel"}],
    [{"type": "response.create", "response": {"conversation": "none"}}],
    [{"type": "no.such"}],
]


@pytest.mark.parametrize("events", STORMS, ids=lambda events: events[0]["type"])
async def test_a_thousand_events_a_second_are_cut_off_with_the_reason(
    gateway: LoneProcess, events: list[Event]
) -> None:
    async with talking(gateway) as client:
        await begins_to_be_answered(client)
        reading = asyncio.create_task(_last_error(client))
        for number in range(1_000):
            if client.socket.closed:
                break
            try:
                await client.socket.send_json(events[number % len(events)])
            except ConnectionError:
                break
        code, error = await reading
        assert error["code"] == "rate_limit_exceeded"
        assert "200 messages a second" in error["message"]
        assert code == aiohttp.WSCloseCode.POLICY_VIOLATION


async def _last_error(client: Client) -> tuple[int | None, Event]:
    code = await client.closed()
    error: Event = client.all("error")[-1]["error"]
    return code, error


# --- sockets ----------------------------------------------------------------------------------------------


def frame(payload: bytes, code: int = 1, end: bool = True, more: int = 0) -> bytes:
    """A client's frame (RFC 6455, 5.2), with a mask that changes nothing; its length says ``more`` than comes."""
    head = struct.pack(
        ">BBQ4x", (0x80 if end else 0) | code, 0x80 | 127, len(payload) + more
    )
    return head + payload


HANDSHAKE = (
    b"GET /v1/realtime HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (frame(b"{}", 3), b"no frame of a WebSocket"),
        (frame(b"{}", 0), b"no frame of a WebSocket"),
        (frame(b"{", end=False) + frame(b"}"), b"no frame of a WebSocket"),
        (frame(b"x" * 126, 9), b"no frame of a WebSocket"),
        (frame(b"x", 8), b"no frame of a WebSocket"),
        (frame(b"\xff\xfe"), b"not UTF-8"),
        (frame(b"x", more=50_000_000), b"more than 4194304 bytes"),
        (frame(b"x", more=2**62), b"more than 4194304 bytes"),
    ],
)
async def test_what_is_no_frame_closes_the_connection_with_the_reason(
    gateway: LoneProcess, data: bytes, reason: bytes
) -> None:
    async with asyncio.timeout(10):
        told = await says_to(gateway.http.removeprefix("http://"), HANDSHAKE + data)
    assert b" 101 " in told.partition(b"\r\n")[0]
    assert reason in told


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
async def test_sockets_that_are_cut_in_the_middle_of_an_answer_leave_nothing(
    gateway: LoneProcess, reset: bool
) -> None:
    host, _, port = gateway.http.removeprefix("http://").rpartition(":")
    said = json.dumps(CREATE).replace("hi", "go on"), '{"type": "response.create"}'
    for number in range(10):
        async with asyncio.timeout(10):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(HANDSHAKE + b"".join(frame(text.encode()) for text in said))
            await reader.readuntil(b"response.output_audio.delta")
        if reset:
            cut = writer.get_extra_info("socket")
            cut.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        writer.transport.abort()
        async with talking(gateway) as again:
            await asks(again, f"the {number}th time")


async def test_nothing_of_one_client_reaches_another(gateway: LoneProcess) -> None:
    async with AsyncExitStack() as all_of_them:
        clients = [
            await all_of_them.enter_async_context(talking(gateway)) for _ in range(12)
        ]
        ids = {client.one("session.created")["session"]["id"] for client in clients}
        assert len(ids) == len(clients)
        for client in clients[::2]:
            await begins_to_be_answered(client)
        quiet = enumerate(clients[1::2])
        await asyncio.gather(*(asks(client, f"words of {n}") for n, client in quiet))


# --- HTTP -------------------------------------------------------------------------------------------------


def request(line: str, head: str = "", body: bytes = b"") -> bytes:
    return f"{line} HTTP/1.1\r\nHost: localhost\r\n{head}\r\n".encode() + body


CHAT, CALLS = "POST /v1/chat/completions", "POST /v1/realtime/calls"
FORM = "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: "


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (request("GET /healthz", f"X-A: {'a' * 200_000}\r\n"), 400),
        (request("GET /healthz", "X-A: a\r\n" * 10_000), 400),
        (request(f"GET /{'a' * 200_000}"), 400),
        (request(CHAT, "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400),
        (request(CHAT, "Transfer-Encoding: chunked\r\n", b"zz\r\n"), 400),
        (request(CHAT, "Content-Encoding: gzip\r\nContent-Length: 2\r\n", b"{}"), 400),
        (request("POST /v1/audio/transcriptions", FORM + "5\r\n", b"--x\r\n"), 400),
        (request("GET /js/%2e%2e/%2e%2e/settings.py"), 404),
        (request("GET /v1/realtime"), 400),
        (request(CALLS, "Content-Length: 0\r\n"), 400),
        (request("DELETE /v1/realtime/calls/rtc_other"), 404),
    ],
)
async def test_what_is_no_request_is_refused(
    gateway: LoneProcess, data: bytes, status: int
) -> None:
    host, _, port = gateway.http.removeprefix("http://").rpartition(":")
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(data)
        line = await reader.readline()
        writer.transport.abort()
    assert line.split()[1] == str(status).encode()


async def test_calls_that_nobody_connects_are_hung_up_on(gateway: LoneProcess) -> None:
    async with calling(gateway.http, dial=False) as caller:
        text = await caller.offer_text()
        for _ in range(5):
            await caller.offer()
            url = f"{gateway.http}{caller.location}"
            async with caller.http.delete(url) as hung_up:
                assert hung_up.status == 204
        head = {"Content-Type": "application/sdp"}
        for bad in (text[:900], text.replace("a=mid:0", "a=mid:9"), text * 40):
            sent = caller.http.post(caller.url, data=bad, headers=head)
            async with sent as refused:
                assert refused.status == 400
                assert (await refused.json())["error"]["param"] == "sdp"


async def test_a_hundred_requests_in_one_breath_are_answered_in_turn(
    gateway: LoneProcess,
) -> None:
    last = request("GET /v1/none", "Connection: close\r\n")
    many = request("GET /healthz") * 99 + last
    async with asyncio.timeout(10):
        told = await says_to(gateway.http.removeprefix("http://"), many)
    assert told.count(b" 200 OK\r\n") == 99
    assert told.count(b" 404 Not Found\r\n") == 1
