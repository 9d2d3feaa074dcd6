"""What the Realtime protocol's HTTP requests have in common."""

from typing import Any

from aiohttp import web

from gateway.fronts.realtime import reading
from gateway.fronts.realtime.errors import SERVER, WireError
from services.runtime.errors import InvalidArgument


def refusal(error: WireError) -> web.Response:
    """An error of the protocol as the answer to a request."""
    said = {
        "message": error.message,
        "type": error.type,
        "param": error.param,
        "code": error.code,
    }
    return web.json_response(
        {"error": said}, status=500 if error.type == SERVER else 400
    )


def json_object(text: str | bytes, field: str) -> dict[str, Any]:
    """A JSON object that a client sent.

    Args:
        text: as it came; empty for an empty object.
        field: its name, for errors.

    Raises:
        WireError: it is no JSON.
        InvalidArgument: it is another thing than an object.
    """
    data = reading.loads(text) if text.strip() else {}
    if not isinstance(data, dict):
        raise InvalidArgument(field, "is no JSON object", "{…}")
    return data
