"""``antiphon trace`` before a real gateway: what the client was told of its turn is what is drawn."""

import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from antiphon.v1.conversation_pb2 import TURN_OUTCOME_ANSWERED, TURN_OUTCOME_FAILED
from services.runtime.errors import Unavailable
from services.runtime.units import to_seconds
from tests.e2e.commands import antiphon
from tests.e2e.process import lone_process
from tests.e2e.talking import talking
from tests.fakes.stages import Script, serving
from tests.microphone import QUESTIONS, recording

pytestmark = pytest.mark.asyncio(loop_scope="session")

ANSWER = "It is Paris."


async def test_turns_of_a_running_gateway_are_drawn_without_any_backend(
    tmp_path: Path,
) -> None:
    script = Script(write=lambda _: [ANSWER])
    async with serving(script) as stages:
        names = ("STT", "LLM", "TTS")
        environment = {f"ANTIPHON_GATEWAY_{name}": stages for name in names}
        async with lone_process("gateway", environment) as gateway:
            port = str(urlsplit(gateway.metrics).port)
            here = {"ANTIPHON_GATEWAY_METRICS_PORT": port}
            silent = await antiphon("trace", cwd=tmp_path, **here)
            assert (silent.status, silent.output) == (1, "")
            assert "No turns yet" in silent.errors
            async with talking(gateway.address) as person:
                answered = await person.ask(recording(QUESTIONS[2]))
                script.write = _fails
                failed = await person.write("And now?")
                conversation = person.conversation.ready.conversation_id
                await person.finish()
            drawn = await antiphon("trace", cwd=tmp_path, **here)
            told = await antiphon(
                "trace", "--json", "--last", "2", cwd=tmp_path, **here
            )
            chosen = await antiphon(
                *("trace", "--failed", "--conversation", conversation[:8], "--json"),
                *("--at", f"127.0.0.1:{port}"),
                cwd=tmp_path,
            )
            page = await antiphon("trace", "--html", "t.html", cwd=tmp_path, **here)
    assert answered.ended.outcome == TURN_OUTCOME_ANSWERED
    assert failed.ended.outcome == TURN_OUTCOME_FAILED

    assert drawn.status == 0, drawn.errors
    for span in ("transcribe", "endpointing", "generate", "synthesize", "playout"):
        assert f"  {span}" in drawn.output
    assert f"{conversation[:8]} turn 1  answered" in drawn.output
    assert "turn 2  failed in llm: UNAVAILABLE" in drawn.output
    assert "2 turns, 1 failed" in drawn.output

    document = json.loads(told.output)
    first, second = document["turns"]
    assert document["gateway"]["settings"]["endpointing"] == "predicted"
    fall = answered.ended.waterfall
    assert first["total"] == pytest.approx(to_seconds(fall.total), abs=1e-3)
    assert first["shares"]["llm"] == pytest.approx(to_seconds(fall.llm), abs=1e-3)
    assert second["failure"] == {"stage": "llm", "code": "UNAVAILABLE"}
    assert json.loads(chosen.output)["turns"] == [second]

    assert page.status == 0, page.errors
    written = (tmp_path / "t.html").read_text(encoding="utf-8")
    assert first["conversation"] in written
    assert "eagerness" in written
    for output in (drawn.output, told.output, written):
        assert "Paris" not in output
        assert "And now" not in output


def _fails(_prompt: object) -> list[str]:
    raise Unavailable("the model is gone")
