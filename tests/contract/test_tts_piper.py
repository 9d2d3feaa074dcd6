"""The text-to-speech service with the voice of the CPU default: what it says is understood."""

import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import jiwer
import numpy as np
import pytest
import pytest_asyncio

from antiphon.v1 import audio_pb2, tts_pb2, tts_pb2_grpc
from services.runtime.admission import Admission
from services.runtime.errors import FailedPrecondition
from services.runtime.models import catalogue, locate
from services.runtime.resample import Resampler
from services.runtime.server import bind, create_server
from services.runtime.units import to_seconds
from services.tts.engines import Delivery, EngineOptions, Line, load_engine
from services.tts.service import TextToSpeechService
from services.tts.settings import TextToSpeechSettings
from tests.fakes.calls import exchange

pytestmark = pytest.mark.skipif(
    not all(
        catalogue()[name].present for name in ("piper-joe-medium", "whisper-tiny-en")
    ),
    reason="the models of the CPU default have not been fetched",
)

RATE = 16_000
WRITTEN = (
    "Of course, the **quick** brown fox jumps over the [lazy dog](http://x.y/z). "
    "It was one of the best days of the year, and it cost $3.50. 😀"
)
SPOKEN = (
    "of course the quick brown fox jumps over the lazy dog "
    "it was one of the best days of the year and it cost three dollars and fifty cents"
)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def stub() -> AsyncIterator[Any]:
    settings = TextToSpeechSettings(port=0)
    service = TextToSpeechService(settings)
    service.admission = Admission(settings.max_streams)
    server = create_server(settings, service.admission)
    service.register(server)
    port = bind(server, settings)
    await server.start()
    await service.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield tts_pb2_grpc.TextToSpeechStub(channel)
    await server.stop(None)
    await service.stop()


async def speak(
    stub: Any, text: str, rate: int = RATE, **fields: Any
) -> list[tts_pb2.SynthesizeResponse]:
    config = tts_pb2.SynthesizeConfig(
        format=audio_pb2.AudioFormat(sample_rate=rate), **fields
    )
    requests = [tts_pb2.SynthesizeRequest(config=config)]
    requests += [
        tts_pb2.SynthesizeRequest(text=text[start : start + 5])
        for start in range(0, len(text), 5)
    ]
    return await exchange(stub.Synthesize(), requests)


def heard(messages: list[tts_pb2.SynthesizeResponse], rate: int) -> np.ndarray:
    """``float32 [n]`` at 16 kHz."""
    samples = np.frombuffer(b"".join(each.audio.samples for each in messages), "<i2")
    resampler = Resampler(rate, RATE)
    whole = np.concatenate((resampler.push(samples), resampler.flush()))
    return whole.astype(np.float32) / 32_768


def plain(text: str) -> str:
    said = re.sub(r"\$3\.50", "three dollars and fifty cents", text)
    return re.sub(r"[^a-z' ]+", " ", said.lower())


@pytest.fixture(scope="module")
def listener() -> Any:
    whisper = pytest.importorskip("faster_whisper")
    return whisper.WhisperModel(
        str(locate("whisper-tiny-en")), device="cpu", cpu_threads=1, compute_type="int8"
    )


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("rate", [16_000, 24_000])
async def test_what_is_said_is_understood(stub: Any, listener: Any, rate: int) -> None:
    messages = await speak(stub, WRITTEN, rate)
    segments, _ = listener.transcribe(heard(messages, rate), language="en", beam_size=1)
    transcript = " ".join(segment.text for segment in segments)
    assert jiwer.wer(SPOKEN, " ".join(plain(transcript).split())) <= 0.15, transcript


@pytest.mark.asyncio(loop_scope="module")
async def test_marks_stand_where_the_words_are_heard(stub: Any, listener: Any) -> None:
    messages = await speak(stub, WRITTEN)
    marks = [
        (each.mark.characters, to_seconds(each.mark.at))
        for each in messages
        if each.HasField("mark")
    ]
    length = to_seconds(messages[-1].summary.audio)
    assert [count for count, _ in marks] == sorted({count for count, _ in marks})
    assert [at for _, at in marks] == sorted(at for _, at in marks)
    assert marks[-1] == (len(WRITTEN), pytest.approx(length, abs=1e-3))
    assert marks[0][1] > 0

    segments, _ = listener.transcribe(
        heard(messages, RATE), language="en", beam_size=1, word_timestamps=True
    )
    ends = {
        plain(word.word).strip(): word.end
        for segment in segments
        for word in segment.words
    }
    marked = {count: at for count, at in marks}
    apart = [
        abs(marked[WRITTEN.index(word) + len(word)] - ends[word])
        for word in ("quick", "brown", "jumps", "best", "days", "cost")
        if word in ends and WRITTEN.index(word) + len(word) in marked
    ]
    assert len(apart) >= 3
    assert float(np.median(apart)) < 0.25


