"""The engine: what it hears, that batches change nothing, and what it refuses."""

import copy
import errno
import tempfile
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from nemo.collections.asr.models import ASRModel, EncDecCTCModelBPE
from nemo.collections.asr.models.rnnt_bpe_models_prompt import (
    EncDecRNNTBPEModelWithPrompt,
)
from nemo.collections.asr.parts.submodules.transducer_decoding.tdt_label_looping import (
    GreedyBatchedTDTLabelLoopingComputer,
)
from numpy.typing import NDArray
from omegaconf import open_dict

from services.runtime.errors import EngineError, FailedPrecondition
from services.stt.engines import ENGINES, EngineLost, EngineOptions, Utterance
from services.stt.engines.parakeet import Parakeet, load
from services.stt.engines.parakeet_loading import precision_of, restore
from services.stt.engines.parakeet_network import Network
from tests.models.checkpoints.parakeet import speech
from tests.models.checkpoints.toy_parakeet import DIGITS, say

Spoken = Callable[..., list[NDArray[np.float32]]]

SECONDS = (0.3, 1.0, 1.7, 2.5, 3.1, 5.0, 5.2, 9.0)


def options(model: Path, **changes: str) -> EngineOptions:
    fields = {"device": "cpu", "precision": "auto", **changes}
    return EngineOptions(str(model), fields["device"], fields["precision"], 1)


@pytest.fixture(scope="module")
def hearing(toy: Path) -> Parakeet:
    engine = load(options(toy))
    engine.warm_up()
    return engine


@pytest.fixture(scope="module")
def random(tiny: Path) -> Parakeet:
    return load(options(tiny))


def test_warming_up_measures_how_many_it_carries(tiny: Path) -> None:
    assert 1 <= load(options(tiny)).warm_up() <= 256


def test_words_are_heard_where_they_were_said(hearing: Parakeet) -> None:
    right = 0
    for seed in range(20):
        generator = np.random.default_rng(seed)
        said = [str(word) for word in generator.choice(DIGITS, 4)]
        samples, marks = say(said, generator)
        (transcript,) = hearing.transcribe([Utterance(samples, "en")])
        if transcript.text != " ".join(said):
            continue
        right += 1
        assert [word.text for word in transcript.words] == said
        assert 0.3 < transcript.confidence <= 1.0
        for word, (_, start, end) in zip(transcript.words, marks, strict=True):
            assert start - 0.1 <= word.start <= end
            assert word.start <= word.end <= end + 0.25
            assert 0.0 < word.confidence <= 1.0
    assert right >= 15


def test_a_batch_hears_what_each_utterance_alone_would(random: Parakeet) -> None:
    utterances = [Utterance(speech(s, n), "auto") for n, s in enumerate(SECONDS)]
    alone = [random.transcribe([each])[0] for each in utterances]
    together = random.transcribe(utterances)
    assert sum(bool(each.text) for each in alone) >= 5
    for one, other in zip(alone, together, strict=True):
        assert other.text == one.text
        assert [(w.start, w.end) for w in other.words] == [
            (w.start, w.end) for w in one.words
        ]
        assert other.confidence == pytest.approx(one.confidence, abs=1e-4)


def test_padding_changes_nothing_behind_the_encoder(tiny: Path) -> None:
    network = Network(restore(tiny, "cpu"), "cpu", "float32", 1)
    short, long = speech(2.0, 1), speech(9.0, 2)
    alone, padded = network.encode([short]), network.encode([short, long])
    count = int(alone.counts[0])
    assert int(padded.counts[0]) == count
    difference = (alone.frames[0, :count] - padded.frames[0, :count]).abs().max()
    assert float(difference) < 1e-4 * float(alone.frames.abs().max())


