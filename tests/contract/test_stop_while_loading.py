"""A stage that is told to end while it downloads its model does so at once."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.hub import ScriptedHub, scripted_hub

MODEL, COMMIT = "someone/some-model", "1" * 40
PATIENCE_SECONDS = 20.0
"""With a busy machine. A download that nobody interrupts would go on for ever here."""


@pytest.fixture
def stuck() -> Iterator[ScriptedHub]:
    """A Hub that sends half of each file."""
    with scripted_hub() as hub:
        files = {"model.bin": bytes(1000), "a.onnx": bytes(10), "a.onnx.json": b"{}"}
        hub.publish(MODEL, "main", COMMIT, files)
        hub.flowing.clear()
        yield hub


@pytest.mark.parametrize(
    ("stage", "model"), [("stt", MODEL), ("tts", f"{MODEL}:a.onnx")]
)
async def test_a_download_does_not_keep_a_stage_that_is_to_end(
    stuck: ScriptedHub, tmp_path: Path, stage: str, model: str
) -> None:
    prefix = f"ANTIPHON_{stage.upper()}"
    environment = {
        **os.environ,
        "HF_ENDPOINT": stuck.url,
        "HF_HOME": str(tmp_path),
        "ANTIPHON_MODELS": str(tmp_path),
        f"{prefix}_MODEL": model,
        f"{prefix}_PORT": "0",
        f"{prefix}_METRICS_PORT": "0",
        f"{prefix}_LOG_FORMAT": "json",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        f"services.{stage}",
        env=environment,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while b": fetching " not in await process.stderr.readline():
                assert not process.stderr.at_eof()
        process.terminate()
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
