"""The span of a call that no turn makes: a client's, below the current one."""

from collections.abc import Mapping

import grpc
from opentelemetry import context, trace
from opentelemetry.trace import SpanKind

from gateway.conversation.values import Stage
from gateway.stages.call import Metadata
from services.runtime.telemetry import names, tracing

SPANS: Mapping[Stage, names.SpanName] = {
    Stage.STT: names.TRANSCRIBE_SPAN,
    Stage.LLM: names.GENERATE_SPAN,
    Stage.TTS: names.SYNTHESIZE_SPAN,
}
"""What calls are called."""

METHODS: Mapping[Stage, str] = {
    Stage.STT: "antiphon.v1.SpeechToText/Transcribe",
    Stage.LLM: "antiphon.v1.LanguageModel/Generate",
    Stage.TTS: "antiphon.v1.TextToSpeech/Synthesize",
}
"""What calls ask for."""


class CallSpan:
    """Looks on at a call, as a `Watch` does. Begun by making it, ended by the call.

    Args:
        stage: that is called.
    """

    def __init__(self, stage: Stage) -> None:
        self._tries = 1
        self._span = tracing.tracer.start_span(
            SPANS[stage],
            kind=SpanKind.CLIENT,
            attributes={names.RPC_SYSTEM: "grpc", names.RPC_METHOD: METHODS[stage]},
        )

    @property
    def metadata(self) -> Metadata:
        """What makes the stage's span a child of this one."""
        return tracing.inject(context=trace.set_span_in_context(self._span))

    def enter(self) -> None:
        """Have what the call's task logs belong to this span."""
        context.attach(trace.set_span_in_context(self._span))

    def asked_again(self, reason: str) -> None:
        """One more replica is asked."""
        self._tries += 1
        self._span.add_event(
            names.ASKED_AGAIN_EVENT, {names.ASKED_AGAIN_REASON: reason}
        )

    def ended(self, code: grpc.StatusCode) -> None:
        """The call is over; the first time that this is said counts."""
        if not self._span.is_recording():
            return
        self._span.set_attributes(
            {names.TRIES: self._tries, names.RPC_STATUS_CODE: code.name}
        )
        if code not in (grpc.StatusCode.OK, grpc.StatusCode.CANCELLED):
            tracing.fail(self._span, code.name)
        self._span.end()