def test_the_batched_decoder_hears_what_the_plain_one_hears(tiny: Path) -> None:
    signals = [speech(seconds, seed) for seed, seconds in enumerate((2.0, 3.3, 4.7))]
    network = Network(restore(tiny, "cpu"), "cpu", "float32", 1)
    batched = network.decoder.decode(network.encode(signals))
    model = restore(tiny, "cpu")
    decoding = copy.deepcopy(model.cfg.decoding)
    with open_dict(decoding):
        decoding.strategy = "greedy"
    model.change_decoding_strategy(decoding, verbose=False)
    model.preprocessor.featurizer.dither = 0.0
    model.eval()
    for signal, tokens in zip(signals, batched, strict=True):
        with torch.inference_mode():
            encoded, counts = model(
                input_signal=torch.from_numpy(signal)[None],
                input_signal_length=torch.tensor([len(signal)]),
            )
            (plain,) = model.decoding.rnnt_decoder_predictions_tensor(encoded, counts)
        assert plain.text, "the plain decoder must hear something here"
        pieces = model.tokenizer.ids_to_tokens([int(each) for each in plain.y_sequence])
        assert [token.piece for token in tokens] == pieces


def test_a_batched_decoder_that_hears_nothing_is_found_before_serving(
    random: Parakeet, monkeypatch: pytest.MonkeyPatch
) -> None:
    hear = GreedyBatchedTDTLabelLoopingComputer.__call__

    def deaf(self: object, *arguments: object) -> object:
        hypotheses, state = hear(self, *arguments)
        hypotheses.current_lengths.zero_()
        return hypotheses, state

    monkeypatch.setattr(GreedyBatchedTDTLabelLoopingComputer, "__call__", deaf)
    with pytest.raises(EngineError, match="hears nothing"):
        random.warm_up()


def test_what_nobody_waits_for_any_more_ends_between_two_layers(
    random: Parakeet,
) -> None:
    answers: Iterator[bool] = iter([True, True])
    asked = []

    def wanted() -> bool:
        asked.append(next(answers, False))
        return asked[-1]

    given_up = Utterance(speech(2.0, 0), "en", wanted=wanted)
    (transcript,) = random.transcribe([given_up])
    assert transcript.text == ""
    assert asked == [True, True, False], "before, at the first layer, at the second"


def test_others_of_a_batch_are_heard_though_one_is_given_up(random: Parakeet) -> None:
    samples = speech(3.1, 4)
    (alone,) = random.transcribe([Utterance(samples, "en")])
    gone = Utterance(speech(3.0, 1), "en", wanted=lambda: False)
    nothing, heard = random.transcribe([gone, Utterance(samples, "en")])
    assert alone.text == heard.text != ""
    assert nothing.text == ""


def test_one_that_is_given_up_behind_the_encoder_is_not_decoded(
    random: Parakeet,
) -> None:
    samples = speech(3.1, 4)
    (alone,) = random.transcribe([Utterance(samples, "en")])
    # Wanted before the encoder and at its two layers, and no longer.
    answers = iter([True] * 3)
    gone = Utterance(speech(3.0, 1), "en", wanted=lambda: next(answers, False))
    nothing, heard = random.transcribe([gone, Utterance(samples, "en")])
    assert (nothing.text, heard.text) == ("", alone.text)


@pytest.mark.parametrize("seconds", [0.0, 0.001, 0.02, 0.1, 0.5])
def test_short_utterances_are_no_failure(random: Parakeet, seconds: float) -> None:
    (transcript,) = random.transcribe([Utterance(speech(seconds, 0), "en")])
    assert all(word.end <= seconds for word in transcript.words)


def test_silence_is_not_decoded(random: Parakeet) -> None:
    (transcript,) = random.transcribe([Utterance(np.zeros(32_000, np.float32), "en")])
    assert (transcript.text, transcript.words, transcript.confidence) == ("", (), 0.0)


def test_times_rise_and_words_cover_the_text(random: Parakeet) -> None:
    (transcript,) = random.transcribe([Utterance(speech(9.0, 3), "en")])
    assert transcript.text == " ".join(word.text for word in transcript.words)
    for before, after in pairwise(transcript.words):
        assert before.start <= before.end <= after.start


