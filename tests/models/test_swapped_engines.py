"""One variable a stage swaps its engine in the stack that `antiphon up` starts; nothing else is changed.

The language model is scripted: its stage needs a newer client of the Hub than the engines on PyTorch can live with.
"""

import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass

import grpc
import pytest
import pytest_asyncio

from antiphon.v1 import stt_pb2, tts_pb2
from antiphon.v1.conversation_pb2 import TURN_OUTCOME_ANSWERED
from antiphon.v1.stt_pb2_grpc import SpeechToTextStub
from antiphon.v1.tts_pb2_grpc import TextToSpeechStub
from tests.e2e.talking import talking
from tests.fakes.stages import Script, serving
from tests.microphone import SPEECH, recording
from tests.models.checkpoints import qwen3, toy_parakeet
from tests.stack import Stack, stack

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    # Two processes import PyTorch and all that stands on it, on one core each at best.
    pytest.mark.timeout(600),
]


@dataclass(frozen=True)
class Swapped:
    """A running stack with both engines on PyTorch.

    Attributes:
        stack: gateway, speech to text, text to speech.
        script: of the language model.
    """

    stack: Stack
    script: Script


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def swapped() -> AsyncIterator[Swapped]:
    script = Script(write=lambda _request: ["Hello there."])
    async with serving(script) as llm:
        environment = {
            "ANTIPHON_STT_ENGINE": "parakeet",
            "ANTIPHON_STT_MODEL": str(toy_parakeet.toy()),
            "ANTIPHON_TTS_ENGINE": "qwen3",
            "ANTIPHON_TTS_MODEL": str(qwen3.tiny()),
            "ANTIPHON_GATEWAY_LLM": llm,
        }
        async with stack(environment, without=("llm", "llm-local")) as running:
            yield Swapped(running, script)


async def test_each_stage_says_which_engine_and_model_it_has(swapped: Swapped) -> None:
    addresses = swapped.stack.addresses
    async with grpc.aio.insecure_channel(addresses["stt"]) as channel:
        heard = await SpeechToTextStub(channel).Describe(
            stt_pb2.SpeechToTextDescribeRequest()
        )
    async with grpc.aio.insecure_channel(addresses["tts"]) as channel:
        spoken = await TextToSpeechStub(channel).Describe(
            tts_pb2.TextToSpeechDescribeRequest()
        )
    assert heard.engine.engine == "parakeet"
    assert heard.engine.model == toy_parakeet.toy().stem
    assert spoken.engine.engine == "qwen3"
    assert spoken.engine.model == qwen3.tiny().name
    assert "ryan" in [voice.name for voice in spoken.voices]


async def test_a_question_is_heard_by_one_and_answered_by_the_other(
    swapped: Swapped,
) -> None:
    async with talking(swapped.stack.gateway) as person:
        turn = await person.ask(recording(SPEECH))
        ended = await person.finish()
    assert turn.ended.outcome == TURN_OUTCOME_ANSWERED
    # It was trained on telephone tones, and hears some in everything.
    assert turn.transcript
    asked = swapped.script.requests[-1].messages[-1].content[0].text
    assert asked == turn.transcript
    assert turn.text == turn.ended.heard_text == "Hello there."
    assert turn.audio
    assert ended.turns == 1


async def test_the_stages_run_where_their_packages_are(swapped: Swapped) -> None:
    for name in ("stt", "tts"):
        assert swapped.stack.process(name).cmdline()[0] == sys.executable
