"""The document that a gateway answers on ``/turns``: its last turns, without a word of what was said."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    NonNegativeInt,
    ValidationError,
)

from antiphon.cli.failures import CommandError

VERSION = 1
"""Of the document that this command reads."""

LONGEST = 1e6
"""Seconds, eleven days: conversations are shorter, and pictures of what is longer would show nothing."""

Seconds = Annotated[float, Field(ge=-LONGEST, le=LONGEST)]
Instant = Annotated[
    AwareDatetime,
    # At the ends of the calendar a time may have no name in another zone.
    Field(gt=datetime(1970, 1, 1, tzinfo=UTC), lt=datetime(9999, 1, 1, tzinfo=UTC)),
]

Scalar = bool | int | float | str
"""Of an attribute."""


class BadDocument(CommandError):
    """What came is not what a gateway of this version would say; the message says why."""


class _Part(BaseModel):
    # What a later gateway adds is no reason to fail, and scripts get it.
    model_config = ConfigDict(extra="allow", frozen=True)


class Failure(_Part):
    """Why a turn failed.

    Attributes:
        stage: that failed it.
        code: as gRPC names it.
    """

    stage: str
    code: str


class Span(_Part):
    """Something that took time in a turn.

    Attributes:
        name: as traces have it (docs/telemetry.md).
        start: seconds since the turn began.
        end: seconds since the turn began.
        attributes: as traces have them.
    """

    name: str
    start: Seconds
    end: Seconds
    attributes: Mapping[str, Scalar | list[Scalar]] = {}

    @property
    def seconds(self) -> float:
        """How long it took."""
        return max(self.end - self.start, 0.0)


class Turn(_Part):
    """One turn that has ended.

    Attributes:
        conversation: its id.
        turn: its number in the conversation.
        trace_id: where traces are exported; 32 hexadecimal digits.
        began: when the user began to speak.
        outcome: how it went.
        route: of the language model's proxy.
        total: response latency in seconds; None where nothing spoken was answered by speech.
        shares: of the response latency, in seconds; None where there is no total.
        saved: seconds of work that ran while the silence was waited for.
        overruns: shares, and ``total``, that took longer than their budget.
        budgets: that it was held to, in seconds by share.
        failure: of a turn that failed.
        spans: all that took time.
    """

    conversation: str
    turn: NonNegativeInt
    trace_id: str | None = None
    began: Instant
    outcome: str
    route: str = ""
    total: Seconds | None = None
    shares: Mapping[str, Seconds] | None = None
    saved: Seconds | None = None
    overruns: tuple[str, ...] = ()
    budgets: Mapping[str, Seconds] = {}
    failure: Failure | None = None
    spans: tuple[Span, ...] = ()

    @property
    def key(self) -> tuple[str, int, datetime]:
        """What no other turn has."""
        return self.conversation, self.turn, self.began


class Gateway(_Part):
    """Whose turns they are.

    Attributes:
        version: of its software.
        budgets: of turns on routes that have none of their own, in seconds by share.
        objectives: shares of turns that are meant to go well, by name.
        settings: those that decide how soon an answer can come.
    """

    version: str
    budgets: Mapping[str, Seconds] = {}
    objectives: Mapping[str, FiniteFloat] = {}
    settings: Mapping[str, Scalar | None] = {}


class Document(_Part):
    """All of it.

    Attributes:
        version: of the document's own shape.
        gateway: whose turns they are.
        turns: newest last.
    """

    version: Literal[1]
    gateway: Gateway
    turns: tuple[Turn, ...]


class _Versioned(BaseModel):
    """What every version of the document has."""

    version: int


def read(body: bytes) -> Document:
    """Read the document.

    Raises:
        BadDocument: it is none, one of another version, or damaged.
    """
    try:
        version = _Versioned.model_validate_json(body).version
    except ValidationError:
        raise BadDocument("it answers, but not with turns") from None
    if version != VERSION:
        raise BadDocument(
            f"it writes its turns down in version {version}, and this command reads version {VERSION}: use the "
            "`antiphon` that was installed with the gateway"
        )
    try:
        return Document.model_validate_json(body)
    except ValidationError as error:
        problem = error.errors()[0]
        where = shown(".".join(str(part) for part in problem["loc"]))
        raise BadDocument(
            f"what it says of its turns is damaged: {where}: {problem['msg']}"
        ) from None


def shown(text: str) -> str:
    """What may be written to a terminal: whoever answers on the port must not drive it."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