def test_eight_bits_hear_the_same_words(toy: Path, spoken: Spoken) -> None:
    engine = load(options(toy, precision="int8"))
    phrases = ("one two three", "four five six", "seven eight nine", "zero")
    utterances = [Utterance(spoken(phrase)[0], "en") for phrase in phrases]
    heard = [each.text for each in engine.transcribe(utterances)]
    assert sum(a == b for a, b in zip(heard, phrases, strict=True)) >= 3


def test_half_the_bits_hear_the_same_words(toy: Path, spoken: Spoken) -> None:
    engine = load(options(toy, precision="bfloat16"))
    phrases = ("one two three", "four five six", "seven eight nine", "zero")
    utterances = [Utterance(spoken(phrase)[0], "en") for phrase in phrases]
    heard = [each.text for each in engine.transcribe(utterances)]
    assert sum(a == b for a, b in zip(heard, phrases, strict=True)) >= 3


def test_a_precision_that_there_is_not_is_refused(tiny: Path) -> None:
    with pytest.raises(FailedPrecondition, match="auto, float32, int8, bfloat16"):
        load(options(tiny, precision="int4"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused(tiny: Path) -> None:
    with pytest.raises(FailedPrecondition, match="no GPU"):
        load(options(tiny, device="cuda"))


@pytest.mark.parametrize(("there", "chosen"), [(True, "bfloat16"), (False, "float32")])
def test_a_gpu_that_would_emulate_half_precision_is_not_made_to(
    monkeypatch: pytest.MonkeyPatch, there: bool, chosen: str
) -> None:
    def supported(including_emulation: bool = True) -> bool:
        return including_emulation or there

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    assert precision_of("auto", "cuda") == chosen


def test_an_error_of_the_device_is_not_taken_for_one_of_the_utterance(
    random: Parakeet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> object:
        raise error

    monkeypatch.setattr(GreedyBatchedTDTLabelLoopingComputer, "__call__", fails)
    utterance = Utterance(speech(1.0, 0), "en")
    error: Exception = torch.AcceleratorError("an illegal memory access")
    with pytest.raises(EngineLost, match="illegal"):
        random.transcribe([utterance])
    error = torch.OutOfMemoryError("tried to allocate 4 GiB")
    with pytest.raises(EngineError, match="allocate"):
        random.transcribe([utterance])


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "broken.nemo"
    broken.write_bytes(b"not a tar archive")
    for model, said in (
        (broken, "NeMo could not load"),
        (tmp_path / "missing.nemo", "there is no model"),
        (tmp_path.parent, "not exactly one|should be one .nemo file"),
    ):
        with pytest.raises(FailedPrecondition, match=said):
            ENGINES["parakeet"](options(model))


def test_without_room_to_unpack_it_the_folder_is_named(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> object:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(ASRModel, "restore_from", full)
    with pytest.raises(FailedPrecondition, match=f"{tempfile.gettempdir()}.*TMPDIR"):
        restore(tiny, "cpu")


def test_a_gpu_that_is_too_small_says_what_would_fit(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> object:
        raise torch.OutOfMemoryError("CUDA out of memory")

    engine = load(options(tiny))
    monkeypatch.setattr(Network, "check_decoder", full)
    with pytest.raises(EngineError, match="max_batch"):
        engine.warm_up()


@pytest.mark.parametrize("kind", [EncDecRNNTBPEModelWithPrompt, EncDecCTCModelBPE])
def test_models_of_another_kind_are_refused(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, kind: type
) -> None:
    other = object.__new__(kind)
    monkeypatch.setattr(ASRModel, "restore_from", lambda *_, **__: other)
    with pytest.raises(FailedPrecondition, match=kind.__name__):
        restore(tiny, "cpu")


def test_an_unknown_model_promises_no_language(random: Parakeet) -> None:
    can = random.capabilities
    assert (can.model, can.languages) == ("tiny-parakeet", ("auto",))
    assert can.word_times and can.confidence and not can.hint_phrases
    samples = speech(3.1, 4)
    (detected,) = random.transcribe([Utterance(samples, "auto")])
    (asked,) = random.transcribe([Utterance(samples, "de")])
    assert (detected.language, asked.language) == ("und", "de")
