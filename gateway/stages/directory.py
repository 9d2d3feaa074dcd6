"""The stages behind a gateway: their channels, what they say of themselves, whether they are healthy."""

import asyncio
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from antiphon.v1 import llm_pb2, stt_pb2, tts_pb2
from antiphon.v1.llm_pb2_grpc import LanguageModelStub
from antiphon.v1.stt_pb2_grpc import SpeechToTextStub
from antiphon.v1.tts_pb2_grpc import TextToSpeechStub
from gateway.stages.line import Line
from services.runtime.logs import get_logger

if TYPE_CHECKING:
    from antiphon.v1.llm_pb2_grpc import LanguageModelAsyncStub
    from antiphon.v1.stt_pb2_grpc import SpeechToTextAsyncStub
    from antiphon.v1.tts_pb2_grpc import TextToSpeechAsyncStub

log = get_logger(__name__)

Response = TypeVar("Response")

_FRESH_SECONDS = 10.0
_ASK_TIMEOUT = 1.0


@dataclass(frozen=True, slots=True)
class Abilities:
    """What the stages said of themselves; None for one that could not be asked."""

    stt: stt_pb2.SpeechToTextDescribeResponse | None
    llm: llm_pb2.LanguageModelDescribeResponse | None
    tts: tts_pb2.TextToSpeechDescribeResponse | None


class Stages:
    """Channels and stubs of the three stages.

    Args:
        stt: address of speech to text.
        llm: address of the language model.
        tts: address of text to speech.
    """

    def __init__(self, stt: str, llm: str, tts: str) -> None:
        # There is one class of stub for both kinds of channel; the type hints have two.
        to_stt: Line[SpeechToTextAsyncStub] = Line("stt", stt, SpeechToTextStub)
        to_llm: Line[LanguageModelAsyncStub] = Line("llm", llm, LanguageModelStub)
        to_tts: Line[TextToSpeechAsyncStub] = Line("tts", tts, TextToSpeechStub)
        self.stt, self.llm, self.tts = to_stt.stub, to_llm.stub, to_tts.stub
        self._lines: dict[str, Line[Any]] = {
            "stt": to_stt,
            "llm": to_llm,
            "tts": to_tts,
        }
        self._abilities: Abilities | None = None
        self._asked_at = 0.0

    @property
    def known(self) -> Abilities | None:
        """What the stages could do when they were last asked; None before that."""
        return self._abilities

    async def abilities(self) -> Abilities:
        """What the stages can do, asked anew every few seconds."""
        if (
            self._abilities is None
            or time.monotonic() - self._asked_at > _FRESH_SECONDS
        ):
            stt, llm, tts = await asyncio.gather(
                _ask(
                    self.stt.Describe(
                        stt_pb2.SpeechToTextDescribeRequest(), timeout=_ASK_TIMEOUT
                    )
                ),
                _ask(
                    self.llm.Describe(
                        llm_pb2.LanguageModelDescribeRequest(), timeout=_ASK_TIMEOUT
                    )
                ),
                _ask(
                    self.tts.Describe(
                        tts_pb2.TextToSpeechDescribeRequest(), timeout=_ASK_TIMEOUT
                    )
                ),
            )
            self._abilities = Abilities(stt, llm, tts)
            self._asked_at = time.monotonic() if stt and llm and tts else 0.0
        return self._abilities

    async def health(self) -> dict[str, str]:
        """``SERVING``, or what is wrong, by stage."""
        names = list(self._lines)
        found = await asyncio.gather(*(self._health(name) for name in names))
        return dict(zip(names, found, strict=True))

    async def _health(self, name: str) -> str:
        stub: Any = health_pb2_grpc.HealthStub(self._lines[name].channel())
        try:
            response = await stub.Check(
                health_pb2.HealthCheckRequest(), timeout=_ASK_TIMEOUT
            )
        except grpc.aio.AioRpcError as error:
            return error.code().name
        return health_pb2.HealthCheckResponse.ServingStatus.Name(response.status)

    async def close(self) -> None:
        """Close the channels."""
        await asyncio.gather(*(line.close() for line in self._lines.values()))


async def _ask(call: Awaitable[Response]) -> Response | None:
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        log.warning("a stage could not be asked what it is", code=error.code().name)
        return None
