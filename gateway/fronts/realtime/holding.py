"""How a Realtime conversation is held: what its client asked for, as options of the gateway, and as the client is told."""

import time
from dataclasses import replace
from typing import Any

from gateway.access import Meter
from gateway.fronts.realtime.fields import RealtimeSession
from gateway.fronts.realtime.formats import Inlet, Outlet
from gateway.fronts.realtime.noise import NoiseReduction
from gateway.fronts.realtime.responses import Manner
from gateway.fronts.realtime.transport import Transport
from gateway.fronts.realtime.wishes import (
    input_format,
    output_format,
    session_object,
    to_options,
)
from gateway.options import Options
from gateway.settings import GatewaySettings
from gateway.stages.directory import Abilities


class Holding:
    """What is in force, and what follows from it.

    Args:
        session: what the client begins with.
        settings: of the gateway.
        abilities: of the stages.
        transport: carries the connection.
        meter: of the client; None for one without limits.
        rate: Hz that is meant by audio whose rate is left open.

    Attributes:
        session: what the client has asked for.
        options: the same for the gateway.
        inlet: for the client's audio.
        noise: takes the noise out of it; None where it is heard as it comes.

    Raises:
        WireError: a stage cannot do what is asked for.
    """

    def __init__(
        self,
        session: RealtimeSession,
        settings: GatewaySettings,
        abilities: Abilities,
        transport: Transport,
        meter: Meter | None,
        rate: int,
    ) -> None:
        self.settings = settings
        self.abilities = abilities
        self.rate = rate
        self._transport = transport
        self._meter = meter
        self._longest = _may_last(settings, meter)
        self._expires = (
            None if self._longest is None else int(time.time() + self._longest)
        )
        self.session = session
        self.options = self.to_options(session)
        self.inlet = Inlet(input_format(session, rate))
        self.noise = NoiseReduction() if _noisy(session) else None

    def to_options(self, session: RealtimeSession) -> Options:
        """The gateway's options for such a session.

        Raises:
            WireError: a stage cannot do what is asked for.
        """
        options = to_options(session, self.settings, self.abilities, self.rate)
        return self.carried(options)

    def carried(self, options: Options) -> Options:
        """Options, as far as they depend on what carries the connection, and on who calls."""
        policy = replace(options.policy, longest=self._longest)
        speaker = self._transport.speaker
        if speaker is None:
            return replace(options, policy=policy)
        if speaker.lead is not None:
            policy = replace(policy, lead=speaker.lead)
        return replace(options, policy=policy, output_rate=speaker.rate)

    def change(self, session: RealtimeSession, options: Options) -> None:
        """This is in force from now on."""
        format = input_format(session, self.rate)
        if format != self.inlet.format:
            self.inlet = Inlet(format)
        if _noisy(session) != _noisy(self.session):
            self.noise = NoiseReduction() if _noisy(session) else None
        self.session, self.options = session, options

    def rate_limits(self) -> list[dict[str, Any]]:
        """What the client has left of what is limited."""
        return self._meter.rate_limits() if self._meter else []

    @property
    def images(self) -> bool:
        """Whether the model takes pictures; one that could not be asked may."""
        can = self.abilities.llm
        model = self.options.model or "default"
        return can is None or any(
            known.images for known in can.models if known.name == model
        )

    def told(self, id: str, session: RealtimeSession | None = None) -> dict[str, Any]:
        """The session object.

        Args:
            id: of the conversation.
            session: what is told; None for what is in force.
        """
        return session_object(
            session or self.session,
            self.settings,
            self.abilities,
            f"sess_{id}",
            self.rate,
            self._expires,
        )

    def manner(
        self,
        id: str,
        session: RealtimeSession | None = None,
        metadata: dict[str, str] | None = None,
    ) -> Manner:
        """How a response is told.

        Args:
            id: of the conversation.
            session: as it is for this response; None for as it is in force.
            metadata: the client's own.
        """
        session = session or self.session
        told = self.told(id, session)
        output = told["audio"]["output"]
        in_events = self._transport.speaker is None
        outlet = Outlet(output_format(session, self.rate))
        return Manner(
            spoken=session.spoken,
            conversation_id=f"conv_{id}",
            format=output["format"] if in_events else None,
            voice=output["voice"],
            max_output_tokens=told["max_output_tokens"],
            metadata=metadata,
            encode=outlet.push if in_events else None,
        )


def _noisy(session: RealtimeSession) -> bool:
    return session.audio.input.noise_reduction is not None


def _may_last(settings: GatewaySettings, meter: Meter | None) -> float | None:
    """Seconds that a conversation may last at most; None for as long as it likes."""
    left = meter.seconds_left if meter else None
    most = (settings.policy().longest, left)
    return min((seconds for seconds in most if seconds is not None), default=None)
