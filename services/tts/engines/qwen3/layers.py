"""The layers that the talker and the code predictor are made of, driven with upstream's weights.

Upstream's own forward pass launches some twenty small kernels more a layer and repeats the keys and values of every
attention group in memory; at one new position a row, that is most of the time. The arithmetic is the same (Qwen3: RMS
norms before and after, norms of queries and keys, rotary positions, grouped attention, gated MLP).
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.nn import functional

from services.runtime.errors import FailedPrecondition

Attend = Callable[[int, Any, Any, Any], Any]
"""Attention of one layer: its number, queries ``[rows, heads, n, dim]``, and the new keys and values ``[rows, kv heads,
n, dim]``; gives ``[rows, heads, n, dim]``."""


class Layers:
    """A stack of layers and the norm after it."""

    def __init__(self, model: Any, positions: int) -> None:
        """Take over the weights; upstream's modules go on working on the same memory.

        Args:
            model: upstream's ``talker.model`` or ``talker.code_predictor.model``.
            positions: how many there will be at most.

        Raises:
            FailedPrecondition: the model is built otherwise than the released ones.
        """
        with torch.no_grad():
            self._layers = [_Layer(layer) for layer in model.layers]
            self._norm = model.norm.weight
            self._eps = model.norm.variance_epsilon
            self.cos, self.sin = _rotations(model, positions)
        first = self._layers[0]
        self.kv_shape = (first.kv_heads, first.dim)
        self.count = len(self._layers)

    def __call__(self, x: Any, cos: Any, sin: Any, attend: Attend) -> Any:
        """Run them.

        Args:
            x: ``[rows, n, hidden]``, contiguous; it is overwritten.
            cos: of the positions, to be broadcast over ``[rows, n, heads, dim]``.
            sin: likewise.
            attend: how new positions look at what was there before.

        Returns:
            ``[rows, n, hidden]``.
        """
        for number, layer in enumerate(self._layers):
            x = layer(x, cos, sin, partial(attend, number))
        return functional.rms_norm(x, x.shape[-1:], self._norm, self._eps)


class _Layer:
    def __init__(self, layer: Any) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        if attention.q_proj.bias is not None or attention.sliding_window is not None:
            raise FailedPrecondition(
                "the checkpoint has attention biases or a sliding window, which no released one has"
            )
        self.dim = attention.head_dim
        self.kv_heads = attention.k_proj.out_features // self.dim
        self._heads = attention.q_proj.out_features // self.dim
        self._eps = layer.input_layernorm.variance_epsilon
        self._norm_before = layer.input_layernorm.weight
        self._norm_after = layer.post_attention_layernorm.weight
        self._qkv = _fuse(attention.q_proj, attention.k_proj, attention.v_proj)
        self._qk_norm = torch.cat(
            [
                attention.q_norm.weight.expand(self._heads, -1),
                attention.k_norm.weight.expand(self.kv_heads, -1),
            ]
        )
        self._out = attention.o_proj.weight
        self._gate_up = _fuse(mlp.gate_proj, mlp.up_proj)
        self._down = mlp.down_proj.weight
        self._activation = mlp.act_fn

    def __call__(
        self, x: Any, cos: Any, sin: Any, attend: Callable[[Any, Any, Any], Any]
    ) -> Any:
        rows, n, hidden = x.shape
        both = self._heads + self.kv_heads
        normed = functional.rms_norm(x, (hidden,), self._norm_before, self._eps)
        qkv = functional.linear(normed, self._qkv).view(rows, n, -1, self.dim)
        # Values are normed with the rest and not used: without them it would have to be copied together first.
        normed = functional.rms_norm(qkv, (self.dim,), None, self._eps)
        qk = normed[:, :, :both] * self._qk_norm
        qk = torch.addcmul(qk * cos, qk.roll(self.dim // 2, -1), sin)
        q, k = qk.transpose(1, 2).split((self._heads, self.kv_heads), dim=1)
        seen = attend(q, k, qkv[:, :, both:].transpose(1, 2)).transpose(1, 2)
        # Each sum is made in the product before it: at one position a row, every kernel counts.
        total = x.view(rows * n, hidden)
        total.addmm_(seen.reshape(rows * n, -1), self._out.T)
        normed = functional.rms_norm(x, (hidden,), self._norm_after, self._eps)
        gate, up = functional.linear(normed, self._gate_up).chunk(2, -1)
        total.addmm_((self._activation(gate) * up).view(rows * n, -1), self._down.T)
        return x


def attend_to_one(q: Any, keys: Any, values: Any, mask: Any | None) -> Any:
    """Attention of one new position a row, without repeating what its heads share.

    Args:
        q: ``[rows, heads, 1, dim]``.
        keys: ``[rows, kv heads, positions, dim]``.
        values: likewise.
        mask: added to the scores, ``[rows, 1, 1, positions]``; None where all may be seen.

    Returns:
        ``[rows, heads, 1, dim]``.
    """
    rows, heads, _, dim = q.shape
    grouped = q.reshape(rows, keys.shape[1], -1, dim)
    seen = functional.scaled_dot_product_attention(
        grouped, keys, values, attn_mask=mask
    )
    return seen.reshape(rows, heads, 1, dim)


def attend_to_new(q: Any, k: Any, v: Any) -> Any:
    """Attention among new positions alone, each to those before it."""
    return functional.scaled_dot_product_attention(
        q, k, v, is_causal=True, enable_gqa=True
    )


def _fuse(*linears: Any) -> Any:
    """One weight for several projections of the same input; the old ones become views of it."""
    weight = torch.cat([linear.weight for linear in linears])
    start = 0
    for linear in linears:
        end = start + linear.out_features
        linear.weight = torch.nn.Parameter(weight[start:end], requires_grad=False)
        start = end
    return weight


def _rotations(model: Any, positions: int) -> tuple[Any, Any]:
    """Cosines and signed sines of rotary positions, ``[positions, 1, dim]`` each, for ``x * cos + roll(x) * sin``.

    The talker has an axis each for time, height and width; in speech, all three are the position.
    """
    weight = model.norm.weight
    ids = torch.arange(positions, device=weight.device)[None]
    if "mrope_section" in (model.config.rope_scaling or {}):
        ids = ids.expand(3, 1, -1)
    cos, sin = (
        part.reshape(-1, positions, part.shape[-1])[0]
        for part in model.rotary_emb(weight, ids)
    )
    half = sin.shape[-1] // 2
    signed = torch.cat([-sin[:, :half], sin[:, half:]], -1)
    return cos[:, None], signed[:, None]
