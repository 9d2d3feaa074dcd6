"""The local language-model server is stopped while it still looks for its model."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

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
