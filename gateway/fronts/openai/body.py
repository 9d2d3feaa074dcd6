"""Requests' bodies, read with a limit and checked field by field."""

import json
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from services.runtime.errors import InvalidArgument, TooMuch

LARGEST_JSON = 16 * 1024 * 1024
"""Bytes: as many pictures as the model's stage takes in one message, in base64, and a long history."""

Model = TypeVar("Model", bound="Body")


class Body(BaseModel):
    """A request's fields; one that is not known is refused, since nothing would come of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)


async def read_json(request: web.Request, model: type[Model]) -> Model:
    """A JSON body.

    Raises:
        InvalidArgument: it is no JSON, or a field is not allowed to be what it is.
        TooMuch: it is larger than `LARGEST_JSON`.
    """
    received = bytearray()
    async for chunk in request.content.iter_any():
        received += chunk
        if len(received) > LARGEST_JSON:
            raise TooMuch(f"the body is larger than {LARGEST_JSON // 1024**2} MiB")
    try:
        fields = json.loads(received)
    except (ValueError, RecursionError):
        raise InvalidArgument("", "the body is not JSON") from None
    return check(model, fields)


def check(model: type[Model], fields: object) -> Model:
    """Fields from outside as a model of them; those that are null count as absent.

    Raises:
        InvalidArgument: the first one that is not allowed to be what it is.
    """
    try:
        return model.model_validate(_without_nulls(fields))
    except RecursionError:
        raise InvalidArgument("", "the body is nested too deeply") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        raise InvalidArgument(_path(first["loc"]), _problem(first)) from None


def _problem(found: Any) -> str:
    if found["type"] == "extra_forbidden":
        return "is not a field that is known here"
    if found["type"] == "missing":
        return "is required"
    message: str = found["msg"]
    return message[:1].lower() + message[1:]


def _without_nulls(fields: object) -> object:
    if isinstance(fields, dict):
        return {name: value for name, value in fields.items() if value is not None}
    return fields


def _path(location: tuple[int | str, ...]) -> str:
    """As in ``messages[0].content``."""
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += f".{part}" if path else part
    return path
