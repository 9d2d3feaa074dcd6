"""The layers of the 12 Hz decoder, each going on where its last call stopped.

Every layer that looks back does so over a fixed stretch: the inputs of a convolution, the keys and values of the
attention's window. That stretch is all its state, and what is zero at the start of a stream is what the whole decode
pads with. So a stream's state is one flat row, and a layer knows its place in it.

The weights are those of the modules given; nothing in the modules is changed.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from services.runtime.errors import FailedPrecondition

Layer = Callable[[Tensor, Tensor], Tensor]
"""New inputs ``[batch, channels, time]`` and the rows of state ``[batch, size]``, brought forward in place, to outputs."""

_PREFIX = "Qwen3TTSTokenizerV2"
"""What the package puts before the names of its decoder's classes."""


@dataclass(frozen=True, slots=True)
class Context:
    """The end of a layer's inputs so far, in a row of state.

    Attributes:
        start: where it begins in the row.
        shape: of the stretch in one stream.
        axis: which dimension of ``[batch, *shape]`` is time.
    """

    start: int
    shape: tuple[int, ...]
    axis: int

    def extend(self, new: Tensor, rows: Tensor) -> Tensor:
        """What is new, after its context; the end of both becomes the next context."""
        length = self.shape[self.axis - 1]
        if not length:
            return new
        kept = rows.narrow(1, self.start, math.prod(self.shape))
        kept = kept.view(-1, *self.shape)
        both = torch.cat((kept, new), dim=self.axis)
        kept.copy_(both.narrow(self.axis, both.shape[self.axis] - length, length))
        return both


class Layout:
    """Where each layer's context lies in a stream's row of state.

    Attributes:
        size: numbers in a row.
    """

    def __init__(self) -> None:
        self.size = 0

    def reserve(self, *shape: int, axis: int) -> Context:
        """Room for one layer's context."""
        context = Context(self.size, shape, axis)
        self.size += math.prod(shape)
        return context


class Convolution:
    """A convolution that sees the past alone: its context is all inputs that its kernel reaches back over."""

    def __init__(self, module: Any, layout: Layout) -> None:
        conv = module.conv
        reach = (conv.kernel_size[0] - 1) * conv.dilation[0]
        _require(
            module, conv.stride == (1,) and conv.padding == (0,), "strides or pads"
        )
        _require(module, module.padding == reach, "pads other than on the left")
        self._conv = conv
        self._context = layout.reserve(conv.in_channels, reach, axis=2)

    def __call__(self, new: Tensor, rows: Tensor) -> Tensor:
        """``[batch, channels, n]`` to as many outputs."""
        return self._conv(self._context.extend(new, rows))


class Upsampling:
    """A transposed convolution that gives ``stride`` outputs an input.

    An input reaches ``kernel - stride`` outputs past its own. The whole decode cuts those off after its last input, so
    that every output it keeps is made of inputs up to its own: they are final as soon as that input is there, and the
    context is the inputs before, not the outputs to come.
    """

    def __init__(self, module: Any, layout: Layout) -> None:
        conv = module.conv
        kernel, stride = conv.kernel_size[0], conv.stride[0]
        _require(
            module,
            module.left_pad == 0 and module.right_pad == kernel - stride,
            "cuts other than what reaches past the end",
        )
        _require(
            module,
            (conv.padding, conv.output_padding, conv.dilation) == ((0,), (0,), (1,)),
            "pads or dilates",
        )
        self._conv, self._stride = conv, stride
        self._before = math.ceil(kernel / stride) - 1
        self._context = layout.reserve(conv.in_channels, self._before, axis=2)

    def __call__(self, new: Tensor, rows: Tensor) -> Tensor:
        """``[batch, channels, n]`` to ``[batch, channels, n * stride]``."""
        outputs = self._conv(self._context.extend(new, rows))
        return outputs.narrow(
            2, self._before * self._stride, new.shape[2] * self._stride
        )


class Snake:
    """``x + sin²(x·exp(alpha)) / exp(beta)`` for each channel (SnakeBeta): looks at nothing but the moment itself."""

    def __init__(self, module: Any) -> None:
        self._frequency = module.alpha.detach().exp()[:, None]
        magnitude = module.beta.detach().exp()[:, None]
        self._magnitude = 1 / (magnitude + module.no_div_by_zero)

    def __call__(self, new: Tensor, rows: Tensor) -> Tensor:
        """``[batch, channels, n]`` to the same shape."""
        wave = (new * self._frequency).sin_().square_()
        return wave.mul_(self._magnitude).add_(new)


class ConvNeXt:
    """A ConvNeXt block: only its depthwise convolution looks back."""

    def __init__(self, module: Any, layout: Layout) -> None:
        self._depthwise = Convolution(module.dwconv, layout)
        self._module = module

    def __call__(self, new: Tensor, rows: Tensor) -> Tensor:
        """``[batch, channels, n]`` to the same shape."""
        block = self._module
        hidden = block.norm(self._depthwise(new, rows).transpose(1, 2))
        hidden = block.pwconv2(block.act(block.pwconv1(hidden)))
        return new + (block.gamma * hidden).transpose(1, 2)


class Chain:
    """Layers one after the other."""

    def __init__(self, modules: Iterable[Any], layout: Layout) -> None:
        self._layers = [build(module, layout) for module in modules]

    def __call__(self, new: Tensor, rows: Tensor) -> Tensor:
        """Through all of them."""
        for layer in self._layers:
            new = layer(new, rows)
        return new


class Residual:
    """A residual unit: two convolutions, each after its activation, around a shortcut."""

    def __init__(self, module: Any, layout: Layout) -> None:
        self._inside = Chain(
            (module.act1, module.conv1, module.act2, module.conv2), layout
        )

    def __call__(self, new: Tensor, rows: Tensor) -> Tensor:
        """``[batch, channels, n]`` to the same shape."""
        return self._inside(new, rows) + new


def build(module: Any, layout: Layout) -> Layer:
    """The layer that does what a module of the package does, and goes on where it stopped.

    Raises:
        FailedPrecondition: it is none of those whose looking back is known.
    """
    match type(module).__name__.removeprefix(_PREFIX):
        case "CausalConvNet":
            return Convolution(module, layout)
        case "CausalTransConvNet":
            return Upsampling(module, layout)
        case "SnakeBeta":
            return Snake(module)
        case "ConvNeXtBlock":
            return ConvNeXt(module, layout)
        case "DecoderDecoderResidualUnit":
            return Residual(module, layout)
        case "DecoderDecoderBlock":
            return Chain(module.block, layout)
        case unknown:
            raise FailedPrecondition(
                f"the speech tokenizer has a layer {unknown!r}, whose state is not known; use qwen-tts 0.1.1 and a "
                "checkpoint of its 12 Hz tokenizer"
            )


def _require(module: Any, holds: bool, what: str) -> None:
    if not holds:
        raise FailedPrecondition(
            f"a {type(module).__name__} of the speech tokenizer {what}, which cannot be continued; use qwen-tts 0.1.1 "
            "and a checkpoint of its 12 Hz tokenizer"
        )
