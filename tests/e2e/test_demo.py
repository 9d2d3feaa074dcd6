"""`antiphon demo`: from nothing to an answer, and nothing left behind."""

import re
import uuid
from pathlib import Path

import psutil
import pytest
import soundfile

from antiphon.cli.parts import PARTS
from tests.e2e.commands import antiphon
from tests.e2e.house import LONGEST_ANSWER
from tests.e2e.talking import FAMOUS, word_error_rate

pytestmark = pytest.mark.asyncio(loop_scope="session")

MARK = "STARTED_BY_THIS_TEST"


async def test_the_demo_answers_and_leaves_nothing_running(tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    ports = {part.variable(setting): "0" for part in PARTS for setting, _ in part.ports}
    finished = await antiphon(
        "demo",
        cwd=tmp_path,
        DEMO_EXIT="1",
        ANTIPHON_GATEWAY_MAX_TOKENS=LONGEST_ANSWER,
        **{MARK: mark},
        **ports,
    )
    assert finished.status == 0, finished.errors + finished.output
    said = re.search(r"^you: (.+)$", finished.output, re.MULTILINE)
    answered = re.search(r"^antiphon: (.+)$", finished.output, re.MULTILINE)
    assert said and answered, finished.output
    assert word_error_rate(FAMOUS, said[1]) < 0.15
    assert len(answered[1].split()) >= 3
    for name in ("endpointing", "stt", "llm", "tts", "gateway", "total"):
        assert re.search(rf"^ +{name} .* \d+ ms", finished.output, re.MULTILINE), name
    assert soundfile.info(tmp_path / "demo" / "answer.wav").duration > 0.5
    assert [
        process for process in psutil.process_iter() if started(process, mark)
    ] == []


def started(process: psutil.Process, mark: str) -> bool:
    """Whether a process comes from the command, whoever its parent is by now."""
    try:
        return process.environ().get(MARK) == mark
    except (psutil.AccessDenied, psutil.NoSuchProcess):
        return False
