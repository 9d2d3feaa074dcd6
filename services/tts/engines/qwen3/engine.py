"""Qwen3-TTS, several lines a step: each line is a generation of its own that joins and leaves between steps."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from services.runtime.errors import EngineError
from services.runtime.logs import get_logger
from services.tts.engines import (
    Capabilities,
    EngineLost,
    Line,
    Piece,
    Said,
    Speech,
)
from services.tts.engines.qwen3.codec import CodecStream
from services.tts.engines.qwen3.codec_loading import load_codec
from services.tts.engines.qwen3.prompts import Prompt, PromptBuilder
from services.tts.engines.qwen3.sampling import predictor_sampling, talker_sampling
from services.tts.engines.qwen3.seats import Seated, Seats
from services.tts.engines.qwen3.talker import Talker
from services.tts.engines.qwen3.voices import Offer
from services.tts.engines.qwen3.warming import warm_up

log = get_logger(__name__)

CHUNKS = (2, 2, 2, 2, 4, 4, 4, 4, 8)
"""Frames in each piece of a line; the last number goes on. 160 ms of speech are the first that is heard, and no piece
takes longer to make than what was sent before it takes to play, down to a step of 0.8 of real time."""
POSITIONS = 1024
"""Of a line's prompt and frames together: 30 seconds of reference take 375, and leave 50 seconds for the line."""
_FRAMES_AT_LEAST = 25
_FRAMES_A_TOKEN = 12
"""Where a line that does not end is cut off. Speech takes three to four frames a token of text; four times that is
slower than anybody speaks, and 25 frames are two seconds to begin and to end with."""


class Utterance(Seated):
    """A line being spoken: a `Speech`."""

    def __init__(self, engine: "Qwen3Engine", line: Line) -> None:
        super().__init__()
        self.line = line
        self.stream: CodecStream | None = None
        self.joined = False
        self.frames = 0
        self.most_frames = 0
        self.ended = False
        self.chunk = 0
        self.codes: list[Any] = []
        self._engine = engine

    def close(self) -> None:
        """Free its place."""
        self._engine._leave(self)

    def due(self) -> bool:
        """Whether there is enough of it for the next piece."""
        return self.ended or len(self.codes) >= CHUNKS[min(self.chunk, len(CHUNKS) - 1)]