@pytest.mark.asyncio(loop_scope="module")
async def test_a_faster_reply_is_shorter(stub: Any) -> None:
    text = "One two three four five six seven eight nine ten."
    fast = await speak(stub, text, speed=2.0)
    slow = await speak(stub, text, speed=0.5)
    ratio = to_seconds(slow[-1].summary.audio) / to_seconds(fast[-1].summary.audio)
    assert 2.5 < ratio < 6


@pytest.mark.asyncio(loop_scope="module")
async def test_characters_that_the_voice_cannot_say_are_no_error(stub: Any) -> None:
    for text in ("ⴰⵣⵓⵍ", "𐎠𐎡", "…", "ǃǃ", "a\u0301\u200d"):
        messages = await speak(stub, text)
        assert messages[-1].summary.characters == len(text)


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("voice")
    for name in ("voice.onnx", "voice.onnx.json"):
        shutil.copy(locate("piper-joe-medium") / name, folder / name)
    return folder / "voice.onnx"


def test_a_voice_is_cut_once_and_its_halves_are_kept_beside_it(copied: Path) -> None:
    options = EngineOptions(str(copied), "joseph", 1)
    engine = load_engine("piper", options)
    assert engine.capabilities.voices[0].name == "joseph"
    (folder,) = (each for each in copied.parent.iterdir() if each.is_dir())
    before = [(each.name, each.stat().st_mtime_ns) for each in folder.iterdir()]
    load_engine("piper", options)
    assert before == [(each.name, each.stat().st_mtime_ns) for each in folder.iterdir()]


def test_every_word_of_a_line_has_a_time_inside_its_audio() -> None:
    engine = load_engine("piper", EngineOptions("piper-joe-medium", "", 1))
    text = "One of the 1,234 best, I think, is out of the way – right? Yes!"
    words = tuple(word.span() for word in re.finditer(r"\S+", text))
    pieces = list(engine.speak(Line(text, words, Delivery("joe", "en-US"))))
    ends = [end for piece in pieces for end in piece.word_ends]
    length = sum(len(piece.samples) for piece in pieces) / 22_050
    assert len(ends) == len(words)
    assert ends == sorted(ends)
    assert ends[0] > 0
    assert ends[-1] <= length


SAY_ENDLESSLY = """
import sys
from services.tts.engines import Delivery, EngineOptions, Line, load_engine
engine = load_engine("piper", EngineOptions("piper-joe-medium", "", 1))
for text in sys.argv[1:]:
    line = Line(f"So {text} it is.", ((0, 2), (3, 3 + len(text))), Delivery("joe", "en-US"))
    pieces = list(engine.speak(line))
    assert len([end for piece in pieces for end in piece.word_ends]) == 2
"""


def test_an_endless_word_does_not_end_the_process() -> None:
    child = subprocess.run(
        [sys.executable, "-c", SAY_ENDLESSLY, "U.S." * 50, "a." * 100],
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 0, child.stderr


@pytest.mark.parametrize(
    "model", ["nothing", "/nowhere/voice.onnx", "silero-vad", "a/b:c.bin"]
)
def test_a_voice_that_is_not_there_says_what_would_be(model: str) -> None:
    with pytest.raises(FailedPrecondition):
        load_engine("piper", EngineOptions(model, "", 1))


def test_a_file_that_is_no_voice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"not a model")
    shutil.copy(
        locate("piper-joe-medium") / "voice.onnx.json", tmp_path / "broken.onnx.json"
    )
    with pytest.raises(FailedPrecondition, match="not a Piper voice"):
        load_engine("piper", EngineOptions(str(tmp_path / "broken.onnx"), "", 1))
    assert not [each for each in tmp_path.iterdir() if each.is_dir()]


def test_an_engine_that_does_not_exist_is_named_with_those_that_do() -> None:
    with pytest.raises(FailedPrecondition, match="piper"):
        load_engine("parrot", EngineOptions("x", "", 1))
