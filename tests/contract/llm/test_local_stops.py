"""The local language-model server is stopped: while it looks for its model, loads it, or writes."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.llm_local.server import working_on

PATIENCE_SECONDS = 30.0
"""With a busy machine; an idle one needs one second."""


@pytest.fixture(autouse=True)
def heeds_interrupts() -> Iterator[None]:
    """In a shell's background interrupts are ignored, and a child inherits that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_download_from_the_hub_ends_with_the_signal(
    number: signal.Signals, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hub:
        hub.settimeout(PATIENCE_SECONDS)
        environment = {
            **os.environ,
            "HF_ENDPOINT": f"http://127.0.0.1:{hub.getsockname()[1]}",
            "HF_HOME": str(tmp_path),
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DOWNLOAD_TIMEOUT": "600",
            "HF_HUB_ETAG_TIMEOUT": "600",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "services.llm_local", "--model", "some/one:m.gguf"],
            env=environment,
            stderr=subprocess.DEVNULL,
        )
        try:
            with hub.accept()[0]:  # which never answers
                process.send_signal(number)
                assert process.wait(PATIENCE_SECONDS) == -number
        finally:
            process.kill()
            process.wait()


_NEVER_LOADED = """
import ctypes
import unittest.mock
CommonParams = unittest.mock.MagicMock
def Server(parameters):
    print("loading", flush=True)
    # As llama.cpp does: whatever comes meanwhile, Python does not get to see it.
    ctypes.PyDLL(None).pause()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_model_that_is_loaded_for_long_keeps_nobody(
    number: signal.Signals, tmp_path: Path
) -> None:
    (tmp_path / "xllamacpp.py").write_text(_NEVER_LOADED)
    model = tmp_path / "m.gguf"
    model.touch()
    process = subprocess.Popen(
        [sys.executable, "-m", "services.llm_local", "--model", str(model)],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "loading\n"
        process.send_signal(number)
        assert process.wait(PATIENCE_SECONDS) == -number
    finally:
        process.kill()
        process.wait()


def test_a_reply_in_progress_is_written_to_its_end() -> None:
    flags = ["--port", "0", "--drain-seconds", "60"]
    process = subprocess.Popen(
        [sys.executable, "-m", "services.llm_local", *flags],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        (address,) = re.findall(r"http://\S+:\d+/v1", process.stdout.readline())
        prompt = [{"role": "user", "content": "Tell me about bees."}]
        asked = json.dumps(
            {"messages": prompt, "stream": True, "max_tokens": 60, "ignore_eos": True}
        )
        request = urllib.request.Request(
            f"{address}/chat/completions",
            asked.encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as reply:
            assert reply.readline().startswith(b"data: {")
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGINT)
            events = [line for line in reply if line.startswith(b"data: ")]
        assert events[-1] == b"data: [DONE]\n"
        assert len(events) > 60
        assert process.wait(PATIENCE_SECONDS) == 0
    finally:
        process.kill()
        process.wait()


def test_what_llama_cpp_says_of_its_work_is_understood() -> None:
    told = (
        "# HELP llamacpp:requests_processing Number of requests processing.\n"
        "# TYPE llamacpp:requests_processing gauge\n"
        "llamacpp:requests_processing 2\n"
        "llamacpp:requests_deferred 1\n"
        "llamacpp:n_busy_slots_per_decode 1.5\n"
    )
    assert working_on(told) == 3
