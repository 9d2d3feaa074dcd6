"""``GET /v1/models`` and ``GET /v1/audio/voices``: what the stages are, and what they can do."""

from typing import Any

from aiohttp import web

from antiphon.v1.stage_pb2 import EngineInfo
from gateway.fronts.openai.encoding import MEDIA_TYPES
from gateway.fronts.openai.errors import NotFound
from gateway.fronts.openai.names import STOCK_VOICES
from gateway.stages.directory import Abilities, Stages
from services.runtime.errors import Unavailable
from services.runtime.units import to_seconds

SLOWEST, FASTEST = 0.5, 2.0
"""Relative speed of a voice; from the contract."""


class Models:
    """Lists of what can be asked for.

    Args:
        stages: are asked what they are.
    """

    def __init__(self, stages: Stages) -> None:
        self._stages = stages

    def routes(self) -> list[web.RouteDef]:
        """Where these are."""
        return [
            web.get("/v1/models", self._list),
            # A model's name may hold slashes.
            web.get("/v1/models/{id:.+}", self._one),
            web.get("/v1/audio/voices", self._voices),
        ]

    async def _list(self, _request: web.Request) -> web.Response:
        """The models behind this gateway."""
        models = _models(await self._stages.abilities())
        return web.json_response({"object": "list", "data": models})

    async def _one(self, request: web.Request) -> web.Response:
        """One of them."""
        asked = request.match_info["id"]
        models = _models(await self._stages.abilities())
        for model in models:
            if model["id"] == asked:
                return web.json_response(model)
        known = ", ".join(model["id"] for model in models)
        raise NotFound(
            "model",
            f"there is no model {asked!r}; there are: {known}",
            "model_not_found",
        )

    async def _voices(self, _request: web.Request) -> web.Response:
        """The voices, and what they can do."""
        can = (await self._stages.abilities()).tts
        if can is None:
            raise Unavailable("text to speech cannot be reached; is it running?")
        voices = [
            {
                "id": voice.name,
                "name": voice.name,
                "languages": list(voice.languages),
                "description": voice.description,
                "default": position == 0,
            }
            for position, voice in enumerate(can.voices)
        ]
        return web.json_response(
            {
                "object": "list",
                "data": voices,
                # Names that speak with the default voice.
                "aliases": sorted(STOCK_VOICES - {voice.name for voice in can.voices}),
                "model": _name(can.engine),
                "formats": list(MEDIA_TYPES),
                "speed": {"min": SLOWEST, "max": FASTEST} if can.speed else None,
                "instructions": can.instructions,
                "cloning": can.cloning,
            }
        )


def _models(abilities: Abilities) -> list[dict[str, Any]]:
    """The language model's aliases, the default first, and what hears and what speaks."""
    models: list[dict[str, Any]] = []
    if abilities.llm:
        models += [
            _model(
                alias.name,
                owner=alias.upstreams[0] if alias.upstreams else "antiphon",
                kind="chat",
                runs=alias.model,
                images=alias.images,
                tools=alias.tools,
                context_tokens=alias.context_tokens or None,
            )
            for alias in abilities.llm.models
        ]
    if abilities.stt:
        models.append(
            _model(
                _name(abilities.stt.engine),
                owner=abilities.stt.engine.engine,
                kind="transcription",
                languages=list(abilities.stt.languages),
                hints=abilities.stt.hint_phrases,
                word_times=abilities.stt.word_times,
                longest_utterance=to_seconds(abilities.stt.longest_utterance) or None,
            )
        )
    if abilities.tts:
        models.append(
            _model(
                _name(abilities.tts.engine),
                owner=abilities.tts.engine.engine,
                kind="speech",
                voices=[voice.name for voice in abilities.tts.voices],
            )
        )
    return models


def _model(name: str, owner: str, kind: str, **can: object) -> dict[str, Any]:
    """A model as OpenAI describes one; what is ours besides is under a name of its own."""
    return {
        "id": name,
        "object": "model",
        # When it was made nobody says.
        "created": 0,
        "owned_by": owner,
        "antiphon": {"kind": kind, **can},
    }


def _name(engine: EngineInfo) -> str:
    return engine.model or engine.engine
