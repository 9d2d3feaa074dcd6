"""The front of the 12 Hz decoder, frame by frame: codebooks and the transformer over the last frames.

The transformer's window slides (72 frames in the released checkpoint, the frame itself among them): a frame sees the
keys and values of so many frames and no others, so those are its state. They are kept as they are after rotation by
their absolute position, which is the stream's own count of frames.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from services.runtime.errors import FailedPrecondition
from services.tts.engines.qwen3.codec_layers import Context, Layout


class Quantizer:
    """Codes to what they stand for: a table look-up in each codebook, and two projections.

    The tables are computed once: the checkpoint has sums and counts, and the package divides them at every call.

    Attributes:
        codebooks: of a frame.
        codebook_size: entries in each.
    """

    def __init__(self, module: Any) -> None:
        layers = [*module.rvq_first.vq.layers, *module.rvq_rest.vq.layers]
        self._semantic = module.n_q_semantic
        self._projections = (module.rvq_first.output_proj, module.rvq_rest.output_proj)
        self.codebooks = len(layers)
        self.codebook_size = layers[0].codebook_size
        entries = torch.arange(
            self.codebook_size, device=next(module.parameters()).device
        )
        self._table = torch.cat(
            [layer.decode(entries[None])[0].T for layer in layers]
        ).detach()
        self._offsets = self.codebook_size * torch.arange(
            self.codebooks, device=entries.device
        )

    def __call__(self, codes: Tensor) -> Tensor:
        """``int64 [batch, n, codebooks]`` to ``[batch, dimension, n]``."""
        found = functional.embedding(codes + self._offsets, self._table)
        first, rest = self._projections
        return first(found[:, :, : self._semantic].sum(2).transpose(1, 2)) + rest(
            found[:, :, self._semantic :].sum(2).transpose(1, 2)
        )


class Transformer:
    """The decoder's transformer, of which a frame sees a window of frames before it.

    Attributes:
        window: frames that one frame sees, itself among them.
    """

    def __init__(self, module: Any, layout: Layout) -> None:
        """Take the weights over.

        Raises:
            FailedPrecondition: positions are told, or frames are seen, in a way that is not known.
        """
        kinds = {layer.attention_type for layer in module.layers}
        if kinds != {"sliding_attention"} or module.rotary_emb.rope_type != "default":
            raise FailedPrecondition(
                f"the speech tokenizer's transformer has {', '.join(sorted(kinds))} and "
                f"{module.rotary_emb.rope_type!r} positions: only a sliding window with default ones can be continued"
            )
        self._module = module
        self.window: int = module.config.sliding_window
        self._before = self.window - 1
        self._contexts = [
            self._reserve(layer.self_attn, layout) for layer in module.layers
        ]

    def _reserve(self, attention: Any, layout: Layout) -> tuple[Context, Context]:
        width = attention.k_proj.out_features
        keys, values = (layout.reserve(self._before, width, axis=1) for _ in range(2))
        return keys, values

    def __call__(self, hidden: Tensor, positions: Tensor, rows: Tensor) -> Tensor:
        """The next frames of each stream.

        Args:
            hidden: ``[batch, n, latent]``.
            positions: ``int64 [batch]``, frames that each stream has had before.
            rows: of state, ``[batch, size]``, brought forward in place.

        Returns:
            ``[batch, n, latent]``.
        """
        module = self._module
        hidden = module.input_proj(hidden)
        count = hidden.shape[1]
        moments = torch.arange(-self._before, count, device=hidden.device)
        rotation = self._rotation(positions[:, None] + moments[self._before :], hidden)
        # Key i is so many frames from the first new one; query j sees the window up to itself, and no frame before 0.
        distance = moments[self._before :, None] - moments
        seen = (distance >= 0) & (distance <= self._before)
        mask = seen[None] & (positions[:, None, None] + moments >= 0)
        for layer, contexts in zip(module.layers, self._contexts, strict=True):
            attended = self._attend(
                layer.self_attn,
                layer.input_layernorm(hidden),
                rotation,
                mask[:, None],
                contexts,
                rows,
            )
            hidden = hidden + layer.self_attn_layer_scale(attended)
            fed = layer.mlp(layer.post_attention_layernorm(hidden))
            hidden = hidden + layer.mlp_layer_scale(fed)
        return module.output_proj(module.norm(hidden))

    def _rotation(self, positions: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and sines of rotary positions, ``[batch, n, 1, head]``; float32 until they are done."""
        rotary = self._module.rotary_emb
        angles = positions[..., None].float() * rotary.inv_freq.float()
        angles = torch.cat((angles, angles), dim=-1)[:, :, None]
        scale = rotary.attention_scaling
        return (angles.cos() * scale).to(like.dtype), (angles.sin() * scale).to(
            like.dtype
        )

    @staticmethod
    def _attend(
        attention: Any,
        hidden: Tensor,
        rotation: tuple[Tensor, Tensor],
        mask: Tensor,
        contexts: tuple[Context, Context],
        rows: Tensor,
    ) -> Tensor:
        heads = (*hidden.shape[:2], -1, attention.head_dim)
        queries = attention.q_norm(attention.q_proj(hidden).view(heads))
        keys = attention.k_norm(attention.k_proj(hidden).view(heads))
        values = attention.v_proj(hidden)
        keys = contexts[0].extend(_rotate(keys, rotation).flatten(2), rows)
        values = contexts[1].extend(values, rows)
        window = (*keys.shape[:2], -1, attention.head_dim)
        attended = functional.scaled_dot_product_attention(
            _rotate(queries, rotation).transpose(1, 2),
            keys.view(window).transpose(1, 2),
            values.view(window).transpose(1, 2),
            attn_mask=mask,
            scale=attention.scaling,
            enable_gqa=attention.num_key_value_groups > 1,
        )
        return attention.o_proj(attended.transpose(1, 2).flatten(2))


def _rotate(heads: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Rotary positions on ``[batch, n, heads, head]``, whose halves are the two axes of each rotation."""
    cosines, sines = rotation
    first, second = heads.chunk(2, dim=-1)
    return heads * cosines + torch.cat((-second, first), dim=-1) * sines
