"""The parts that lines are not needed for: choosing codes, counting lines, loading, what a checkpoint offers."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from services.runtime.errors import FailedPrecondition
from services.tts.engines import EngineOptions, load_engine
from services.tts.engines.qwen3.engine import Qwen3Engine
from services.tts.engines.qwen3.graphs import GraphedStep
from services.tts.engines.qwen3.importing import qwen_tts
from services.tts.engines.qwen3.loading import read_checkpoint
from services.tts.engines.qwen3.sampling import (
    Sampling,
    choose,
    penalize,
    predictor_sampling,
    talker_sampling,
)
from services.tts.engines.qwen3.voices import read_offer
from services.tts.engines.qwen3.warming import most_lines
from tests.models.checkpoints import qwen3
from tests.models.tts.conftest import Heard, Loaded, line, make_engine, speak, step

LOGITS = torch.tensor([[2.0, 1.0, 0.5, -1.0], [-1.0, 3.0, 3.5, 0.0]])


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(greedy=True),
        Sampling(top_k=1),
        Sampling(top_p=1e-6),
        Sampling(top_k=0, temperature=1e-6),
    ],
)
def test_what_leaves_no_choice_takes_the_likeliest(sampling: Sampling) -> None:
    assert choose(LOGITS, sampling).tolist() == [0, 2]


def test_codes_are_drawn_as_often_as_their_probability_says() -> None:
    torch.manual_seed(0)
    sampling = Sampling(temperature=0.9, top_k=3)
    drawn = choose(LOGITS[:1].expand(40_000, -1), sampling)
    often = torch.bincount(drawn, minlength=4) / len(drawn)
    wanted = (LOGITS[0, :3] / 0.9).softmax(-1)
    assert often[3] == 0.0
    assert torch.allclose(often[:3], wanted, atol=0.01)


def test_top_p_keeps_the_likeliest_that_reach_it() -> None:
    torch.manual_seed(0)
    chances = torch.tensor([[0.5, 0.3, 0.15, 0.05]])
    sampling = Sampling(temperature=1.0, top_k=0, top_p=0.7)
    drawn = choose(chances.log().expand(2_000, -1), sampling)
    assert set(drawn.tolist()) == {0, 1}


def test_what_was_said_gets_less_likely_whatever_its_sign() -> None:
    seen = torch.tensor([[True, False, False, True], [False, False, True, False]])
    lowered = penalize(LOGITS, seen, 2.0)
    assert lowered.tolist() == [[1.0, 1.0, 0.5, -2.0], [-1.0, 3.0, 1.75, 0.0]]


def test_sampling_is_the_checkpoints() -> None:
    config = {"temperature": 0.5, "top_k": 7, "subtalker_dosample": False}
    assert talker_sampling(config, greedy=False) == Sampling(temperature=0.5, top_k=7)
    assert predictor_sampling(config, greedy=False).greedy


@pytest.mark.parametrize(
    ("taken", "lines"),
    [
        ([(1, 0.02), (2, 0.03), (4, 0.04)], 4),
        ([(1, 0.02), (2, 0.03), (4, 0.06), (8, 0.07)], 5),
        ([(1, 0.064), (2, 0.065)], 1),
        ([(1, 0.7)], 0),
    ],
)
def test_lines_are_counted_up_to_what_a_step_may_last(
    taken: list[tuple[int, float]], lines: int
) -> None:
    assert most_lines(taken, allowed=0.064) == lines


def test_warming_up_measures_and_leaves_every_place_free(
    loaded: Loaded,
) -> None:
    engine = make_engine(loaded("base"), batch=2)
    assert engine.warm_up() in (0, 1, 2)
    rows = [engine.begin(line("Hi.", "cloned")) for _ in range(2)]
    assert all(row.slot is None for row in rows)
    assert not engine._open


class _Waits(TorchDispatchMode):
    """Refuses what would make the host wait for a device, or copy from the host, which no CUDA graph can hold."""

    REFUSED = ("_local_scalar_dense", "nonzero", "equal", "lift_fresh", "masked_select")

    def __torch_dispatch__(
        self,
        operation: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        name = operation.overloadpacket.__name__
        assert name not in self.REFUSED, f"{name} waits"
        return operation(*args, **(kwargs or {}))


@pytest.mark.parametrize("greedy", [True, False])
def test_a_step_can_be_a_cuda_graph(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch, greedy: bool
) -> None:
    run: Callable[[GraphedStep, int], None] = GraphedStep.__call__

    def watched(graphed: GraphedStep, rows: int) -> None:
        with _Waits():
            run(graphed, rows)

    engine = make_engine(loaded(), greedy=greedy)
    monkeypatch.setattr(GraphedStep, "__call__", watched)
    (heard,) = speak(engine, [line("Hello.")], frames=4)
    assert heard.pieces
    with pytest.raises(AssertionError, match="waits"), _Waits():
        torch.tensor(1.0).item()


def test_lines_are_drawn_anew_each_time_unless_greedy(loaded: Loaded) -> None:
    engine = make_engine(loaded(end_after=None), greedy=False)
    one, other = speak(engine, [line("Hello.")] * 2, frames=8)
    assert not (one.samples == other.samples).all()


def test_a_reference_is_listened_to_once(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch, reference: Any
) -> None:
    wrapper = loaded("base")
    listened = []
    listen = wrapper.create_voice_clone_prompt
    monkeypatch.setattr(
        wrapper,
        "create_voice_clone_prompt",
        lambda **given: (listened.append(given), listen(**given))[1],
    )
    engine = make_engine(wrapper)
    for _ in range(2):
        speak(engine, [line("Hi.", "cloned", reference=reference)], frames=2)
    assert len(listened) == 1
    assert listened[0]["ref_audio"][1] == 24_000


def test_a_closed_line_may_be_closed_again(loaded: Loaded) -> None:
    engine = make_engine(loaded())
    row = engine.begin(line("Hello."))
    step(engine, {row: Heard()})
    row.close()
    row.close()
    assert row.slot is None


@pytest.mark.parametrize(
    ("kind", "size", "voices", "instructions"),
    [
        ("custom_voice", qwen3.SMALL, 9, False),
        ("custom_voice", qwen3.LARGE, 9, True),
        ("voice_design", qwen3.LARGE, 1, True),
        ("base", qwen3.SMALL, 1, False),
    ],
)
def test_a_checkpoint_says_what_it_offers(
    loaded: Loaded, kind: str, size: str, voices: int, instructions: bool
) -> None:
    offer = read_offer(loaded(kind, size).model, "")
    assert len(offer.voices) == voices
    assert offer.instructions == instructions
    assert offer.voices[0].languages[0] == "en"
    spoken = {"en", "zh", "de", "fr", "es", "it", "pt", "ru", "ja", "ko", "und"}
    assert all(set(voice.languages) == spoken for voice in offer.voices)


def test_a_speaker_comes_first_with_the_language_they_grew_up_with(
    loaded: Loaded,
) -> None:
    offer = read_offer(loaded().model, "Eric")
    assert offer.voices[0].name == "eric"
    assert offer.voices[0].languages[0] == "zh"
    assert "sichuan" in offer.voices[0].description


def test_a_speaker_that_nobody_knows_is_refused_with_the_list(loaded: Loaded) -> None:
    with pytest.raises(FailedPrecondition, match=r"nobody.*ryan"):
        read_offer(loaded().model, "nobody")


def test_an_engine_is_loaded_from_a_folder() -> None:
    folder = qwen3.tiny()
    engine = load_engine("qwen3", EngineOptions(str(folder), "", 1, max_batch=2))
    assert engine.capabilities.model == folder.name
    assert engine.capabilities.batch == 2
    assert engine.capabilities.open == 2
    assert not engine.capabilities.speed
    # It would plan for some hundred milliseconds at every new length of a prompt.
    assert not torch.backends.cuda.cudnn_sdp_enabled()
    engine.close()


def test_as_many_lines_may_be_open_as_replies_are_admitted() -> None:
    options = EngineOptions(str(qwen3.tiny()), "", 1, max_batch=2, max_open=5)
    engine = load_engine("qwen3", options)
    assert engine.capabilities.open == 5
    engine.close()


def test_half_precision_is_for_the_talker_and_not_for_the_sound() -> None:
    wrapper = read_checkpoint(
        qwen_tts(), qwen3.tiny(), torch.device("cpu"), torch.bfloat16
    )
    decoder = wrapper.model.speech_tokenizer.model.decoder
    assert {weight.dtype for weight in decoder.parameters()} == {torch.float32}
    assert wrapper.model.talker.codec_head.weight.dtype is torch.bfloat16
    engine = Qwen3Engine(wrapper, read_offer(wrapper.model, ""), "tiny", 1)
    (heard,) = speak(engine, [line("Hello, how are you today?")], frames=4)
    assert len(heard.samples) and heard.error is None
    engine.close()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"device": "toaster"}, "device 'toaster'"),
        ({"device": "cuda"}, "no CUDA"),
        ({"precision": "int3"}, "precision 'int3'"),
    ],
)
def test_what_cannot_be_had_is_refused_with_what_there_is(
    options: dict[str, str], said: str
) -> None:
    if options.get("device") == "cuda" and torch.cuda.is_available():
        pytest.skip("there is CUDA here")
    with pytest.raises(FailedPrecondition, match=said):
        load_engine("qwen3", EngineOptions(str(qwen3.tiny()), "", 1, **options))


def test_a_folder_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(FailedPrecondition, match="no Qwen3-TTS checkpoint"):
        load_engine("qwen3", EngineOptions(str(tmp_path), "", 1))


def test_a_checkpoint_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "half"
    shutil.copytree(qwen3.tiny(), folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
    with pytest.raises(FailedPrecondition, match="no Qwen3-TTS checkpoint"):
        load_engine("qwen3", EngineOptions(str(folder), "", 1))


def test_the_import_leaves_no_stand_ins_behind() -> None:
    for name in ("torchaudio", "onnxruntime", "sox"):
        assert getattr(sys.modules.get(name), "__file__", "") is not None
