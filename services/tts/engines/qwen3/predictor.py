"""The code predictor: from the first code of a frame to the other fifteen, one after the other."""

from functools import partial
from typing import Any

import torch
from torch.nn import functional

from services.tts.engines.qwen3.layers import Layers, attend_to_new, attend_to_one
from services.tts.engines.qwen3.sampling import Sampling, choose


class CodePredictor:
    """A small transformer that lives for one frame: it starts anew with every one, all rows at the same position."""

    def __init__(self, predictor: Any, slots: int, sampling: Sampling) -> None:
        """Take over ``talker.code_predictor``.

        Args:
            predictor: upstream's module.
            slots: rows at most.
            sampling: how codes are chosen.
        """
        self._project = predictor.small_to_mtp_projection
        self._embeddings = [one.weight for one in predictor.model.codec_embedding]
        self._heads = [one.weight for one in predictor.lm_head]
        # What the talker heard, the first code, and every other one but the last.
        positions = len(self._heads) + 1
        self._layers = Layers(predictor.model, positions)
        self._sampling = sampling
        shape = (self._layers.count, slots, *self._layers.kv_shape[:1], positions)
        weight = self._heads[0]
        self._keys = weight.new_zeros(*shape, self._layers.kv_shape[1])
        self._values = torch.zeros_like(self._keys)

    def __call__(self, hidden: Any, embedded: Any) -> tuple[Any, Any]:
        """The rest of a frame.

        Args:
            hidden: the talker's last state, ``[rows, hidden]``.
            embedded: the first code as the talker embeds it, ``[rows, hidden]``.

        Returns:
            The other codes, ``int64 [rows, 15]``, and the sum of the embeddings of all codes, ``[rows, hidden]``.
        """
        x = self._project(torch.stack([hidden, embedded], 1))
        codes, total, start = [], embedded, 0
        for head, embedding in zip(self._heads, self._embeddings, strict=True):
            end = start + x.shape[1]
            cos, sin = self._layers.cos[start:end], self._layers.sin[start:end]
            out = self._layers(x, cos, sin, partial(self._attend, start))[:, -1]
            code = choose(functional.linear(out, head).float(), self._sampling)
            codes.append(code)
            embedded = functional.embedding(code, embedding)
            total = total + embedded
            x = self._project(embedded)[:, None]
            start = end
        return torch.stack(codes, 1), total

    def _attend(self, start: int, layer: int, q: Any, k: Any, v: Any) -> Any:
        rows, _, n, _ = q.shape
        end = start + n
        keys, values = self._keys[layer, :rows], self._values[layer, :rows]
        keys[:, :, start:end] = k
        values[:, :, start:end] = v
        if start == 0:
            return attend_to_new(q, k, v)
        return attend_to_one(q, keys[:, :, :end], values[:, :, :end], None)
