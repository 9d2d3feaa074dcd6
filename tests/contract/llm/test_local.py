"""The local language-model server with its real model, behind the proxy."""

import asyncio
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from antiphon.v1 import llm_pb2
from services.runtime import models
from tests.fakes.running_llm import asking, beginning, message, reply, running_proxy

START_SECONDS = 60.0
"""Patience with a busy machine; an idle one needs one second."""
POLL_SECONDS = 0.05
STOP_SECONDS = 15.0
"""Much less than what is cancelled would have taken."""

pytestmark = pytest.mark.skipif(
    not models.catalogue()["smollm2-135m"].present,
    reason="the model has not been fetched",
)


def ask(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=5) as response:
        return json.load(response)


def launch(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "services.llm_local", *arguments]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.fixture(scope="module")
def local() -> Iterator[str]:
    """Root of the running server."""
    process = launch("--port", "0", "--slots", "2")
    try:
        assert process.stdout is not None
        # It says where it is; the line is the first and only one.
        ready = process.stdout.readline()
        root = ready.split(" at ")[1].split("/v1")[0]
        deadline = time.monotonic() + START_SECONDS
        while ask(f"{root}/health") != {"status": "ok"}:
            assert time.monotonic() < deadline
            time.sleep(POLL_SECONDS)
        yield root
        process.terminate()
        rest, errors = process.communicate(timeout=START_SECONDS)
        assert (process.returncode, rest, errors) == (0, "", "")
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
async def stub(local: str) -> AsyncIterator[Any]:
    upstream = {
        "name": "local",
        "base_url": f"{local}/v1",
        "slots": 2,
        "first_token_timeout": START_SECONDS,
        "between_tokens_timeout": START_SECONDS,
        "extra_body": {"ignore_eos": True},
    }
    async with running_proxy(upstream) as stub:
        yield stub


async def until(happens: Callable[[], bool]) -> None:
    """Ask again and again: another process has no event to wait for."""
    async with asyncio.timeout(STOP_SECONDS):
        while not await asyncio.to_thread(happens):  # noqa: ASYNC110
            await asyncio.sleep(POLL_SECONDS)


def busy(root: str) -> bool:
    return any(slot["is_processing"] for slot in ask(f"{root}/slots"))


SYSTEM = message("You answer in one short sentence. " * 10, llm_pb2.ROLE_SYSTEM)
QUESTION = message("What is the capital of France?")


def asking_for(
    tokens: int, conversation: str, *messages: llm_pb2.Message
) -> llm_pb2.GenerateRequest:
    sampling = llm_pb2.Sampling(temperature=0, max_tokens=tokens)
    return asking(conversation, messages=messages, sampling=sampling)


async def test_an_answer_is_streamed_word_by_word(stub: Any) -> None:
    responses = await reply(stub, asking_for(8, "a", SYSTEM, QUESTION))
    texts = [r.text for r in responses if r.HasField("text")]
    assert len(texts) > 3
    assert "Paris" in "".join(texts)
    usage = responses[-1].summary.usage
    assert usage.completion == 8
    assert usage.prompt > 80


async def test_a_prepared_beginning_is_not_read_again(stub: Any) -> None:
    prepared = await stub.Prepare(beginning("b", messages=[SYSTEM]))
    assert prepared.prepared
    responses = await reply(stub, asking_for(1, "b", SYSTEM, QUESTION))
    usage = responses[-1].summary.usage
    # All but the end that the chat template puts after the last message.
    assert prepared.prompt_tokens - 5 <= usage.cached < usage.prompt


async def test_cancelling_stops_the_generation(stub: Any, local: str) -> None:
    call = stub.Generate(asking_for(1_900, "c", QUESTION))
    await call.read()
    assert busy(local)
    call.cancel()
    await until(lambda: not busy(local))


async def test_cancelling_a_preparation_stops_it_in_the_middle_of_the_prompt(
    stub: Any, local: str
) -> None:
    long = message("one two three four five six " * 120, llm_pb2.ROLE_SYSTEM)
    call = stub.Prepare(beginning("d", messages=[long]))
    await until(lambda: busy(local))
    call.cancel()
    await until(lambda: not busy(local))
    responses = await reply(stub, asking_for(1, "d", long, QUESTION))
    usage = responses[-1].summary.usage
    assert usage.cached < 500 < usage.prompt


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("no-such-model", "smollm2-135m"),
        ("/no/such/model.gguf", "/no/such/model.gguf"),
        ("silero-vad", "silero-vad"),
    ],
)
def test_a_model_that_is_not_there_is_said_in_one_line(model: str, says: str) -> None:
    process = launch("--port", "0", "--model", model)
    output, errors = process.communicate(timeout=START_SECONDS)
    assert (process.returncode, output) == (1, "")
    assert says in errors
    assert "cannot start" in errors
    assert "Traceback" not in errors
