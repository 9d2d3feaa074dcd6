"""The gateway's end of a call to a stage, as a span that the stage's own hangs below."""

from collections.abc import Callable, Mapping

import grpc
from opentelemetry import context as contexts
from opentelemetry import trace
from structlog.contextvars import bind_contextvars

from gateway.conversation.values import Finish, Ref, Usage
from gateway.observing.spans import TimedSpan, Value
from services.runtime.telemetry import names, tracing

_FINISHES: Mapping[Finish, str] = {
    Finish.COMPLETE: "stop",
    Finish.TOOL_CALLS: "tool_calls",
    Finish.LENGTH: "length",
    Finish.FILTERED: "content_filter",
}
"""As the GenAI conventions name them."""


class WatchedCall:
    """One call that works for a turn; a `gateway.stages.call.Watch`.

    Args:
        span: of the call, just begun.
        ref: the revision that it works for.
        now: the driver's clock.
        over: called once, when the call is.

    Attributes:
        span: of the call.
        metadata: makes the stage's spans children of it.
    """

    def __init__(
        self,
        span: TimedSpan,
        ref: Ref,
        now: Callable[[], float],
        over: Callable[[], None],
    ) -> None:
        self.span = span
        self.metadata = tracing.inject(context=span.context)
        self._ref = ref
        self._now = now
        self._over = over
        self._tries = 1
        self._seen: set[names.Event] = set()

    # --- what the call says -------------------------------------------------------------------------------

    def enter(self) -> None:
        """What is logged in this context from now on belongs to the call."""
        contexts.attach(trace.set_span_in_context(self.span.span))
        bind_contextvars(turn=self._ref.turn, revision=self._ref.revision)

    def asked_again(self, reason: str) -> None:
        """A replica was ``full`` or ``gone``, and the next one is asked."""
        self._tries += 1
        self.span.set({names.TRIES: self._tries})
        attributes: dict[str, Value] = {names.ASKED_AGAIN_REASON: reason}
        self.span.note(names.ASKED_AGAIN_EVENT, self._now(), attributes)

    def ended(self, code: grpc.StatusCode) -> None:
        """The call is over; only the first time that this is said counts."""
        if self.span.end is not None:
            return
        self.span.set({names.RPC_STATUS_CODE: code.name})
        if code not in (grpc.StatusCode.OK, grpc.StatusCode.CANCELLED):
            self.span.fail(code.name)
        self.span.finish(self._now())
        self._over()

    # --- what comes of it ---------------------------------------------------------------------------------

    def note(self, event: names.Event, at: float) -> None:
        """Something came of it, or was asked of it, ``at`` the driver's clock."""
        if self.span.end is None:
            self.span.note(event, at)

    def first(self, event: names.Event, at: float) -> None:
        """Likewise, where it counts the first time only."""
        if event not in self._seen:
            self._seen.add(event)
            self.note(event, at)

    def written(self, usage: Usage, finish: Finish) -> None:
        """The reply is complete."""
        if self.span.end is not None:
            return
        told: dict[str, Value] = {names.GEN_AI_FINISH_REASONS: (_FINISHES[finish],)}
        if usage.prompt or usage.completion:
            told[names.GEN_AI_INPUT_TOKENS] = usage.prompt
            told[names.GEN_AI_CACHED_TOKENS] = usage.cached
            told[names.GEN_AI_OUTPUT_TOKENS] = usage.completion
        self.span.set(told)
