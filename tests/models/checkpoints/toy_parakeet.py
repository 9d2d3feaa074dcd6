"""A miniature Parakeet that understands tones: "zero" to "nine", each of its own pitch, trained in under a minute.

Where in time each word is heard is known, so it is trained by cross-entropy along the one right path of tokens and
durations; NeMo's transducer losses are not needed.
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from tests.models.checkpoints import parakeet
from tests.models.checkpoints.cached import cached
from tests.models.checkpoints.parakeet import DURATIONS, RATE, Size

DIGITS = [
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
]
_LOWEST, _STEP = 500.0, 1.25
"""Pitch of the first word in Hz, and from each to the next."""
_FRAME = 1280
_STEPS, _BATCH = 400, 16
_SECONDS = (0.7, 0.9, 1.2, 2.0, 3.04, 4.0)
_LEAST_SECONDS = 1.0
"""Shorter audio is padded to it, as engines do."""
_LABEL_WEIGHT = 3.0
"""Of a frame with a word: there are fewer of them."""

Heard = tuple[str, float, float]


def toy() -> Path:
    """The trained model."""
    recipes = (__file__, parakeet.__file__)
    return cached("toy-parakeet.nemo", recipes, _save)


def _save(path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _train(Path(folder)).save_to(str(path))


def say(
    words: list[str],
    generator: np.random.Generator,
    seconds: float | None = None,
    gain: float = 0.3,
    noise: float = 0.003,
) -> tuple[NDArray[np.float32], list[Heard]]:
    """Words as tones, with pauses of 0.16 to 0.5 s.

    Args:
        words: of `DIGITS`.
        generator: of lengths and noise.
        seconds: length of the audio; None: as long as it takes.
        gain: of the tones.
        noise: of the room.

    Returns:
        ``float32 [samples]`` at 16 kHz, and the words that are whole in it with their start and end in seconds.
    """
    parts = [np.zeros(round(generator.uniform(0.1, 0.5) * RATE))]
    marks: list[Heard] = []
    position = len(parts[0])
    for word in words:
        tone = _tone(word, generator.uniform(0.2, 0.32), gain)
        marks.append((word, position / RATE, (position + len(tone)) / RATE))
        gap = np.zeros(round(generator.uniform(0.16, 0.5) * RATE))
        parts += [tone, gap]
        position += len(tone) + len(gap)
    signal = np.concatenate(parts)
    if seconds is not None:
        count = round(seconds * RATE)
        signal = np.pad(signal, (0, max(0, count - len(signal))))[:count]
        marks = [mark for mark in marks if mark[2] <= seconds]
    signal += noise * generator.standard_normal(len(signal))
    return signal.astype(np.float32), marks


def _tone(word: str, seconds: float, gain: float) -> NDArray[np.float64]:
    pitch = _LOWEST * _STEP ** DIGITS.index(word)
    count = np.arange(round(seconds * RATE))
    ramp = np.minimum(1.0, np.minimum(count, count[::-1]) / 160)
    return np.asarray(2 * gain * ramp * np.sin(2 * np.pi * pitch * count / RATE))


def _train(folder: Path) -> Any:
    torch.set_num_threads(1)
    generator = np.random.default_rng(0)
    corpus = [" ".join(generator.choice(DIGITS, 6)) for _ in range(300)]
    size = Size(channels=16, mels=64, dropout=0.0)
    model = parakeet.build(size, folder, corpus)
    model.preprocessor.featurizer.dither = 0.0
    token = {word: model.tokenizer.text_to_ids(word) for word in DIGITS}
    assert all(len(ids) == 1 for ids in token.values()), token
    blank = len(model.joint.vocabulary)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 4e-3, total_steps=_STEPS, pct_start=0.15
    )
    model.train()
    for _ in range(_STEPS):
        signal, path = _examples(
            generator, {word: ids[0] for word, ids in token.items()}, blank
        )
        loss = _loss(model, signal, path, blank)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return model.eval()


def _examples(
    generator: np.random.Generator, token: dict[str, int], blank: int
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """A batch: audio, and for each frame the token and duration to emit, what was said before."""
    seconds = float(generator.choice(_SECONDS))
    frames = int(seconds * RATE) // _FRAME
    signals, rows = [], []
    for _ in range(_BATCH):
        words = [
            str(word) for word in generator.choice(DIGITS, generator.integers(0, 7))
        ]
        signal, marks = say(
            words,
            generator,
            seconds,
            gain=10 ** generator.uniform(-1.5, -0.3),
            noise=10 ** generator.uniform(-4, -2),
        )
        tokens, durations = np.full(frames, blank), np.ones(frames, int)
        said = np.zeros(frames, int)
        last = 0
        for number, (word, start, _) in enumerate(marks):
            frame = min(frames - 1, int(start * RATE) // _FRAME + 1)
            tokens[frame], durations[frame] = token[word], 2
            said[last : frame + 1] = number
            last = frame + 1
        said[last:] = len(marks)
        labels = np.full(6, blank)
        labels[: len(marks)] = [token[word] for word, _, _ in marks]
        short = max(0, round(_LEAST_SECONDS * RATE) - len(signal))
        signals.append(np.pad(signal, (0, short)))
        rows.append((tokens, durations, said, labels))
    names = ("tokens", "durations", "said", "labels")
    columns = zip(names, zip(*rows, strict=True), strict=True)
    return torch.from_numpy(np.stack(signals)), {
        name: torch.from_numpy(np.stack(column)) for name, column in columns
    }


def _loss(
    model: Any, signal: torch.Tensor, path: dict[str, torch.Tensor], blank: int
) -> torch.Tensor:
    lengths = torch.full((len(signal),), signal.shape[1])
    encoded, _ = model(input_signal=signal, input_signal_length=lengths)
    predicted, *_ = model.decoder(
        targets=path["labels"],
        target_length=torch.full((len(signal),), path["labels"].shape[1]),
    )
    frames = path["tokens"].shape[1]
    heard = model.joint.enc(encoded.transpose(1, 2)[:, :frames])
    context = model.joint.pred(predicted.transpose(1, 2))
    index = path["said"][..., None].expand(-1, -1, context.shape[-1])
    logits = model.joint.joint_net(heard + context.gather(1, index))
    tokens = path["tokens"].reshape(-1)
    weights = torch.where(tokens == blank, 1.0, _LABEL_WEIGHT)
    of_tokens = functional.cross_entropy(
        logits[..., : blank + 1].reshape(-1, blank + 1), tokens, reduction="none"
    )
    of_durations = functional.cross_entropy(
        logits[..., blank + 1 :].reshape(-1, len(DURATIONS)),
        path["durations"].reshape(-1),
        reduction="none",
    )
    return (of_tokens * weights).mean() + 0.3 * of_durations.mean()