class Qwen3Engine:
    """A `BatchEngine` on upstream's weights."""

    def __init__(
        self,
        wrapper: Any,
        offer: Offer,
        name: str,
        batch: int,
        greedy: bool = False,
        positions: int = POSITIONS,
        max_open: int | None = None,
    ) -> None:
        """Take over a model; its memory for ``batch`` lines, and the codec's for ``max_open``, is allocated here.

        Args:
            wrapper: a loaded ``Qwen3TTSModel``, on its device and in its precision.
            offer: what it can do.
            name: of the weights.
            batch: lines in one step at most.
            greedy: always take the likeliest code, so that the same text sounds the same.
            positions: of a line's prompt and frames together.
            max_open: lines begun and not closed at once at most; None: as many as a step takes.

        Raises:
            FailedPrecondition: the model is built otherwise than the released ones.
        """
        model = wrapper.model
        defaults = wrapper.generate_defaults
        sampling = (
            talker_sampling(defaults, greedy),
            predictor_sampling(defaults, greedy),
        )
        self._prompts = PromptBuilder(wrapper, offer)
        self._talker = Talker(model.talker, batch, positions, sampling)
        self._seats = Seats(self._talker, batch)
        self._open: set[Utterance] = set()
        decoder = model.speech_tokenizer.model.decoder
        most = max(batch, max_open or 0)
        self._codec = load_codec(decoder, most)
        rate = int(model.speech_tokenizer.get_output_sample_rate())
        self._frame_seconds = self._codec.samples_per_frame / rate
        self._capabilities = Capabilities(
            model=name,
            sample_rate=rate,
            voices=offer.voices,
            word_marks=False,
            instructions=offer.instructions,
            cloning=offer.kind == "base",
            batch=batch,
            open=most,
            speed=False,
            reference_required=offer.kind == "base",
            sentences=True,
        )

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        return self._capabilities

    def warm_up(self) -> int:
        """Capture CUDA graphs, speak in every size, and measure how many lines keep up with their listeners."""
        self._talker.capture()
        self._codec.capture(self._talker.sizes)
        return warm_up(self, self._talker.sizes, self._frame_seconds)

    def begin(self, line: Line) -> Utterance:
        """Take a line on; its prompt is read in its first step."""
        return Utterance(self, line)

    def step(self, speeches: Sequence[Speech]) -> Iterator[Said]:
        """A frame of each; then the audio of those that have enough, first pieces first."""
        rows = [speech for speech in speeches if isinstance(speech, Utterance)]
        try:
            yield from self._step(rows)
        except torch.AcceleratorError as error:
            # Whatever is asked of the device from now on fails in the same way.
            raise EngineLost(str(error)) from error

    def close(self) -> None:
        """Free the model's memory."""
        for row in tuple(self._open):
            row.close()
        del self._talker, self._codec, self._prompts, self._seats
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _step(self, rows: Sequence[Utterance]) -> Iterator[Said]:
        prompts, out = self._prepare([row for row in rows if not row.joined])
        self._seats.seat([row for row in rows if row not in out])
        out |= self._join(prompts)
        for row, error in out.items():
            yield Said(row, finished=error is None, error=error)
        rows = [row for row in rows if row not in out]
        if not rows:
            return
        self._advance(rows)
        due = [row for row in rows if row.due()]
        firsts = [row for row in due if row.chunk == 0]
        others = [row for row in due if row.chunk > 0]
        yield from self._decode(firsts)
        yield from self._decode(others)
        for row in rows:
            if row not in due:
                yield Said(row)

    def _prepare(
        self, rows: Sequence[Utterance]
    ) -> tuple[dict[Utterance, Prompt], dict[Utterance, EngineError | None]]:
        """The prompts of new lines, and those that are out: for an error, or because there is nothing to say."""
        prompts: dict[Utterance, Prompt] = {}
        out: dict[Utterance, EngineError | None] = {}
        for row in rows:
            if not row.line.text.strip():
                out[row] = None
                continue
            try:
                prompts[row] = self._open_line(row)
            except EngineError as error:
                out[row] = error
            except Exception as error:  # whatever a model raises fails this line alone
                log.exception("no prompt could be made")
                out[row] = EngineError(f"{type(error).__name__} in the prompt")
        return prompts, out

    def _open_line(self, row: Utterance) -> Prompt:
        prompt = self._prompts.build(row.line)
        row.position = len(prompt.embeddings)
        # Never the last position: a slot is computed after its line has left, too, at the one where that line stopped.
        room = self._talker.positions - 1 - max(row.position, len(prompt.text))
        if room < _FRAMES_AT_LEAST:
            raise EngineError(
                "the line, its instructions and its reference are too long together: "
                f"{row.position} positions of {self._talker.positions}"
            )
        wanted = _FRAMES_AT_LEAST + _FRAMES_A_TOKEN * prompt.tokens
        row.most_frames = min(wanted, room)
        row.stream = self._codec.open(prompt.reference)
        self._open.add(row)
        return prompt

    def _join(
        self, prompts: dict[Utterance, Prompt]
    ) -> dict[Utterance, EngineError | None]:
        """Read the prompts of new lines; those that are out, with the reason: the others have not been touched."""
        try:
            if prompts:
                self._talker.join([(_slot(row), one) for row, one in prompts.items()])
        except Exception as error:  # such as a lack of memory for so many at once
            log.exception("prompts could not be read")
            failure = EngineError(f"{type(error).__name__} in reading the prompt")
            return dict.fromkeys(prompts, failure)
        for row in prompts:
            row.joined = True
        return {}

    def _advance(self, rows: Sequence[Utterance]) -> None:
        codes, ended = self._talker.step([_slot(row) for row in rows])
        for row, frame, end in zip(rows, codes, ended, strict=True):
            row.codes.append(frame)
            row.frames += 1
            row.position += 1
            row.ended = end
            if not end and row.frames == row.most_frames:
                log.warning("a line did not end and was cut off", frames=row.frames)
                row.ended = True

    def _decode(self, rows: Sequence[Utterance]) -> Iterator[Said]:
        """The audio of all frames that these have and nobody has heard."""
        batch = [
            (row.stream, torch.stack(row.codes))
            for row in rows
            if row.stream is not None
        ]
        try:
            pieces = self._codec.decode(batch) if batch else []
        except Exception as error:  # fails these lines: the others' audio is their own
            log.exception("codes could not be decoded")
            failure = EngineError(f"{type(error).__name__} in the codec")
            yield from (Said(row, error=failure) for row in rows)
            return
        for row, samples in zip(rows, pieces, strict=True):
            row.codes.clear()
            row.chunk += 1
            piece = Piece(np.ascontiguousarray(samples, np.float32))
            yield Said(row, piece, finished=row.ended)

    def _leave(self, row: Utterance) -> None:
        if row in self._open:
            self._open.remove(row)
            self._seats.leave(row)
            if row.stream is not None:
                row.stream.close()
                row.stream = None
        row.joined = False


def _slot(row: Seated) -> int:
    assert row.slot is not None
    return row.slot
