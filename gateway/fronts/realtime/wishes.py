"""What a client of the Realtime protocol wants, as the gateway's own options and wishes; and the other way round."""

from collections.abc import Callable
from typing import Any

from gateway.conversation.values import Item, Wish
from gateway.fronts.realtime.fields import RealtimeSession
from gateway.fronts.realtime.formats import AudioFormatSpec
from gateway.fronts.realtime.new_items import InputItem
from gateway.fronts.realtime.schema import ResponseCreate
from gateway.options import Options
from gateway.settings import GatewaySettings
from gateway.stages.directory import Abilities

DEFAULT_RATE = 24_000
"""Hz, where a client names none; the protocol's own."""


def input_format(session: RealtimeSession, rate: int = DEFAULT_RATE) -> AudioFormatSpec:
    """How the client's audio comes; for an `Inlet`."""
    raise NotImplementedError


def output_format(
    session: RealtimeSession, rate: int = DEFAULT_RATE
) -> AudioFormatSpec:
    """How the client wants audio; for an `Outlet`."""
    raise NotImplementedError


def to_options(
    session: RealtimeSession,
    settings: GatewaySettings,
    abilities: Abilities,
    rate: int = DEFAULT_RATE,
    within: str = "session",
) -> Options:
    """How the conversation is to be held, with every default filled in.

    The input rate is that of an `Inlet`, whatever the wire's; the output rate is the wire's.

    Args:
        session: what the client asked for.
        settings: of the gateway.
        abilities: of the stages; one that could not be asked is trusted to refuse what it cannot do.
        rate: of PCM where the client names none, in Hz: a setting, or one of the key.
        within: path of the session in the event, for errors.

    Raises:
        WireError: a stage cannot do what is asked for; names what it can.
    """
    raise NotImplementedError


def to_wish(
    event: ResponseCreate,
    key: int,
    session: RealtimeSession,
    settings: GatewaySettings,
    abilities: Abilities,
    item_of: Callable[[InputItem, str], Item],
    rate: int = DEFAULT_RATE,
) -> tuple[Wish, Options | None]:
    """What one answer is to be like.

    Args:
        event: asks for it.
        key: names the wish.
        session: as it stands.
        settings: of the gateway.
        abilities: of the stages.
        item_of: the conversation's item for one of ``response.input`` (a new one, or a reference), given with its path
            in the event; raises `WireError`.
        rate: of PCM where the client names none, in Hz.

    Returns:
        The wish, and the options of this answer where they differ from the session's.

    Raises:
        WireError: it cannot be had.
    """
    raise NotImplementedError


def response_session(
    event: ResponseCreate, session: RealtimeSession
) -> RealtimeSession:
    """The session as it is for the one response: its format, voice, modalities and so on.

    Raises:
        WireError: a field is not allowed to be what it is.
    """
    raise NotImplementedError


def session_object(
    session: RealtimeSession,
    settings: GatewaySettings,
    abilities: Abilities,
    id: str,
    rate: int = DEFAULT_RATE,
    expires_at: int | None = None,
) -> dict[str, Any]:
    """The ``session`` of ``session.created`` and ``session.updated``: what is in force, every default filled in.

    Names are those of what really answers: the model's alias, the voice that speaks, the model that transcribes.

    Args:
        session: what the client asked for; `to_options` takes it.
        settings: of the gateway.
        abilities: of the stages.
        id: of the session, such as ``sess_1``.
        rate: of PCM where the client names none, in Hz.
        expires_at: when it ends at the latest, in Unix seconds; None for never.
    """
    raise NotImplementedError
