"""Qwen3-TTS, several lines a step: each line is a generation of its own that joins and leaves between steps."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from services.runtime.errors import EngineError
from services.runtime.logs import get_logger
from services.tts.engines import Capabilities, Line, Piece, Said, Speech
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
_OPEN = 2
"""Lines that are open at once, in multiples of a step's: others may have paused."""


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
    ) -> None:
        """Take over a model; its memory for ``batch`` lines is allocated here.

        Args:
            wrapper: a loaded ``Qwen3TTSModel``, on its device and in its precision.
            offer: what it can do.
            name: of the weights.
            batch: lines in one step at most.
            greedy: always take the likeliest code, so that the same text sounds the same.
            positions: of a line's prompt and frames together.

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
        self._most_open = _OPEN * batch
        decoder = model.speech_tokenizer.model.decoder
        self._codec = load_codec(decoder, self._most_open)
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
        """A frame of each; then the audio of those that have enough, first pieces first.

        A line that finds no place, since as many others have paused, is let wait for the next step.
        """
        rows = [speech for speech in speeches if isinstance(speech, Utterance)]
        prompts, refused = self._prepare([row for row in rows if not row.joined])
        for row, error in refused.items():
            yield Said(row, finished=error is not None or row.ended, error=error)
        rows = [row for row in rows if row not in refused]
        if not rows:
            return
        self._seats.seat(rows)
        self._join(prompts)
        self._advance(rows)
        due = [row for row in rows if row.due()]
        for group in (
            [row for row in due if row.chunk == 0],
            [row for row in due if row.chunk > 0],
        ):
            for row, piece in self._decode(group):
                yield Said(row, piece, finished=row.ended)
        for row in rows:
            if row not in due:
                yield Said(row)

    def close(self) -> None:
        """Free the model's memory."""
        for row in tuple(self._open):
            row.close()
        del self._talker, self._codec, self._prompts, self._seats
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _prepare(
        self, rows: Sequence[Utterance]
    ) -> tuple[dict[Utterance, Prompt], dict[Utterance, EngineError | None]]:
        """The prompts of new lines, and those that take no part in this step, with the reason if they never will."""
        prompts: dict[Utterance, Prompt] = {}
        refused: dict[Utterance, EngineError | None] = {}
        for row in rows:
            row.ended = not row.line.text.strip()
            if row.ended or len(self._open) == self._most_open:
                refused[row] = None
                continue
            try:
                prompts[row] = self._open_line(row)
            except EngineError as error:
                refused[row] = error
            except Exception as error:  # whatever a model raises fails this line alone
                log.exception("no prompt could be made")
                refused[row] = EngineError(f"{type(error).__name__} in the prompt")
        return prompts, refused

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

    def _join(self, prompts: dict[Utterance, Prompt]) -> None:
        if prompts:
            self._talker.join([(_slot(row), one) for row, one in prompts.items()])
        for row in prompts:
            row.joined = True

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

    def _decode(self, rows: Sequence[Utterance]) -> list[tuple[Utterance, Piece]]:
        """The audio of all frames that these have and nobody has heard."""
        batch = [
            (row.stream, torch.stack(row.codes))
            for row in rows
            if row.stream is not None
        ]
        pieces = self._codec.decode(batch) if batch else []
        for row in rows:
            row.codes.clear()
            row.chunk += 1
        return [
            (row, Piece(np.ascontiguousarray(samples, np.float32)))
            for row, samples in zip(rows, pieces, strict=True)
        ]

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
