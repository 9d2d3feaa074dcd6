"""JSON from outside, read strictly: whatever comes is a value of a known shape, or a `WireError`."""

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from gateway.fronts.realtime.errors import (
    INVALID_JSON,
    INVALID_VALUE,
    MISSING_PARAMETER,
    NOT_SUPPORTED,
    UNKNOWN_PARAMETER,
    WireError,
    shortened,
)

Json = dict[str, Any]
Model = TypeVar("Model", bound=BaseModel)

DEEPEST = 64
"""Levels of nesting; JSON schemas of tools have some ten."""

MOST_VALUES = 10_000
"""In one message; a hundred tools have a hundred each at most. Whoever sends more of them than that keeps everybody else
waiting while they are looked at."""

MOST_MARKS = 50_000
"""Braces and commas in one message, before anybody knows which of them stand in texts: reading takes time as well."""

GREATEST_INT = 2**63
"""Whole numbers that other languages' JSON can take."""

_WANTED = {
    "string_type": "a string",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
}
"""What pydantic's errors of type would have liked to see."""


class Wire(BaseModel):
    """An object of the wire: frozen, strict, and without any fields but its own."""

    model_config = ConfigDict(frozen=True, strict=True)

    hints: ClassVar[dict[str, str]] = {}
    """Names that are not ours, and what to say about them instead of which are."""

    @model_validator(mode="before")
    @classmethod
    def _no_other_fields(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            raise PydanticCustomError(
                INVALID_VALUE, "{found}", {"found": _kind(data), "allowed": "an object"}
            )
        for name in data:
            if name not in cls.model_fields:
                allowed = cls.hints.get(name) or ", ".join(cls.model_fields)
                raise PydanticCustomError(
                    UNKNOWN_PARAMETER, "", {"name": name, "allowed": allowed}
                )
        return data


def invalid(problem: str, allowed: Iterable[str] | str) -> PydanticCustomError:
    """For validators: what is wrong with a value, and what is allowed."""
    listed = allowed if isinstance(allowed, str) else ", ".join(allowed)
    return PydanticCustomError(
        INVALID_VALUE, "{found}", {"found": problem, "allowed": listed}
    )


def unsupported(problem: str, allowed: str) -> PydanticCustomError:
    """For validators: the protocol has it, and this server does not."""
    return PydanticCustomError(
        NOT_SUPPORTED, "{found}", {"found": problem, "allowed": allowed}
    )


def between(least: float, most: float, unit: str = "") -> Callable[[Any], Any]:
    """A validator of a number's range."""

    def check(value: Any) -> Any:
        if not least <= value <= most:
            allowed = f"{least:,} to {most:,}{unit}" if least < most else f"{least:,}"
            raise invalid(f"is {value:,}", allowed)
        return value

    return check


def at_most(longest: int) -> Callable[[str], str]:
    """A validator of a text's length."""

    def check(text: str) -> str:
        if len(text) > longest:
            raise invalid(f"has {len(text)} characters", f"at most {longest}")
        return text

    return check


# --- JSON -------------------------------------------------------------------------------------------------


def loads(message: str | bytes) -> Any:
    """What a message says; `check` has still to be called on it.

    Raises:
        WireError: it is not JSON, says one thing twice, or holds too many objects.
    """
    try:
        text = message if isinstance(message, str) else message.decode()
        if len(text) > MOST_MARKS and text.count("{") + text.count(",") > MOST_MARKS:
            raise _too_many()
        return _DECODER.decode(text)
    except UnicodeDecodeError as error:
        raise _not_json(f"is not UTF-8 text: {error.reason}") from None
    except RecursionError:
        raise _not_json(f"is nested deeper than {DEEPEST} levels") from None
    except ValueError as error:
        raise _not_json(f"is not JSON: {shortened(str(error), 120)}") from None


def check(data: Any) -> None:
    """Refuse what JSON can say and nobody could pass on.

    Raises:
        WireError: too deep, too many values, a number without end, or half a surrogate pair.
    """
    level: list[Any] = [data]
    seen = 0
    for _ in range(DEEPEST):
        seen += sum(len(value) for value in level if isinstance(value, dict | list))
        if seen > MOST_VALUES:
            raise _too_many()
        level = [inner for value in level for inner in _checked(value)]
        if not level:
            return
    raise _not_json(f"is nested deeper than {DEEPEST} levels")


def _checked(value: Any) -> Iterable[Any]:
    """What lies in a value."""
    if isinstance(value, dict):
        return (*value.keys(), *value.values())
    if isinstance(value, list):
        return value
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise _not_json("holds a number without end")
    elif isinstance(value, int) and not -GREATEST_INT <= value < GREATEST_INT:
        raise _not_json("holds a whole number of more than 64 bits")
    return ()


def _check_text(text: str) -> None:
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _not_json("holds half a surrogate pair") from None


def _once(pairs: list[tuple[str, Any]]) -> Json:
    found = dict(pairs)
    if len(found) != len(pairs):
        times = Counter(name for name, _ in pairs)
        twice = shortened(repr(times.most_common(1)[0][0]))
        raise ValueError(f"it says {twice} twice in one object")
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"it holds {name}, which JSON does not know")


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_constant)


