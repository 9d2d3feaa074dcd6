"""A VITS voice cut in two, so that it can be heard before it is finished.

The graph of a Piper voice turns phonemes into a whole waveform at once. Up to the latent frames it has to see all of the
clause (that is where prosody comes from) but costs little; behind them is nothing but convolutions over frames,
which can be run on a window at a time. So the graph is cut there, once a model, and the two halves are kept.
"""

import hashlib
import tempfile
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from streaming_vits.graph import Seam, describe_decoder, find_seam

from services.runtime.errors import FailedPrecondition
from services.runtime.hub_cache import cache_folder
from services.runtime.models import models_folder
from services.runtime.onnx import load

FIRST_FRAMES = 12
"""Frames in the first window: at 22,050 Hz 139 ms of audio, enough to decode the next window behind it."""
MOST_FRAMES = 48
"""Windows double up to this (557 ms): a step stays so short that another stream's first clause need not wait long."""
LEFT_MARGIN, RIGHT_MARGIN = 20, 14
"""Frames decoded on either side of a window and thrown away. The receptive field is wider (34 and 28 leave no
difference at all), but what these leave is an error of 1-3 % of the signal, far under what is audible at a seam."""

_LAYOUT = "1"
"""Counts changes in how a graph is cut, so that older halves are not taken for new ones."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Frames:
    """What the front end makes of a clause.

    Attributes:
        latents: inputs of the decoder, ``float32 [1, channels, frames]`` where they have frames.
        durations: ``int64 [ids]``, frames of each phoneme id.
        count: frames in all.
    """

    latents: dict[str, Floats]
    durations: NDArray[np.int64]
    count: int


class SplitVits:
    """The two halves of a voice, one thread each run, nothing spinning in between."""

    def __init__(self, model: Path, threads: int) -> None:
        """Load a voice, cutting it first if that was not done yet.

        Raises:
            FailedPrecondition: the file is not a VITS voice, or its halves cannot be kept anywhere.
        """
        folder = split(model)
        self._front = load(folder / "front.onnx", threads)
        self._decoder = load(folder / "decoder.onnx", threads)
        self._decoder_inputs = [given.name for given in self._decoder.get_inputs()]
        self._wants_speaker = any(
            given.name == "sid" for given in self._front.get_inputs()
        )
        self.hop = int((folder / "hop").read_text())

    def frames(
        self, ids: list[int], scales: tuple[float, float, float], speaker: int
    ) -> Frames:
        """Run the front end on phoneme ids; scales are of noise, of length, and of noise in durations."""
        inputs = {
            "input": np.array([ids], np.int64),
            "input_lengths": np.array([len(ids)], np.int64),
            "scales": np.array(scales, np.float32),
        }
        if self._wants_speaker:
            inputs["sid"] = np.array([speaker], np.int64)
        *latents, durations = self._front.run(None, inputs)
        by_name = dict(zip(self._decoder_inputs, latents, strict=True))
        return Frames(
            by_name, durations.reshape(-1).astype(np.int64), latents[0].shape[2]
        )

    def decode(self, frames: Frames) -> Generator[Floats, None, None]:
        """The waveform of the frames, ``hop`` samples each, window by window."""
        start, size = 0, FIRST_FRAMES
        while start < frames.count:
            end = min(frames.count, start + size)
            if frames.count - end < FIRST_FRAMES // 2:
                end = frames.count
            low, high = (
                max(0, start - LEFT_MARGIN),
                min(frames.count, end + RIGHT_MARGIN),
            )
            window = {
                name: values[:, :, low:high]
                if values.shape[2] == frames.count
                else values
                for name, values in frames.latents.items()
            }
            decoded = self._decoder.run(None, window)[0].reshape(-1)
            yield decoded[(start - low) * self.hop : (end - low) * self.hop]
            start, size = end, min(2 * size, MOST_FRAMES)


def split(model: Path) -> Path:
    """Folder of a model's halves; cuts the model if need be (two seconds).

    They are kept beside it, or else where other models are. Where they lie beside a model that is gone, as in an image
    that needs no more than them, they are taken as they are.

    Raises:
        FailedPrecondition: the file is not a VITS voice, or its halves cannot be kept anywhere.
    """
    stem = f"{model.stem}-split-{_LAYOUT}-"
    left = [] if model.exists() else list(model.parent.glob(f"{stem}*"))
    if len(left) == 1:
        return left[0]
    try:
        with model.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FailedPrecondition(f"cannot read the voice {model}: {error}") from error
    name = f"{stem}{digest[:16]}"
    places = (model.parent, models_folder(), cache_folder())
    for place in places:
        if (place / name).is_dir():
            return place / name
    for place in places:
        try:
            return _cut_into(place / name, model)
        except OSError as error:
            problem = error
    raise FailedPrecondition(
        f"the voice {model} is cut in two before it speaks, and the halves cannot be kept in "
        f"{', '.join(map(str, places))}: {problem.strerror or problem}. Make one of these writable, or fetch the voice "
        "where it is: python -m services.tts.prefetch"
    )


def _cut_into(folder: Path, model: Path) -> Path:
    """Make a model's halves, as a whole or not at all.

    Raises:
        FailedPrecondition: the file is not a VITS voice.
        OSError: they cannot be kept there.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        dir=folder.parent, prefix=f".{folder.name}-"
    ) as unfinished:
        ready = Path(unfinished) / "ready"
        ready.mkdir()
        _cut(model, ready)
        try:
            ready.rename(folder)
        except OSError:
            # Another process was faster; its halves are the same.
            if not folder.is_dir():
                raise
    return folder


def _cut(model: Path, folder: Path) -> None:
    try:
        graph = onnx.load(str(model))
        seam: Seam = find_seam(graph)
        hop: int = describe_decoder(graph)["hop"]
    except Exception as error:  # every broken file fails in its own way
        raise FailedPrecondition(f"{model} is not a Piper voice: {error}") from error
    durations = [node.output[0] for node in graph.graph.node if node.op_type == "Ceil"]
    if len(durations) != 1:
        raise FailedPrecondition(
            f"{model} is not a Piper voice: {len(durations)} nodes could be the durations"
        )
    inputs = [given.name for given in graph.graph.input]
    output = graph.graph.output[0].name
    boundary = [seam.z_p, seam.mask, *([seam.g] if seam.g else [])]
    front, decoder = str(folder / "front.onnx"), str(folder / "decoder.onnx")
    # Some voices carry a key of metadata twice, which the checker refuses and the runtime does not mind.
    onnx.utils.extract_model(
        str(model), front, inputs, boundary + durations, check_model=False
    )
    onnx.utils.extract_model(str(model), decoder, boundary, [output], check_model=False)
    (folder / "hop").write_text(str(hop))
