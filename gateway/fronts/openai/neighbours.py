"""All of the HTTP neighbours together."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from aiohttp import web

from gateway.fronts.openai.chat import Chat
from gateway.fronts.openai.models import Models
from gateway.fronts.openai.speech import Speech
from gateway.fronts.openai.transcriptions import Transcriptions
from gateway.hearing.voice import VoiceActivity
from gateway.settings import GatewaySettings
from gateway.stages.directory import Stages

_THREADS = 2
"""For codecs, which are hundreds of times faster than real time."""


class Neighbours:
    """Transcriptions, speech, chat completions, models and voices.

    They raise `AntiphonError`; whoever runs the application answers with it (`gateway.fronts.openai.errors`), and has
    handlers cancelled whose client has gone (aiohttp's ``handler_cancellation``), or its stages work on for nobody.

    Args:
        stages: do the work.
        settings: of the gateway.
        voice: tells where in a recording somebody speaks.
    """

    def __init__(
        self, stages: Stages, settings: GatewaySettings, voice: VoiceActivity
    ) -> None:
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="codecs")
        self._parts = (
            Transcriptions(stages, settings, voice, self._executor),
            Speech(stages, settings, self._executor),
            Chat(stages, settings),
            Models(stages),
        )

    def routes(self) -> list[web.RouteDef]:
        """Where they are."""
        return [route for part in self._parts for route in part.routes()]

    async def close(self) -> None:
        """Let codecs that run come to their next piece, and free the threads."""
        await asyncio.to_thread(self._executor.shutdown)
