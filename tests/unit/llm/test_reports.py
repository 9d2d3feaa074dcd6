"""The library that asks upstreams has nothing to ask the Hub first, and nothing to report to it."""

import os
import sys
from pathlib import Path
from subprocess import run

ASK = """
import httpx2
import huggingface_hub
import services.llm.upstreams.openai_compatible
from huggingface_hub.utils import build_hf_headers

def say(request):
    print(request.url)
    return httpx2.Response(404)

transport = httpx2.MockTransport(say)
huggingface_hub.set_client_factory(lambda: httpx2.Client(transport=transport))
build_hf_headers(token=False)
"""


def test_a_requests_headers_are_made_without_asking_the_hub(tmp_path: Path) -> None:
    unset = ("HF_HUB_DISABLE_TELEMETRY", "DISABLE_TELEMETRY", "DO_NOT_TRACK")
    environment = {k: v for k, v in os.environ.items() if k not in unset}
    done = run(
        [sys.executable, "-c", ASK],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env=environment | {"HF_HOME": str(tmp_path)},
    )
    assert done.stdout == ""
