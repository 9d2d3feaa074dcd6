"""Cache-aware models: what was computed of an utterance stays, and its transcript is the same for it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from services.stt.engines import EngineOptions, Memory, Utterance
from services.stt.engines.parakeet import Parakeet, StreamingParakeet, load
from services.stt.engines.parakeet_loading import restore
from services.stt.engines.parakeet_network import Network
from services.stt.engines.parakeet_streaming import Progress, Streamer
from tests.models.checkpoints import parakeet
from tests.models.checkpoints.parakeet import RATE, speech


@pytest.fixture(scope="module")
def checkpoint() -> Path:
    return parakeet.tiny_streaming()


@pytest.fixture(scope="module")
def engine(checkpoint: Path) -> Parakeet:
    made = load(EngineOptions(str(checkpoint), "cpu", "auto", 1, batch=16))
    made.warm_up()
    return made


def grown(
    engine: Parakeet, samples: NDArray[np.float32], step: float
) -> tuple[Memory, list[str]]:
    """The texts of an utterance that grows by so many seconds, and its memory."""
    memory, texts = Memory(), []
    for end in range(round(step * RATE), len(samples) + 1, round(step * RATE)):
        utterance = Utterance(samples[:end], "en", memory=memory)
        texts.append(engine.transcribe([utterance])[0].text)
    return memory, texts


def test_the_configuration_tells_the_two_kinds_apart(
    engine: Parakeet, tiny: Path
) -> None:
    assert isinstance(engine, StreamingParakeet)
    offline = load(EngineOptions(str(tiny), "cpu", "auto", 1))
    assert not isinstance(offline, StreamingParakeet)


def test_the_stream_is_encoded_as_a_single_pass_would(checkpoint: Path) -> None:
    samples = speech(5.0, 3)
    network = Network(restore(checkpoint, "cpu"), "cpu", "float32", 1)
    streamer, progress = Streamer(network), Progress()
    while streamer.ready(progress, len(samples)):
        (progress,) = streamer.advance([progress], [samples])
    (streamed,) = streamer.finish([progress], [samples])
    (ours,) = network.decoder.decode(network.encode([samples]))
    assert [token.chance for token in streamed] == pytest.approx(
        [token.chance for token in ours], abs=1e-5
    )
    model = restore(checkpoint, "cpu")
    model.preprocessor.featurizer.dither = 0.0
    model.eval()
    with torch.inference_mode():
        encoded, counts = model(
            input_signal=torch.from_numpy(samples)[None],
            input_signal_length=torch.tensor([len(samples)]),
        )
        (whole,) = model.decoding.rnnt_decoder_predictions_tensor(
            encoded, counts, return_hypotheses=True
        )
    pieces = model.tokenizer.ids_to_tokens([int(each) for each in whole.y_sequence])
    assert len(pieces) > 10
    assert [token.piece for token in streamed] == pieces
    frames = [round(token.start / network.frame_seconds) for token in streamed]
    assert frames == [int(each) for each in whole.timestamp]


@pytest.mark.parametrize("step", [0.13, 0.8, 1.7])
def test_a_transcript_does_not_depend_on_those_before(
    engine: Parakeet, step: float
) -> None:
    samples = speech(5.1, 1)
    memory, texts = grown(engine, samples, step)
    (again,) = engine.transcribe([Utterance(samples, "en", memory=memory)])
    (alone,) = engine.transcribe([Utterance(samples, "en")])
    assert again == alone and alone.text
    assert len(set(texts)) >= 3, "it grew"


def test_what_was_computed_is_not_computed_again(
    engine: Parakeet, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = speech(9.0, 2)
    memory, _ = grown(engine, samples[: round(8.9 * RATE)], 8.9)
    chunks = []
    advance = Streamer.advance

    def counted(self: Streamer, progresses: list[Progress], *rest: object) -> object:
        chunks.append(len(progresses))
        return advance(self, progresses, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Streamer, "advance", counted)
    engine.transcribe([Utterance(samples, "en", memory=memory)])
    assert sum(chunks) <= 1
    engine.transcribe([Utterance(samples, "en")])
    assert sum(chunks) >= 7


def test_streams_that_are_differently_far_share_batches(engine: Parakeet) -> None:
    seconds = [0.01, 0.5, 1.2, 1.3, 2.0, 3.3, 5.0, 7.4]
    utterances = [Utterance(speech(s, n), "en") for n, s in enumerate(seconds)]
    for each in utterances[::2]:
        half = len(each.samples) // 2
        engine.transcribe([Utterance(each.samples[:half], "en", memory=each.memory)])
    together = engine.transcribe(utterances)
    for utterance, transcript in zip(utterances, together, strict=True):
        (alone,) = engine.transcribe([Utterance(utterance.samples, "en")])
        assert transcript.text == alone.text
        assert transcript.confidence == pytest.approx(alone.confidence, abs=1e-4)
        assert [w.start for w in transcript.words] == [w.start for w in alone.words]


def test_what_is_kept_of_one_does_not_keep_its_whole_batch(engine: Parakeet) -> None:
    utterances = [Utterance(speech(3.0, seed), "en") for seed in range(8)]
    engine.transcribe(utterances)
    progress = utterances[0].memory.kept
    assert isinstance(progress, Progress) and progress.caches is not None
    for cache in progress.caches:
        assert cache.untyped_storage().nbytes() == cache.nbytes


def test_a_shorter_beginning_than_was_heard_is_heard_anew(engine: Parakeet) -> None:
    samples = speech(6.0, 5)
    memory, _ = grown(engine, samples, 6.0)
    short = samples[: 2 * RATE]
    (resumed,) = engine.transcribe([Utterance(short, "en", memory=memory)])
    (alone,) = engine.transcribe([Utterance(short, "en")])
    assert resumed == alone


def test_what_nobody_waits_for_is_left_at_the_next_chunk(engine: Parakeet) -> None:
    answers = iter([True, True])
    gone = Utterance(speech(9.0, 1), "en", wanted=lambda: next(answers, False))
    (transcript,) = engine.transcribe([gone])
    assert transcript.text == ""
    progress = gone.memory.kept
    assert isinstance(progress, Progress)
    assert progress.features < 300
