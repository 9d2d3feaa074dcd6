"""The gateway as a service: hearing, conversations and fronts in one process."""

from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar

import grpc
import numpy as np

from gateway.doors import Doors
from gateway.hearing import weights
from gateway.hearing.ending import SmartTurn
from gateway.hearing.voice import WINDOW, SileroVoice, VoiceState
from gateway.observing.recent import Recent
from gateway.sessions import Sessions
from gateway.settings import GatewaySettings
from gateway.stages.directory import Abilities, Stages
from services.runtime.errors import FailedPrecondition
from services.runtime.logs import get_logger
from services.runtime.server import Service
from services.runtime.telemetry import budgets, exposition, metrics
from services.runtime.telemetry.budgets import Budgets

log = get_logger(__name__)


class Gateway(Service):
    """Where clients come in.

    Args:
        settings: of the gateway.
    """

    name: ClassVar[str] = "gateway"
    full_names: ClassVar[tuple[str, ...]] = ("antiphon.v1.Conversation",)

    def __init__(self, settings: GatewaySettings) -> None:
        self._settings = settings
        self._credentials: grpc.ServerCredentials | None = None

    @property
    def credentials(self) -> grpc.ServerCredentials | None:
        """Of the certificate that the settings name; None before `register`."""
        return self._credentials

    @property
    def pages(self) -> Mapping[str, exposition.Page]:
        """The last turns.

        Raises:
            FailedPrecondition: the budgets are not as they must be.
        """
        return {"/turns": self._recent.page}

    @cached_property
    def _budgets(self) -> Budgets:
        return budgets.load()

    @cached_property
    def _recent(self) -> Recent:
        return Recent(self._budgets, self._settings.pace())

    def register(self, server: grpc.aio.Server) -> None:
        """Add the gRPC front, if the settings let anybody in.

        Raises:
            FailedPrecondition: budgets, keys, origins, the certificate or a model are not as they must be; the message
                says what to set.
        """
        _publish(self._budgets)
        self._stages = Stages(
            self._settings.stt, self._settings.llm, self._settings.tts
        )
        self._voice = self._load_voice()
        self._ending = self._load_ending()
        self._sessions = Sessions(
            self._settings,
            self._stages,
            self._voice,
            self._ending,
            self._budgets,
            self._recent,
        )
        self._doors = Doors(self._sessions, self._voice, self.admission)
        self._doors.register(server)
        self._credentials = self._doors.credentials

    async def start(self) -> None:
        """Warm hearing and the channels, and listen for HTTP."""
        await self._voice.probabilities(VoiceState(), np.zeros((1, WINDOW), np.float32))
        if self._ending is not None and await self._ending.probability(b"") is None:
            raise FailedPrecondition(
                f"ANTIPHON_GATEWAY_END_MODEL: {self._settings.end_model} does not predict the end of a turn"
            )
        _warn_of_unknown_routes(self._budgets, await self._stages.abilities())
        port = await self._doors.open()
        log.info("http", port=port, stages=await self._stages.health())

    async def drain(self) -> None:
        """Have every conversation end with the turn in progress."""
        self._sessions.finish()

    async def idle(self) -> None:
        """Wait until the last conversation is over, and the last request answered."""
        await super().idle()
        await self._doors.idle()

    def cut_off(self) -> None:
        """Tell every client that is still here why its conversation ends."""
        self._sessions.cut_off()

    async def stop(self) -> None:
        """Free everything."""
        await self._doors.close()
        await self._voice.close()
        if self._ending is not None:
            await self._ending.close()
        await self._stages.close()

    def _load_voice(self) -> SileroVoice:
        model = weights.voice(self._settings.voice_model)
        try:
            return SileroVoice(model)
        except Exception as error:  # onnxruntime's errors share no base
            raise FailedPrecondition(
                f"ANTIPHON_GATEWAY_VOICE_MODEL: {model} is missing or no model of voice activity: {error}"
            ) from error

    def _load_ending(self) -> SmartTurn | None:
        if self._settings.end_model in weights.NO_MODEL:
            return None
        model = weights.ending(self._settings.end_model)
        try:
            return SmartTurn.load(model)
        except Exception as error:  # onnxruntime's errors share no base
            raise FailedPrecondition(
                f"ANTIPHON_GATEWAY_END_MODEL: {model} is missing or no model of a turn's end: {error}"
            ) from error


def _publish(budgets: Budgets) -> None:
    """Show what is in force to those who alert and draw by it."""
    for route in budgets.named:
        for share, seconds in budgets.of(route).items():
            metrics.BUDGET.labels(route, share).set(seconds)
    for objective, ratio in budgets.objectives.items():
        metrics.OBJECTIVE.labels(objective).set(ratio)


def _warn_of_unknown_routes(budgets: Budgets, abilities: Abilities) -> None:
    """Tell of budgets that no turn will be held to; where the proxy could not be asked, nobody knows."""
    if abilities.llm is None:
        return
    known = [model.name for model in abilities.llm.models]
    for route in budgets.routes:
        if route not in known:
            log.warning(
                "budgets for a route that the language model's proxy does not have",
                route=route,
                known=known,
            )
