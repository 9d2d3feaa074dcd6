"""Parakeet's ``.nemo`` archive in miniature: the same classes and configuration keys, random weights.

A random encoder's output hardly changes over time, so a decoder would hear nothing in it, or one letter for ever.
`calibrate` spreads it out and sets how often a token comes, so that what is heard depends on the audio.
"""

import random
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece
import torch
from nemo.collections.asr.models import EncDecRNNTBPEModel
from numpy.typing import NDArray
from omegaconf import OmegaConf

from tests.models.checkpoints.cached import cached

RATE = 16_000
DURATIONS = [0, 1, 2, 3, 4]
WORDS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "hello",
    "world",
    "this",
    "is",
    "a",
    "test",
    "of",
    "the",
    "speech",
    "to",
    "text",
    "service",
    "please",
    "turn",
    "on",
    "the",
    "light",
    "what",
    "time",
    "is",
    "it",
    "in",
    "the",
    "morning",
    "thank",
    "you",
    "good",
    "bye",
    "yes",
    "no",
    "stop",
    "start",
    "open",
    "close",
    "door",
]


@dataclass(frozen=True)
class Size:
    """Dimensions; the defaults are the miniature's.

    Attributes:
        streaming: a cache-aware encoder: causal convolutions and attention in chunks, RNN-T without durations.
    """

    width: int = 64
    layers: int = 2
    heads: int = 4
    channels: int = 32
    predictor: int = 32
    predictor_layers: int = 1
    mels: int = 128
    dropout: float = 0.1
    streaming: bool = False


FULL = Size(1024, 24, 8, 256, 640, 2)
"""Of nvidia/parakeet-tdt-0.6b-v2 and -v3."""


def tiny() -> Path:
    """A random Parakeet TDT."""
    return cached("tiny-parakeet.nemo", (__file__,), lambda path: save(Size(), path))


def tiny_streaming() -> Path:
    """A random cache-aware one."""
    return cached(
        "tiny-streaming.nemo",
        (__file__,),
        lambda path: save(Size(streaming=True), path),
    )


def save(size: Size, path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        model = build(size, Path(folder))
        calibrate(model)
        model.save_to(str(path))


def build(
    size: Size, folder: Path, corpus: list[str] | None = None, seed: int = 0
) -> Any:
    """A model with random weights, in evaluation mode.

    Args:
        size: of the network.
        folder: for its tokenizer, which is needed again where it is saved.
        corpus: sentences that its tokenizer is trained on.
        seed: of the weights.
    """
    torch.manual_seed(seed)
    _train_tokenizer(folder, corpus or _sentences())
    return EncDecRNNTBPEModel(cfg=OmegaConf.create(_config(str(folder), size))).eval()


def speech(seconds: float, seed: int) -> NDArray[np.float32]:
    """Bursts of tones in noise, as restless as speech.

    Returns:
        ``float32 [samples]`` at 16 kHz.
    """
    generator = np.random.default_rng(seed)
    count = round(seconds * RATE)
    time = np.arange(count) / RATE
    signal = generator.standard_normal(count) * 0.01
    for start in range(0, count, 4000):
        end = min(count, start + int(generator.uniform(2000, 4000)))
        tone = np.sin(2 * np.pi * generator.uniform(120, 3500) * time[start:end])
        signal[start:end] += 0.3 * tone * np.hanning(end - start)
    return signal.astype(np.float32)


def calibrate(model: Any, blanks: float = 0.6, seconds: float = 4.0) -> None:
    """Let tokens depend on the audio.

    Args:
        model: changed in place.
        blanks: share of frames without a token.
        seconds: length of each of the eight signals that it is fitted to.
    """
    with torch.no_grad():
        signal = torch.from_numpy(
            np.stack([speech(seconds, seed) for seed in range(8)])
        )
        lengths = torch.full((len(signal),), signal.shape[1])
        encoded, _ = model(input_signal=signal, input_signal_length=lengths)
        frames = encoded.transpose(1, 2).reshape(-1, encoded.shape[1])
        project, output = model.joint.enc, model.joint.joint_net[-1]
        spread = (frames @ project.weight.T).std(0).clamp(min=1e-6)
        project.weight.div_(spread[:, None])
        project.bias.copy_(-(frames @ project.weight.T).mean(0))
        output.weight.normal_(0, 1.0)
        output.bias.zero_()
        blank = len(model.joint.vocabulary)
        logits = torch.relu(frames @ project.weight.T + project.bias) @ output.weight.T
        margin = logits[:, :blank].max(-1).values - logits[:, blank]
        output.bias[blank] = torch.quantile(margin, blanks)
        if len(output.bias) > blank + 1:
            # Never two tokens in one frame: a random network would not leave it again.
            output.bias[blank + 1] = -30.0


def _sentences() -> list[str]:
    generator = random.Random(0)
    return [
        " ".join(generator.choices(WORDS, k=generator.randint(3, 9))).capitalize()
        + generator.choice(".?!,")
        for _ in range(400)
    ]


def _train_tokenizer(folder: Path, corpus: list[str]) -> None:
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus),
        model_prefix=str(folder / "tokenizer"),
        vocab_size=64,
        model_type="bpe",
        character_coverage=1.0,
        bos_id=-1,
        eos_id=-1,
        unk_id=0,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    lines = (folder / "tokenizer.vocab").read_text().splitlines()
    pieces = [line.split("\t")[0] for line in lines]
    # NeMo wants it beside the model's own.
    (folder / "vocab.txt").write_text("\n".join(p for p in pieces if p != "<unk>"))


