"""Requests' bodies, read with a limit and checked field by field."""

import json
from typing import TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from services.runtime.errors import InvalidArgument, TooMuch

LARGEST_JSON = 16 * 1024 * 1024
"""Bytes: as many pictures as the model's stage takes in one message, in base64, and a long history."""

MOST_VALUES = 20_000
"""In one body; a thousand messages have some five each, and a hundred tools a hundred. Reading takes time, in which no
conversation goes on."""

_MOST_NAMES = 1_000
"""In one object, each of which may be wrong."""

_MOST_MARKS = 10 * MOST_VALUES
"""Braces, brackets and commas in one body, before anybody knows which of them stand in texts."""

Model = TypeVar("Model", bound="Body")


class Body(BaseModel):
    """Fields of a JSON object; one that is not known is refused, since nothing would come of it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


async def read_json(request: web.Request, model: type[Model]) -> Model:
    """A JSON body.

    Raises:
        InvalidArgument: it is no JSON, or a field is not allowed to be what it is.
        TooMuch: it is larger than `LARGEST_JSON`, or holds too many values.
    """
    received = bytearray()
    async for chunk in request.content.iter_any():
        received += chunk
        if len(received) > LARGEST_JSON:
            raise TooMuch(f"the body is larger than {LARGEST_JSON // 1024**2} MiB")
    if sum(map(received.count, (b"{", b"[", b","))) > _MOST_MARKS:
        raise _too_many()
    try:
        fields = json.loads(received)
    except (ValueError, RecursionError):
        raise InvalidArgument("", "the body is not JSON") from None
    _check_count(fields)
    if b"\\ud" in received.lower():
        _check_characters(fields)
    return check(model, fields)


def check(model: type[Model], fields: object) -> Model:
    """Fields from outside as a model of them.

    Raises:
        InvalidArgument: the first one that is not allowed to be what it is.
    """
    try:
        return model.model_validate(fields)
    except RecursionError:
        raise InvalidArgument("", "the body is nested too deeply") from None
    except ValidationError as error:
        # Where a field may be of several kinds, each of them has something to say; the one that got furthest was meant.
        found = max(error.errors(include_url=False), key=lambda one: len(one["loc"]))
        path = _path(found["loc"], fields)
        match found["type"]:
            case "extra_forbidden":
                raise InvalidArgument(path, "is not known here") from None
            case "missing":
                raise InvalidArgument(path, "is required") from None
            case "union_tag_invalid" | "union_tag_not_found":
                context = found["ctx"]
                tag = str(context["discriminator"]).strip("'")
                raise InvalidArgument(
                    f"{path}.{tag}",
                    "is missing or not known",
                    context.get("expected_tags", ()),
                ) from None
            case _:
                problem = found["msg"]
                raise InvalidArgument(path, problem[:1].lower() + problem[1:]) from None


def _check_count(fields: object) -> None:
    waiting, values = [fields], 0
    while waiting:
        here = waiting.pop()
        if not isinstance(here, dict | list):
            continue
        values += len(here)
        names = len(here) if isinstance(here, dict) else 0
        if values > MOST_VALUES or names > _MOST_NAMES:
            raise _too_many()
        waiting += here.values() if isinstance(here, dict) else here


def _too_many() -> TooMuch:
    return TooMuch(
        f"the body holds more than {MOST_VALUES:,} values, or an object of more than {_MOST_NAMES:,}"
    )


def _check_characters(fields: object) -> None:
    """JSON can write half a character (RFC 8259, section 8.2); nothing behind here can."""
    try:
        json.dumps(fields, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise InvalidArgument(
            "", "the body holds half a surrogate pair, which is no character"
        ) from None


def _path(location: tuple[int | str, ...], fields: object) -> str:
    """As in ``messages[0].content``, without the kinds of field that pydantic tried."""
    path, here = "", fields
    for position, part in enumerate(location):
        last = position == len(location) - 1
        if isinstance(part, int) and isinstance(here, list):
            path, here = f"{path}[{part}]", here[part]
        elif isinstance(here, dict) and (part in here or last):
            path, here = f"{path}.{part}" if path else str(part), here.get(part)
    return path
