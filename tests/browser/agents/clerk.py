"""A real gateway before a scripted clerk: answers, looks at the clock by a function, goes on and on, is interrupted."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from antiphon.v1 import llm_pb2
from tests.e2e.process import lone_process
from tests.fakes.stages import Script, serving, tone

LONG = "I could go on about this for quite a while, and as nobody stops me I will. " * 3

Told = dict[str, Any]
"""What the stock client tells: events of its transport, its history, and what its function was called with."""


def clerk() -> Script:
    """One script for one conversation."""
    answers = iter(
        [
            ["Bees make ", "honey."],
            [
                llm_pb2.ToolCall(
                    id="call_1", name="get_time", arguments_json='{"city": "Paris"}'
                )
            ],
            [LONG],
            ["All right."],
        ]
    )

    def write(request: llm_pb2.GenerateRequest) -> list[str | llm_pb2.ToolCall]:
        last = request.messages[-1]
        if last.role == llm_pb2.ROLE_TOOL:
            return [f"It is {last.content[0].text} there."]
        return next(answers)

    return Script(
        hear=lambda _conversation, _turn: "What do bees make?", write=write, sound=tone
    )


@asynccontextmanager
async def office(script: Script, origins: str = "") -> AsyncIterator[str]:
    """The gateway's HTTP address; pages of these ``origins`` may use it."""
    async with serving(script) as stages:
        environment = {
            f"ANTIPHON_GATEWAY_{name}": stages for name in ("STT", "LLM", "TTS")
        }
        # Each answer of the script is for one turn, and drafts would take more than one.
        environment["ANTIPHON_GATEWAY_SPECULATIONS"] = "0"
        environment["ANTIPHON_GATEWAY_ORIGINS"] = origins
        async with lone_process("gateway", environment) as gateway:
            yield gateway.http


def check(told: Told, script: Script) -> None:
    """Three turns were held: an answer, a function's result that was spoken, and an interruption."""
    kinds = [event["type"] for event in told["events"]]
    assert "client.error" not in kinds and "error" not in kinds, told["events"]
    assert told["calls"] == [{"city": "Paris"}]
    responses = [e["response"] for e in told["events"] if e["type"] == "response.done"]
    assert [r["status"] for r in responses] == [
        "completed",
        "completed",
        "completed",
        "cancelled",
        "completed",
    ]
    assert responses[3]["status_details"]["reason"] == "turn_detected"
    transcripts = [
        event["transcript"]
        for event in told["events"]
        if event["type"] == "response.output_audio_transcript.done"
    ]
    assert transcripts[0] == "Bees make honey."
    assert transcripts[1] == "It is a quarter past nine there."
    assert transcripts[3] == "All right."
    asked = script.requests[-1].messages
    heard = next(
        m.content[0].text for m in reversed(asked) if m.role == llm_pb2.ROLE_ASSISTANT
    )
    assert LONG.startswith(heard) and len(heard) < len(LONG)
    said = [item for item in told["history"] if item.get("role") == "user"]
    assert [item["content"][0]["transcript"] for item in said] == [
        "What do bees make?"
    ] * 4