def _config(tokenizer: str, size: Size) -> dict[str, Any]:
    asr = "nemo.collections.asr.modules"
    durations = [] if size.streaming else DURATIONS
    encoder = {
        "_target_": f"{asr}.ConformerEncoder",
        "feat_in": size.mels,
        "feat_out": -1,
        "n_layers": size.layers,
        "d_model": size.width,
        "use_bias": False,
        "subsampling": "dw_striding",
        "subsampling_factor": 8,
        "subsampling_conv_channels": size.channels,
        "causal_downsampling": False,
        "ff_expansion_factor": 4,
        "self_attention_model": "rel_pos",
        "n_heads": size.heads,
        "att_context_size": [-1, -1],
        "att_context_style": "regular",
        "xscaling": False,
        "untie_biases": True,
        "pos_emb_max_len": 5000,
        "conv_kernel_size": 9,
        "conv_norm_type": "batch_norm",
        "conv_context_size": None,
        "dropout": size.dropout,
        "dropout_pre_encoder": size.dropout,
        "dropout_emb": 0.0,
        "dropout_att": size.dropout,
    }
    if size.streaming:
        encoder |= {
            "causal_downsampling": True,
            "att_context_size": [[70, 13], [70, 6], [70, 1], [70, 0]],
            "att_context_style": "chunked_limited",
            "conv_norm_type": "layer_norm",
            "conv_context_size": "causal",
        }
    config = {
        "sample_rate": RATE,
        "compute_eval_loss": False,
        "log_prediction": False,
        "rnnt_reduction": "mean_volume",
        "skip_nan_grad": False,
        "model_defaults": {
            "enc_hidden": size.width,
            "pred_hidden": size.predictor,
            "joint_hidden": size.predictor,
        },
        "tokenizer": {"dir": tokenizer, "type": "bpe"},
        "preprocessor": {
            "_target_": f"{asr}.AudioToMelSpectrogramPreprocessor",
            "sample_rate": RATE,
            "normalize": "NA" if size.streaming else "per_feature",
            "window_size": 0.025,
            "window_stride": 0.01,
            "window": "hann",
            "features": size.mels,
            "n_fft": 512,
            "frame_splicing": 1,
            "dither": 1e-5,
            "pad_to": 0,
        },
        "encoder": encoder,
        "decoder": {
            "_target_": f"{asr}.RNNTDecoder",
            "normalization_mode": None,
            "random_state_sampling": False,
            "blank_as_pad": True,
            "prednet": {
                "pred_hidden": size.predictor,
                "pred_rnn_layers": size.predictor_layers,
                "t_max": None,
                "dropout": size.dropout,
            },
        },
        "joint": {
            "_target_": f"{asr}.RNNTJoint",
            "log_softmax": None,
            "preserve_memory": False,
            "fuse_loss_wer": False,
            "fused_batch_size": -1,
            "jointnet": {
                "joint_hidden": size.predictor,
                "activation": "relu",
                "dropout": size.dropout,
                "encoder_hidden": size.width,
                "pred_hidden": size.predictor,
            },
            "num_extra_outputs": len(durations),
        },
        "decoding": {
            "strategy": "greedy_batch",
            "greedy": {"max_symbols": 10},
            "beam": {"beam_size": 2, "return_best_hypothesis": False},
        },
        "optim": {"name": "adamw", "lr": 1e-3},
    }
    if durations:
        config["model_defaults"] |= {
            "tdt_durations": durations,
            "num_tdt_durations": len(durations),
        }
        config["decoding"] |= {"model_type": "tdt", "durations": durations}
        config["loss"] = {
            "loss_name": "tdt",
            "tdt_kwargs": {
                "fastemit_lambda": 0.0,
                "clamp": -1.0,
                "durations": durations,
                "sigma": 0.02,
                "omega": 0.1,
            },
        }
    return config
