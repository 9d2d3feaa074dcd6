"""What an operator is told who set the gateway wrongly, and what strangers on its HTTP port cause."""

import asyncio
import logging
import socket
from pathlib import Path

import aiohttp
import grpc
import pytest
from structlog.testing import capture_logs

from gateway.access import Access
from gateway.access.origins import Origins
from gateway.fronts.gate import Gate
from gateway.fronts.http import HttpFront
from gateway.service import Gateway
from gateway.settings import GatewaySettings
from services.runtime.admission import Admission
from services.runtime.errors import FailedPrecondition
from services.runtime.models import catalogue
from tests.fakes.stages import Script, serving


@pytest.mark.parametrize("there", [True, False])
async def test_a_voice_model_that_is_none_is_named(there: bool, tmp_path: Path) -> None:
    model = tmp_path / "voice.onnx"
    if there:
        model.write_bytes(b"no model")
    gateway = Gateway(GatewaySettings(voice_model=str(model)))
    gateway.admission = Admission(1)
    with pytest.raises(FailedPrecondition, match=r"VOICE_MODEL: .*voice\.onnx"):
        gateway.register(grpc.aio.server())


needs_voice = pytest.mark.skipif(
    not catalogue()["silero-vad"].present, reason="the model has not been fetched"
)


@needs_voice
@pytest.mark.parametrize("there", [True, False])
async def test_a_model_of_the_turns_end_that_is_none_is_named(
    there: bool, tmp_path: Path
) -> None:
    model = tmp_path / "end.onnx"
    if there:
        model.write_bytes(b"no model")
    gateway = Gateway(GatewaySettings(end_model=str(model)))
    gateway.admission = Admission(1)
    with pytest.raises(FailedPrecondition, match=r"END_MODEL: .*end\.onnx"):
        gateway.register(grpc.aio.server())


@needs_voice
async def test_a_model_that_predicts_nothing_is_named_before_anybody_is_served() -> (
    None
):
    other = str(catalogue()["silero-vad"].folder / "silero_vad.onnx")
    gateway = Gateway(
        GatewaySettings(
            http_port=0, end_model=other, stt="[::1]:1", llm="[::1]:1", tts="[::1]:1"
        )
    )
    gateway.admission = Admission(1)
    gateway.register(grpc.aio.server())
    with pytest.raises(FailedPrecondition, match=r"END_MODEL: .*silero_vad\.onnx"):
        await gateway.start()
    await gateway.stop()


@needs_voice
@pytest.mark.parametrize("nothing", ["", "none"])
async def test_a_gateway_may_do_without_prediction(nothing: str) -> None:
    gateway = Gateway(
        GatewaySettings(
            http_port=0, end_model=nothing, stt="[::1]:1", llm="[::1]:1", tts="[::1]:1"
        )
    )
    gateway.admission = Admission(1)
    gateway.register(grpc.aio.server())
    await gateway.start()
    await gateway.stop()


@needs_voice
@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"host": "0.0.0.0"}, "ANTIPHON_GATEWAY_KEYS=none"),
        ({"keys": "/nowhere/keys.yaml"}, "KEYS=/nowhere/keys.yaml: No such file"),
        ({"origins": "example.org"}, "ANTIPHON_GATEWAY_ORIGINS"),
        ({"tls_cert": "/nowhere/tls.pem"}, "ANTIPHON_GATEWAY_TLS_KEY"),
    ],
)
async def test_a_gateway_that_cannot_tell_whom_to_let_in_does_not_start(
    settings: dict[str, str], named: str
) -> None:
    gateway = Gateway(GatewaySettings(end_model="none", **settings))
    gateway.admission = Admission(1)
    with pytest.raises(FailedPrecondition, match=named):
        gateway.register(grpc.aio.server())


@needs_voice
async def test_a_taken_http_port_is_named_with_its_variable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        gateway = Gateway(
            GatewaySettings(
                http_port=port,
                end_model="none",
                stt="[::1]:1",
                llm="[::1]:1",
                tts="[::1]:1",
            )
        )
        gateway.admission = Admission(1)
        gateway.register(grpc.aio.server())
        with pytest.raises(OSError, match=f":{port}.*ANTIPHON_GATEWAY_HTTP_PORT"):
            await gateway.start()
        await gateway.stop()


@needs_voice
async def test_a_gateway_is_not_idle_before_it_has_answered_over_http() -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def writing() -> None:
        asked.set()
        await go_on.wait()

    question = {"messages": [{"role": "user", "content": "Why?"}], "model": "default"}
    async with (
        serving(Script(before_writing=writing)) as stages,
        aiohttp.ClientSession() as web,
        asyncio.timeout(60),
    ):
        gateway = Gateway(
            GatewaySettings(
                http_port=0, end_model="none", stt=stages, llm=stages, tts=stages
            )
        )
        gateway.admission = Admission(1)
        gateway.register(grpc.aio.server())
        with capture_logs() as lines:
            await gateway.start()
        (port,) = [line["port"] for line in lines if line["event"] == "http"]
        await gateway.idle()
        url = f"http://127.0.0.1:{port}/v1/chat/completions"
        asking = asyncio.create_task(web.post(url, json=question))
        await asked.wait()
        idle = asyncio.create_task(gateway.idle())
        await asyncio.sleep(0)
        assert not idle.done()
        go_on.set()
        assert (await asking).status == 200
        await idle
        await gateway.stop()


@pytest.mark.parametrize(
    "sent", [b"\x16\x03\x01\x02\n\r\n\r\n", b"GET / HTTP/1.1\r\nHost\r\n\r\n"]
)
async def test_what_is_no_http_is_refused_without_a_log(
    sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    settings = GatewaySettings()
    gate = Gate(Access(settings), Origins("", by_name=False), Admission(1), 1)
    front = HttpFront([], gate)
    port = await front.start("127.0.0.1", 0)
    with caplog.at_level(logging.INFO):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        answer = await reader.readline()
        writer.close()
        await front.stop()
    assert b" 400 " in answer
    assert not caplog.records
