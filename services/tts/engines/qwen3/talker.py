"""The talker: rows in slots of fixed memory, a frame of 80 ms of each a step.

A slot holds what one line needs to go on: keys and values at the positions so far, the next code, the last state. A
step runs over the lowest slots up to a size that a CUDA graph may be captured for. Slots in that range that do not take
part are computed too, and forgotten: their position does not move, so that their next step overwrites what this one
wrote.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from services.tts.engines.qwen3.graphs import GraphedStep
from services.tts.engines.qwen3.layers import Layers, attend_to_new, attend_to_one
from services.tts.engines.qwen3.predictor import CodePredictor
from services.tts.engines.qwen3.prompts import Prompt
from services.tts.engines.qwen3.sampling import Sampling, choose, penalize

_UNSPOKEN = 1024
"""The last codes of the vocabulary are for prompts; upstream lets none of them be generated but the end of speech."""
_SIZES = (1, 2, 4, 8, 16, 32)


class Talker:
    """Steps upstream's talker and code predictor for several lines at once."""

    def __init__(
        self,
        talker: Any,
        slots: int,
        positions: int,
        sampling: tuple[Sampling, Sampling],
    ) -> None:
        """Take over ``model.talker`` and allocate the slots.

        Args:
            talker: upstream's module.
            slots: lines at once.
            positions: of a line's prompt and frames together.
            sampling: of a frame's first code, and of the others.
        """
        config = talker.config
        self.positions = positions
        self.sizes = (*(size for size in _SIZES if size < slots), slots)
        self._sampling, others = sampling
        self._embedding = talker.model.codec_embedding.weight
        self._head = talker.codec_head.weight
        self._layers = Layers(talker.model, positions)
        self._predict = CodePredictor(talker.code_predictor, slots, others)
        self._end = config.codec_eos_token_id
        weight = self._head
        count = config.vocab_size
        self._unspoken = torch.arange(count, device=weight.device) >= count - _UNSPOKEN
        self._unspoken[self._end] = False
        heads, dim = self._layers.kv_shape
        self._keys = weight.new_zeros(self._layers.count, slots, heads, positions, dim)
        self._values = torch.zeros_like(self._keys)
        self._every_position = torch.arange(positions, device=weight.device)
        self._every_slot = torch.arange(slots, device=weight.device)
        self._active = self._every_slot < 0
        self._position = torch.zeros_like(self._every_slot)
        self._frames = torch.zeros_like(self._every_slot)
        self._code = torch.zeros_like(self._every_slot)
        self._hidden = weight.new_zeros(slots, config.hidden_size)
        self._seen = torch.zeros(slots, count, dtype=torch.bool, device=weight.device)
        self._text = weight.new_zeros(slots, positions, config.hidden_size)
        self._texts = torch.zeros_like(self._every_slot)
        groups = config.num_code_groups
        # The codes of the frame, and the first one of the next.
        self._said = self._every_slot.new_zeros(slots, groups + 1)
        self._step = GraphedStep(self._advance, weight.device)
        self._kept = (
            self._position,
            self._frames,
            self._code,
            self._hidden,
            self._seen,
            self._text,
            self._texts,
        )

    def size(self, rows: int) -> int:
        """Slots that a step computes which has to reach this many."""
        return next(size for size in self.sizes if size >= rows)

    def capture(self) -> None:
        """Capture CUDA graphs of every size, where there is CUDA."""
        with torch.inference_mode():
            self._active.zero_()
            self._step.capture(self.sizes)

    def join(self, joining: Sequence[tuple[int, Prompt]]) -> None:
        """Read the prompts of lines into their slots, all at once; no prompt may have more than `positions`."""
        with torch.inference_mode():
            slots = torch.tensor([slot for slot, _ in joining]).to(self._head.device)
            lengths = [len(prompt.embeddings) for _, prompt in joining]
            ends = torch.tensor(lengths).to(slots.device)
            # Padding stands to the right: nothing before it sees it, and frames overwrite it before they could.
            x = pad_sequence([prompt.embeddings for _, prompt in joining], True)
            n = x.shape[1]
            attend = partial(self._attend_prompt, slots)
            out = self._layers(x, self._layers.cos[:n], self._layers.sin[:n], attend)
            hidden = out[self._every_slot[: len(slots)], ends - 1]
            code = self._choose(hidden, young=slots >= 0, seen=None)
            self._position[slots] = ends
            self._frames[slots] = 0
            self._hidden[slots] = hidden
            self._code[slots] = code
            self._seen[slots] = functional.one_hot(code, self._seen.shape[1]).bool()
            for slot, prompt in joining:
                count = len(prompt.text)
                self._text[slot, :count] = prompt.text
                self._text[slot, count] = prompt.padding
                self._texts[slot] = count

    def step(self, slots: Sequence[int]) -> tuple[Any, list[bool]]:
        """Speak a frame in each of these slots.

        Returns:
            The codes, ``int64 [slots, 16]`` on the host, and whether the line ends after this frame, in the order of
            ``slots``.
        """
        with torch.inference_mode():
            rows = self.size(max(slots) + 1)
            taking_part = torch.zeros(len(self._active), dtype=torch.bool)
            taking_part[list(slots)] = True
            self._active.copy_(taking_part, non_blocking=True)
            self._step(rows)
            said = self._said[:rows].cpu()[list(slots)]
            ended: list[bool] = (said[:, -1] == self._end).tolist()
            return said[:, :-1], ended

    def save(self, slot: int, length: int) -> tuple[Any, ...]:
        """All that a slot holds of a line that has reached position ``length``."""
        with torch.inference_mode():
            caches = (self._keys, self._values)
            return (
                *(cache[:, slot, :, :length].clone() for cache in caches),
                *(tensor[slot].clone() for tensor in self._kept),
            )

    def restore(self, slot: int, saved: tuple[Any, ...]) -> None:
        """Put what `save` gave into a slot, the same or another."""
        with torch.inference_mode():
            keys, values, *kept = saved
            self._keys[:, slot, :, : keys.shape[2]] = keys
            self._values[:, slot, :, : values.shape[2]] = values
            for tensor, one in zip(self._kept, kept, strict=True):
                tensor[slot] = one

    def _advance(self, rows: int) -> None:
        """A frame of the lowest slots. Never waits for the device."""
        active, position = self._active[:rows], self._position[:rows]
        code, hidden = self._code[:rows], self._hidden[:rows]
        frames, seen = self._frames[:rows], self._seen[:rows]
        codes, total = self._predict(
            hidden, functional.embedding(code, self._embedding)
        )
        spoken = torch.minimum(frames, self._texts[:rows])
        x = total + self._text[self._every_slot[:rows], spoken]
        ahead = self._every_position > position[:, None]
        mask = x.new_zeros(ahead.shape).masked_fill_(ahead, -torch.inf)
        attend = partial(self._attend_past, position, mask[:, None, None])
        cos, sin = self._layers.cos[position], self._layers.sin[position]
        out = self._layers(x[:, None], cos[:, None], sin[:, None], attend)[:, 0]
        following = self._choose(out, frames == 0, seen)
        said = self._said[:rows]
        said[:, 0] = code
        said[:, 1:-1] = codes
        said[:, -1] = following
        code.copy_(torch.where(active, following, code))
        hidden.copy_(torch.where(active[:, None], out, hidden))
        seen.scatter_(1, code[:, None], True)
        position.add_(active)
        frames.add_(active)

    def _choose(self, hidden: Any, young: Any, seen: Any | None) -> Any:
        logits = functional.linear(hidden, self._head).float()
        if seen is not None:
            logits = penalize(logits, seen, self._sampling.repetition_penalty)
        logits = logits.masked_fill(self._unspoken, -torch.inf)
        # As upstream: no line ends before its second frame.
        logits[:, self._end].masked_fill_(young, -torch.inf)
        return choose(logits, self._sampling)

    def _attend_prompt(self, slots: Any, layer: int, q: Any, k: Any, v: Any) -> Any:
        n = q.shape[2]
        self._keys[layer][slots, :, :n] = k
        self._values[layer][slots, :, :n] = v
        return attend_to_new(q, k, v)

    def _attend_past(
        self, position: Any, mask: Any, layer: int, q: Any, k: Any, v: Any
    ) -> Any:
        rows = len(position)
        keys, values = self._keys[layer, :rows], self._values[layer, :rows]
        at = position[:, None, None, None].expand_as(k)
        keys.scatter_(2, at, k)
        values.scatter_(2, at, v)
        return attend_to_one(q, keys, values, mask)
