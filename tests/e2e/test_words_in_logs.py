"""What a user says and is answered is in no line of the log, unless the operator lets it into those of level debug."""

import json
import socket
from typing import Any

from antiphon.v1 import llm_pb2
from services.runtime.errors import Unavailable
from tests.e2e.process import lone_process
from tests.e2e.talking import talking
from tests.fakes.stages import Script, serving
from tests.microphone import QUESTIONS, recording

HEARD, WRITTEN = "where do quokkas live", "rottnest"
SECRET = ("quokka", "xylophone", WRITTEN)


def reply(_request: llm_pb2.GenerateRequest) -> list[str | llm_pb2.ToolCall]:
    return [f"On {WRITTEN.title()}. ", "And nowhere else."]


async def lines_of_two_turns(
    script: Script | None = None, answered: bool = True, **settings: str
) -> list[dict[str, Any]]:
    """The log of a gateway that was asked something aloud, and then in writing."""
    script = script or Script(write=reply)
    script.hear = lambda _conversation, _turn: HEARD
    async with serving(script) as stages:
        chosen = {"stt": stages, "llm": stages, "tts": stages, **settings}
        environment = {f"ANTIPHON_GATEWAY_{k.upper()}": v for k, v in chosen.items()}
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            collector = f"http://127.0.0.1:{nobody.getsockname()[1]}"
            environment |= {
                "OTEL_EXPORTER_OTLP_ENDPOINT": collector,
                "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
            }
            async with lone_process("gateway", environment) as gateway:
                async with talking(gateway.address) as talker:
                    asked = [
                        await talker.ask(recording(QUESTIONS[2], end=1.2)),
                        await talker.write("play the xylophone"),
                    ]
                    assert [bool(turn.text) for turn in asked] == [answered] * 2
                    await talker.finish()
                gateway.terminate()
                assert await gateway.ended() == 0
    return [json.loads(line) for line in gateway.log]


def with_words(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        line
        for line in lines
        if any(word in json.dumps(line).lower() for word in SECRET)
    ]


async def test_no_line_of_a_turn_has_a_word_of_it_and_all_name_it() -> None:
    lines = await lines_of_two_turns(log_level="debug")
    assert with_words(lines) == []
    told = [line for line in lines if "turn" in line]
    assert {"heard", "speaks"} <= {line["event"] for line in told}
    assert {line["turn"] for line in told} == {1, 2}
    assert len({line["conversation"] for line in told}) == 1
    assert len({line["trace_id"] for line in told}) == 2
    assert all(len(line["span_id"]) == 16 for line in told)
    (heard,) = [line for line in told if line["event"] == "heard" and line["turn"] == 1]
    assert heard["text"] == f"({len(HEARD)} characters)"
    (unreachable,) = [line for line in lines if line["level"] == "error"]
    assert "Failed to export" in unreachable["event"]


async def test_words_are_in_debug_lines_where_the_operator_lets_them_in() -> None:
    lines = await lines_of_two_turns(log_level="debug", log_words="true")
    found = with_words(lines)
    assert {line["level"] for line in found} == {"debug"}
    assert HEARD in {line.get("text") for line in found}
    assert any(WRITTEN in line["text"].lower() for line in found if "text" in line)


async def test_no_line_has_what_a_model_said_that_failed() -> None:
    def said() -> Unavailable:
        return Unavailable(f"the server failed: cannot parse '{HEARD}'")

    def fail() -> None:
        raise said()

    def fail_to_write(_request: llm_pb2.GenerateRequest) -> list[str]:
        raise said()

    script = Script(write=fail_to_write, prepares=True, before_prepared=fail)
    lines = await lines_of_two_turns(script, answered=False, log_level="debug")
    assert with_words(lines) == []
    events = {line["event"] for line in lines}
    assert "the prompt was not prepared; the first answer may be slow" in events
    assert "a replica is full or gone; the next one is asked" in events