def _too_many() -> WireError:
    return _not_json(f"holds more than {MOST_VALUES} values")


def _not_json(problem: str) -> WireError:
    return WireError(
        f"the message {problem}; allowed: one JSON object, UTF-8 encoded",
        code=INVALID_JSON,
    )


# --- shapes -----------------------------------------------------------------------------------------------


def validated(model: type[Model], data: Any, within: str = "") -> Model:
    """The data as a model.

    Args:
        model: says what is allowed.
        data: as it came.
        within: path of the data in the event, for errors.

    Raises:
        WireError: something is not allowed to be what it is; the first such thing.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise _explained(error.errors(include_url=False)[0], data, within) from None


def _explained(error: ErrorDetails, data: Any, within: str) -> WireError:
    absent = error["type"] == "missing"
    param = _path(error["loc"], data, within, absent)
    context = error.get("ctx", {})
    allowed, code = str(context.get("allowed", "")), INVALID_VALUE
    match error["type"]:
        case "unknown_parameter":
            param = _joined(param, context["name"])
            problem, code = "is not known", UNKNOWN_PARAMETER
        case "missing":
            return _missing(param)
        case "union_tag_not_found":
            return _missing(_joined(param, context["discriminator"].strip("'")))
        case "union_tag_invalid":
            param = _joined(param, context["discriminator"].strip("'"))
            problem = f"is {shortened(repr(context['tag']))}"
            allowed = str(context["expected_tags"])
        case "literal_error":
            problem = f"is {_shown(error['input'])}"
            allowed = str(context["expected"])
        case "invalid_value" | "not_supported":
            problem, code = error["msg"], error["type"]
        case kind:
            problem = f"is {_shown(error['input'])}"
            allowed = _WANTED.get(kind, error["msg"])
    return WireError(f"{param} {problem}; allowed: {allowed}", code=code, param=param)


def _missing(param: str) -> WireError:
    return WireError(
        f"{param} is missing, and has to be there", code=MISSING_PARAMETER, param=param
    )


def _path(location: tuple[int | str, ...], data: Any, within: str, absent: bool) -> str:
    """The field's path in what came: pydantic's has the names of alternatives in it, which nobody sent.

    ``absent``: its last step is a field that did not come either.
    """
    path = within
    for index, step in enumerate(location):
        if isinstance(step, int):
            path = f"{path}[{step}]"
            data = data[step] if isinstance(data, list | tuple) else None
        elif isinstance(data, dict) and step in data:
            path, data = _joined(path, step), data[step]
        elif absent and index == len(location) - 1:
            path = _joined(path, step)
    return path


def _joined(path: str, name: str) -> str:
    shown = name if re.fullmatch(r"\w{1,64}", name) else shortened(repr(name))
    return f"{path}.{shown}" if path else shown


def _shown(value: Any) -> str:
    if value is None or isinstance(value, dict | list):
        return _kind(value).removeprefix("is ")
    return shortened(json.dumps(value))


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", type(None): "null"}
    return f"is {names.get(type(value), 'a number or a truth value')}"
