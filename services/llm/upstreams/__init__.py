"""Where replies come from, one file a kind of upstream.

A new kind is one file with a class that keeps to `Upstream`, and one line in ``_KINDS``.
"""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from typing import Protocol, cast

from antiphon.v1 import llm_pb2
from services.llm.patience import Patience
from services.llm.prompt import Prompt
from services.llm.settings import UpstreamSettings
from services.runtime.errors import AntiphonError, FailedPrecondition

_KINDS = {
    "openai_compatible": "services.llm.upstreams.openai_compatible:OpenAICompatible",
}


class Outcome(StrEnum):
    """How a try at an upstream went; the closed set of the contract."""

    OK = "ok"
    TIMEOUT = "timeout"
    RATE_LIMITED = "rate_limited"
    UNAUTHORIZED = "unauthorized"
    NOT_FOUND = "not_found"
    BAD_REQUEST = "bad_request"
    UPSTREAM_ERROR = "upstream_error"
    BAD_RESPONSE = "bad_response"
    EMPTY = "empty"
    UNREACHABLE = "unreachable"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


class UpstreamFailure(Exception):
    """A try at an upstream failed.

    Attributes:
        outcome: the kind of failure, for metrics and for whoever tries elsewhere.
        error: what the caller is told if nobody does. It may repeat what the upstream said, which may repeat the user's words.
        reason: the same without that, for the log and for other callers.
        elsewhere: whether another upstream may do better; not where the request itself is wrong.
        blamed: whether it tells that the upstream is not well, and had better be left alone.
    """

    def __init__(
        self,
        outcome: Outcome,
        error: AntiphonError,
        elsewhere: bool = True,
        blamed: bool = True,
    ) -> None:
        super().__init__(error.message)
        self.outcome = outcome
        self.error = error
        self.reason = error.message
        self.elsewhere = elsewhere
        self.blamed = blamed


@dataclass(frozen=True, slots=True)
class Text:
    """The next piece of the reply; never empty, never reasoning."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A complete tool call.

    Attributes:
        id: chosen by the model, or made up where it chose none.
        name: of the function.
        arguments: JSON, as the model wrote it.
    """

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the upstream counted them; 0 where it did not.

    Attributes:
        prompt: tokens of the prompt.
        cached: of these, found in the upstream's cache.
        completion: tokens written.
    """

    prompt: int = 0
    cached: int = 0
    completion: int = 0


@dataclass(frozen=True, slots=True)
class Finish:
    """The end of a reply; the last thing an upstream yields.

    Attributes:
        reason: why it stopped writing.
        usage: tokens read and written.
        model: that wrote, as the upstream calls it; empty where it does not say.
    """

    reason: llm_pb2.FinishReason.ValueType
    usage: Usage
    model: str = ""


Delta = Text | ToolCall | Finish


class Upstream(Protocol):
    """A place where replies come from. All methods run on the event loop and never block it.

    The current span is that of the request: the trace context that is sent along is its own.
    """

    settings: UpstreamSettings

    def generate(
        self, prompt: Prompt, patience: Patience
    ) -> AsyncGenerator[Delta, None]:
        """Write the reply: texts and tool calls as they come, then one `Finish`.

        Closing the generator, or cancelling who waits for it, stops the work upstream. Of the patience it keeps to
        ``first_token`` and ``between_tokens``, which only it can tell apart; the rest is the caller's to time.

        Raises:
            UpstreamFailure: there will be no reply, or no more of it.
        """
        ...

    async def prepare(self, prompt: Prompt) -> int | None:
        """Put the beginning of a prompt into the prompt cache.

        Returns:
            Tokens now in the cache; None where there is no cache, or its place is busy.

        Raises:
            UpstreamFailure: it did not work.
        """
        ...

    async def warm(self) -> None:
        """Open what the first reply would otherwise have to wait for.

        Raises:
            UpstreamFailure: nobody answers there.
        """
        ...

    async def close(self) -> None:
        """Free everything; nothing runs any more."""
        ...


def create(settings: UpstreamSettings) -> Upstream:
    """The upstream that the settings describe.

    Raises:
        FailedPrecondition: its kind is unknown, or its key cannot be had.
    """
    if settings.kind not in _KINDS:
        raise FailedPrecondition(
            f"upstream {settings.name!r}: there is no kind {settings.kind!r}; there are: {', '.join(_KINDS)}"
        )
    module, name = _KINDS[settings.kind].split(":")
    make = cast(
        Callable[[UpstreamSettings], Upstream], getattr(import_module(module), name)
    )
    return make(settings)
