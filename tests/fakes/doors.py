"""A gateway's doors in this process, on real ports, before scripted stages: keys, limits and all."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from gateway.doors import Doors
from gateway.sessions import Sessions
from gateway.settings import GatewaySettings
from gateway.stages.directory import Stages
from services.runtime.admission import Admission
from services.runtime.server import bind, create_server
from services.runtime.telemetry import budgets
from tests.fakes.hearing import LoudnessVoice
from tests.fakes.stages import Script, serving


@dataclass
class OpenDoors:
    """Where they are.

    Attributes:
        grpc: ``host:port``.
        http: ``http://host:port``, or ``https://…``.
        admission: counts conversations.
        script: what the stages do.
        sessions: the conversations.
        doors: themselves.
    """

    grpc: str
    http: str
    admission: Admission
    script: Script
    sessions: Sessions
    doors: Doors


@asynccontextmanager
async def doors(
    script: Script | None = None, **settings: Any
) -> AsyncIterator[OpenDoors]:
    script = script or Script()
    async with serving(script) as stages:
        default = {"stt": stages, "llm": stages, "tts": stages}
        given = {"port": 0, "http_port": 0, "endpointing": "silence", **settings}
        chosen = GatewaySettings(**(default | given))
        directory = Stages(chosen.stt, chosen.llm, chosen.tts)
        voice, admission = LoudnessVoice(), Admission(chosen.max_streams)
        sessions = Sessions(chosen, directory, voice, None, budgets.load())
        opened = Doors(sessions, voice, admission)
        server = create_server(chosen, admission)
        opened.register(server)
        port = bind(server, chosen, opened.credentials)
        await server.start()
        scheme = "https" if chosen.tls_cert else "http"
        http = f"{scheme}://127.0.0.1:{await opened.open()}"
        try:
            grpc = f"127.0.0.1:{port}"
            yield OpenDoors(grpc, http, admission, script, sessions, opened)
        finally:
            await server.stop(0)
            await opened.close()
            await directory.close()
