"""One spoken turn is one trace across four processes."""

import json

import pytest

from antiphon.client import connect
from antiphon.v1 import conversation_pb2 as pb
from tests.fakes.otlp import receiving
from tests.fakes.upstream import says, scripted_upstream
from tests.microphone import QUESTIONS, Microphone, recording
from tests.stack import stack

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_every_hop_of_a_turn_is_in_its_trace() -> None:
    async with receiving() as receiver, scripted_upstream() as upstream:
        upstream.answers.append(says("It is Paris."))
        environment = {
            "ANTIPHON_LLM_UPSTREAMS": json.dumps(
                [{"name": "scripted", "base_url": upstream.url}]
            ),
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
        }
        async with (
            stack(environment, without=("llm-local",)) as running,
            connect(running.gateway) as client,
            client.converse() as conversation,
            Microphone(conversation) as microphone,
        ):
            microphone.say(recording(QUESTIONS[2]))
            async for event in conversation:
                if isinstance(event, pb.TurnEnded):
                    break
            assert event.outcome == pb.TURN_OUTCOME_ANSWERED
    spans = [receiver.spans.get_nowait() for _ in range(receiver.spans.qsize())]
    (turn,) = [
        span
        for service, span in spans
        if (service, span.name) == ("antiphon-gateway", "turn")
    ]
    hops = {
        (service, span.name.rsplit("/", 1)[-1]): span
        for service, span in spans
        if span.trace_id == turn.trace_id and span is not turn
    }
    assert set(hops) == {
        ("antiphon-stt", "Transcribe"),
        ("antiphon-llm", "Generate"),
        ("antiphon-tts", "Synthesize"),
    }
    assert {span.parent_span_id for span in hops.values()} == {turn.span_id}
    said = {attribute.key: attribute.value for attribute in turn.attributes}
    assert said["antiphon.turn.outcome"].string_value == "answered"
    assert "Paris" not in str(spans)
