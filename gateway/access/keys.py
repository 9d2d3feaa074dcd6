"""API keys: read from a file or the environment, and found again by what is kept of them."""

import hmac
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)

from gateway.access.limits import Clock, Limits
from gateway.access.origins import Origin
from services.runtime.errors import FailedPrecondition
from services.runtime.keys import HASH_PREFIX, hashed
from services.runtime.logs import get_logger

log = get_logger(__name__)

HASH_PATTERN = rf"^{HASH_PREFIX}[0-9a-f]{{64}}$"

_ID_DIGITS = 16

CHECK_SECONDS = 2.0
"""How often the file is looked at, at most, while keys are asked for."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key, without the key.

    Attributes:
        name: whose it is; unique, and what logs say.
        hash: as `hashed` makes it.
        limits: what its holder may use.
        expires: from when on it is refused; None for never.
        origins: web pages that may use it, besides those that any key may come from.
        realtime_rate: Hz that a Realtime client means that names no rate; None for the gateway's setting.
    """

    name: str
    hash: str
    limits: Limits
    expires: datetime | None = None
    origins: tuple[str, ...] = ()
    realtime_rate: int | None = None

    @property
    def id(self) -> str:
        """Names this key alone: one that takes over its name is another. It opens nothing, and anybody may see it."""
        return self.hash.removeprefix(HASH_PREFIX)[:_ID_DIGITS]


def find(keys: Sequence[Key], presented: str) -> Key | None:
    """The key that was presented, if it is one of these."""
    found = None
    candidate = hashed(presented)
    # All of them are looked at, each in the same time, so that how long it takes tells nothing.
    for key in keys:
        if hmac.compare_digest(key.hash, candidate):
            found = key
    return found


def _origin(text: str) -> str:
    Origin.parse(text)
    return text


class _Entry(BaseModel):
    """A key in the file."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: str = Field(min_length=1, max_length=64)
    hash: str = Field(pattern=HASH_PATTERN)
    expires: datetime | date | None = None
    origins: tuple[Annotated[str, AfterValidator(_origin)], ...] = ()
    realtime_rate: int | None = Field(None, ge=8000, le=48000)
    conversations: int | None = Field(None, ge=1)
    minutes_per_day: float | None = Field(None, gt=0)
    messages_per_second: float | None = Field(None, gt=0)
    message_bytes: int | None = Field(None, ge=1024)
    requests_per_minute: float | None = Field(None, gt=0)

    def key(self, default: Limits) -> Key:
        """The key; what the entry does not say of its limits, the default does."""
        own = self.model_dump(include=set(Limits.__dataclass_fields__))
        limits = replace(default, **{k: v for k, v in own.items() if v is not None})
        return Key(
            self.name,
            self.hash,
            limits,
            _moment(self.expires),
            self.origins,
            self.realtime_rate,
        )


def _moment(expires: datetime | date | None) -> datetime | None:
    if expires is None:
        return None
    if not isinstance(expires, datetime):
        expires = datetime.combine(expires, time())
    return expires if expires.tzinfo else expires.replace(tzinfo=UTC)


_ENTRIES = TypeAdapter(list[_Entry])


def parse_file(text: str, default: Limits) -> tuple[Key, ...]:
    """The keys of a file: a YAML list of entries with ``name``, ``hash`` and, if wanted, limits.

    Args:
        text: of the file.
        default: limits of keys that say nothing else.

    Raises:
        ValueError: it is no such list; the message names the line, or the entry and its field, and holds no hash.
    """
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        problem = getattr(error, "problem", None) or "is no YAML"
        raise ValueError(f"{where}{problem}") from None
    try:
        entries = _ENTRIES.validate_python([] if document is None else document)
    except ValidationError as error:
        raise ValueError("; ".join(_problems(error))) from None
    return _unique([entry.key(default) for entry in entries])


def parse_variable(text: str, default: Limits) -> tuple[Key, ...]:
    """The keys of an environment variable: ``name:sha256:…``, or hashes alone, with commas between.

    Args:
        text: the variable's value.
        default: limits of all of them.

    Raises:
        ValueError: one is not a hash; the message says which, and does not repeat it, since it may be a key.
    """
    keys = []
    parts = [part.strip() for part in text.split(",") if part.strip()]
    for number, part in enumerate(parts, 1):
        name, colon, rest = part.partition(":")
        entry = (
            {"name": f"key-{number}", "hash": part}
            if part.startswith(HASH_PREFIX) or not colon
            else {"name": name.strip(), "hash": rest.strip()}
        )
        try:
            keys.append(_Entry.model_validate(entry).key(default))
        except ValidationError:
            raise ValueError(
                f"entry {number} is neither NAME:{HASH_PREFIX}… nor {HASH_PREFIX}…; `antiphon key new` makes one"
            ) from None
    return _unique(keys)


def _problems(error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_input=False, include_url=False):
        place = [
            f"entry {part + 1}" if isinstance(part, int) else str(part)
            for part in problem["loc"]
        ]
        said = problem["msg"]
        if problem["loc"] and problem["loc"][-1] == "hash":
            said = f"must be {HASH_PREFIX} and 64 hexadecimal digits, as `antiphon key new` prints it"
        elif problem["type"] == "extra_forbidden":
            said = (
                f"is nothing that a key has; allowed: {', '.join(_Entry.model_fields)}"
            )
        elif not place:
            said = "must be a list of keys"
        yield ": ".join([*place, said])


def _unique(keys: list[Key]) -> tuple[Key, ...]:
    for what in ("name", "hash"):
        seen: dict[str, Key] = {}
        for key in keys:
            other = seen.setdefault(getattr(key, what), key)
            if other is not key:
                raise ValueError(
                    f"two keys are named {key.name!r}"
                    if what == "name"
                    else f"{other.name!r} and {key.name!r} are the same key"
                )
    return tuple(keys)


class KeyFile:
    """Keys of a file, read again when it changes.

    A file that cannot be read or understood any more leaves the keys as they were, and the log says why: a slip in an
    editor is to lock nobody out.

    Args:
        path: of the file.
        default: limits of keys that say nothing else.
        clock: seconds.

    Raises:
        FailedPrecondition: the file cannot be read or understood at the start.
    """

    def __init__(self, path: Path, default: Limits, clock: Clock) -> None:
        self._path = path
        self._default = default
        self._clock = clock
        self._checked = clock()
        self._seen = self._signature()
        try:
            self._keys = self._read()
        except (OSError, ValueError) as error:
            raise FailedPrecondition(
                f"ANTIPHON_GATEWAY_KEYS={path}: {_reason(error)}"
            ) from None

    def current(self) -> tuple[Key, ...]:
        """The keys as the file has them now, or had them when it was last right."""
        now = self._clock()
        if now - self._checked >= CHECK_SECONDS:
            self._checked = now
            self._look()
        return self._keys

    def _look(self) -> None:
        signature = self._signature()
        if signature == self._seen:
            return
        self._seen = signature
        try:
            self._keys = self._read()
        except (OSError, ValueError) as error:
            log.error(
                "the keys stay as they were",
                path=str(self._path),
                reason=_reason(error),
            )
        else:
            log.info("keys read", path=str(self._path), keys=len(self._keys))

    def _read(self) -> tuple[Key, ...]:
        return parse_file(self._path.read_text(encoding="utf-8"), self._default)

    def _signature(self) -> tuple[int, int, int] | None:
        """What changes with the file; None where there is none."""
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if isinstance(error, UnicodeDecodeError):
        return "is no UTF-8"
    return str(error)
