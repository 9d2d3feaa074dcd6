"""Questions that people ask, through everything that is real."""

import json
from pathlib import Path

import grpc
import pytest
import soundfile

from antiphon.client import connect
from antiphon.v1 import stt_pb2
from antiphon.v1.audio_pb2 import AudioChunk, AudioFormat
from antiphon.v1.conversation_pb2 import (
    TURN_OUTCOME_ANSWERED,
    ConversationConfig,
    SilenceEndpointing,
    TurnTaking,
    Waterfall,
)
from antiphon.v1.llm_pb2 import Sampling
from antiphon.v1.stt_pb2_grpc import SpeechToTextStub
from services.runtime.units import to_duration
from tests.e2e.commands import antiphon
from tests.e2e.talking import FAMOUS, talking, word_error_rate, words_of
from tests.microphone import QUESTIONS, SPEECH, recording
from tests.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="session")

OUTPUT_RATE = 24_000

# The small model rambles, and rambling is hard to hear. Without chance in it and cut after its first sentence, it says
# the same plain sentence to the same question.
PLAIN_SENTENCE = Sampling(temperature=0.0, seed=1, max_tokens=48, stop=[".", "\n"])
PATIENT = TurnTaking(silence=SilenceEndpointing(silence=to_duration(1.5)))


async def test_a_spoken_question_is_understood_and_answered_aloud(
    pipeline: Stack,
) -> None:
    config = ConversationConfig(sampling=PLAIN_SENTENCE, turn_taking=PATIENT)
    async with talking(pipeline.gateway, config) as person:
        turn = await person.ask(recording(SPEECH))
        ended = await person.finish()

    assert turn.order == [
        "SpeechStarted", "SpeechStopped", "UserTranscript", "ReplyStarted", "ReplyText", "ReplyAudio", "TurnEnded",
    ]  # fmt: skip
    understood = word_error_rate(FAMOUS, turn.transcript)
    assert understood < 0.15
    assert turn.ended.outcome == TURN_OUTCOME_ANSWERED
    assert turn.ended.heard_text == turn.text
    assert len(turn.text.split()) >= 3
    assert_adds_up(turn.ended.waterfall)
    assert turn.ended.usage.completion > 0
    assert (ended.turns, ended.audio_out.ToMilliseconds()) == (
        1,
        len(turn.audio) // 2 * 1000 // OUTPUT_RATE,
    )
    heard = await listen(pipeline.addresses["stt"], turn.audio)
    spoken = word_error_rate(turn.ended.heard_text, heard)
    print(f"word error rate: question {understood:.1%}, answer {spoken:.1%} ({heard})")
    assert spoken < 0.15


async def test_the_command_line_talks_to_a_running_pipeline(
    pipeline: Stack, tmp_path: Path
) -> None:
    question, answer = QUESTIONS[2], tmp_path / "answer.wav"
    arguments = ("talk", str(question), "--json", "-o", str(answer))
    finished = await antiphon(*arguments, "--gateway", pipeline.gateway, cwd=tmp_path)
    assert finished.status == 0, finished.errors
    told = json.loads(finished.output)
    assert told["answered"]
    assert word_error_rate(words_of(question), told["transcript"]) < 0.2
    assert told["answer"]
    [turn] = told["turns"]
    assert (turn["outcome"], turn["error"]) == ("answered", None)
    assert told["waterfall"] == turn["waterfall"] is not None
    assert told["files"] == {"question": str(question), "answer": str(answer)}
    assert soundfile.info(answer).duration == pytest.approx(
        turn["audio_seconds"], abs=0.01
    )


async def test_a_gateway_describes_the_stages_behind_it(pipeline: Stack) -> None:
    async with connect(pipeline.gateway) as client:
        abilities = await client.describe()
    assert abilities.stt.engine.engine == "whisper"
    assert [model.name for model in abilities.llm.models] == ["default"]
    assert abilities.llm.prepare
    assert abilities.tts.engine.engine == "piper"
    assert abilities.tts.voices


def assert_adds_up(waterfall: Waterfall) -> None:
    shares = (
        waterfall.endpointing, waterfall.stt, waterfall.llm, waterfall.tts, waterfall.gateway,
    )  # fmt: skip
    total = sum(share.ToNanoseconds() for share in shares)
    total -= waterfall.saved.ToNanoseconds()
    # Each share is rounded to the nanosecond.
    assert total == pytest.approx(waterfall.total.ToNanoseconds(), abs=len(shares))
    assert total > 0


async def listen(address: str, samples: bytes) -> str:
    """What the speech-to-text stage understands of an answer."""
    requests = [
        stt_pb2.TranscribeRequest(
            config=stt_pb2.TranscribeConfig(format=AudioFormat(sample_rate=OUTPUT_RATE))
        ),
        *(
            stt_pb2.TranscribeRequest(
                audio=AudioChunk(samples=samples[at : at + 48_000])
            )
            for at in range(0, len(samples), 48_000)
        ),
    ]
    async with grpc.aio.insecure_channel(address) as channel:
        call = SpeechToTextStub(channel).Transcribe(iter(requests))
        *_, last = [response async for response in call]
    return last.final.transcript.text
