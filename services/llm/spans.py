"""What a try at an upstream tells of itself in the trace: OpenTelemetry's conventions for GenAI clients, and a few of ours.

No words, no prompts and no keys: names, numbers and outcomes.
"""

from contextlib import AbstractContextManager
from enum import StrEnum
from urllib.parse import urlsplit

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind

from antiphon.v1 import llm_pb2
from services.llm.settings import UpstreamSettings
from services.llm.upstreams import Finish, Outcome
from services.runtime.telemetry import names, tracing

_PROVIDERS = {
    "api.cerebras.ai": "cerebras",
    "api.openai.com": "openai",
    "router.huggingface.co": "huggingface",
}
_ANY_PROVIDER = "auto"
"""Leaves the choice to Hugging Face's router."""

_NO_ERRORS = (Outcome.OK, Outcome.CANCELLED, Outcome.SKIPPED)
"""How a try ends that the upstream has not failed."""


class Work(StrEnum):
    """What an upstream is asked for."""

    REPLY = "reply"
    PREPARE = "prepare"


class UpstreamSpan:
    """One request to an upstream; begun by making it, ended by `end`.

    Args:
        upstream: that is asked.
        work: what for.
        hedge: whether it runs beside another that is late.
    """

    def __init__(
        self, upstream: UpstreamSettings, work: Work, hedge: bool = False
    ) -> None:
        attributes: dict[str, str | bool] = {
            names.GEN_AI_OPERATION: "chat",
            names.GEN_AI_PROVIDER: provider(upstream),
            names.GEN_AI_REQUEST_MODEL: upstream.model,
            names.UPSTREAM: upstream.name,
            names.WORK: work.value,
            names.HEDGE: hedge,
        }
        self._span = tracing.tracer.start_span(
            names.UPSTREAM_SPAN.format(model=upstream.model),
            kind=SpanKind.CLIENT,
            attributes=attributes,
        )

    @property
    def exemplar(self) -> dict[str, str] | None:
        """What points from a measurement to this trace; None where it is not kept."""
        return tracing.exemplar(self._span)

    def around(self) -> AbstractContextManager[Span]:
        """Make it the parent of what is done inside: the request that leaves there carries it on upstream."""
        return trace.use_span(
            self._span, record_exception=False, set_status_on_exception=False
        )

    def first_token(self) -> None:
        """The first text or tool call has come."""
        self._span.add_event(names.FIRST_TOKEN_EVENT)

    def finished(self, finish: Finish) -> None:
        """The reply came to its end; counts and names that the upstream did not tell are left out."""
        reason = llm_pb2.FinishReason.Name(finish.reason)
        usage = finish.usage
        self._span.set_attribute(
            names.GEN_AI_FINISH_REASONS,
            [reason.removeprefix("FINISH_REASON_").lower()],
        )
        told: dict[str, str | int] = {
            names.GEN_AI_RESPONSE_MODEL: finish.model,
            names.GEN_AI_INPUT_TOKENS: usage.prompt,
            names.GEN_AI_CACHED_TOKENS: usage.cached,
            names.GEN_AI_OUTPUT_TOKENS: usage.completion,
        }
        self._span.set_attributes(
            {name: value for name, value in told.items() if value}
        )

    def prepared(self, tokens: int | None) -> None:
        """A prompt was read ahead: so many tokens, where the upstream counted any."""
        if tokens:
            self._span.set_attribute(names.GEN_AI_INPUT_TOKENS, tokens)

    def end(self, outcome: Outcome) -> None:
        """It is over, and this is how it went; only the first end counts."""
        if not self._span.is_recording():
            return
        self._span.set_attribute(names.ATTEMPT_OUTCOME, outcome.value)
        if outcome not in _NO_ERRORS:
            tracing.fail(self._span, outcome.value)
        self._span.end()


def provider(upstream: UpstreamSettings) -> str:
    """Who runs the model, as far as the settings tell; the kind of the upstream where they do not."""
    if upstream.provider is not None:
        routed = upstream.provider == _ANY_PROVIDER
        return "huggingface" if routed else upstream.provider
    host = urlsplit(upstream.base_url or "").hostname
    return _PROVIDERS.get(host or "", upstream.kind)
