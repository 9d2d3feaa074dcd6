"""What a client of the Realtime protocol wants of one answer, as a wish of the conversation's."""

from collections.abc import Callable

from gateway.conversation.values import Item, Wish
from gateway.fronts.realtime.fields import RealtimeSession
from gateway.fronts.realtime.manner import (
    DEFAULT_RATE,
    input_format,
    output_format,
    to_options,
)
from gateway.fronts.realtime.new_items import InputItem
from gateway.fronts.realtime.schema import ResponseCreate, ResponseParams
from gateway.fronts.realtime.session_object import session_object
from gateway.options import Options
from gateway.settings import GatewaySettings
from gateway.stages.directory import Abilities

_RESPONSE_FIELDS = {
    "instructions",
    "output_modalities",
    "audio",
    "tools",
    "tool_choice",
    "max_output_tokens",
    "temperature",
}
"""Of a response, that a session has too."""

_OPTIONS = _RESPONSE_FIELDS - {"instructions", "output_modalities"}
"""Of these, those that no `Wish` says."""


def response_session(
    event: ResponseCreate, session: RealtimeSession
) -> RealtimeSession:
    """The session as it is for the one response: its format, voice, modalities and so on.

    Raises:
        WireError: a field is not allowed to be what it is.
    """
    params = event.response or ResponseParams()
    said = params.model_dump(exclude_none=True, include=_RESPONSE_FIELDS)
    return session.merged(said, "response")


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
    params = event.response or ResponseParams()
    options = None
    if any(getattr(params, name) is not None for name in _OPTIONS):
        own = response_session(event, session)
        options = to_options(own, settings, abilities, rate, "response")
    items = None
    if params.input is not None:
        items = tuple(
            item_of(item, f"response.input[{index}]")
            for index, item in enumerate(params.input)
        )
    modalities = params.output_modalities
    spoken = None if modalities is None else modalities == ("audio",)
    return Wish(key, params.instructions, spoken, items), options


__all__ = [
    "DEFAULT_RATE",
    "input_format",
    "output_format",
    "response_session",
    "session_object",
    "to_options",
    "to_wish",
]
