"""A GPU that only knows shapes, dtypes and devices: everything in a step stays on it, and nothing is mixed up.

What a CPU computes says nothing about a tensor that was left behind on the host, since there is no other place.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

from services.tts.engines.qwen3.codec import CodecDecoder
from services.tts.engines.qwen3.importing import qwen_tts
from services.tts.engines.qwen3.prompts import Prompt
from services.tts.engines.qwen3.sampling import Sampling
from services.tts.engines.qwen3.talker import Talker
from tests.models.checkpoints import qwen3

GPU = "pretended"
SLOTS = 4


@pytest.fixture(scope="module")
def pretended() -> FakeTensorMode:
    _setup_privateuseone_for_python_backend(GPU)
    # Upstream turns autocast off while it rotates positions, which asks the device what it supports.
    getattr(torch, GPU).get_amp_supported_dtype = lambda: [torch.bfloat16]
    return FakeTensorMode()


@pytest.fixture
def on_gpu(pretended: FakeTensorMode) -> Iterator[Any]:
    """A checkpoint there, the codec in float32 and the rest in bfloat16, as it is on a GPU."""
    wrapper = qwen_tts().Qwen3TTSModel.from_pretrained(str(qwen3.tiny()))
    model = wrapper.model
    with pretended, torch.inference_mode():
        move(model.talker, torch.bfloat16)
        move(model.speech_tokenizer.model.decoder, torch.float32)
        yield model


def move(module: torch.nn.Module, dtype: torch.dtype) -> None:
    def there(tensor: torch.Tensor) -> torch.Tensor:
        kind = dtype if tensor.is_floating_point() else tensor.dtype
        return torch.empty(tensor.shape, dtype=kind, device=GPU)

    for part in module.modules():
        for name, weight in list(part.named_parameters(recurse=False)):
            setattr(part, name, torch.nn.Parameter(there(weight), requires_grad=False))
        for name, buffer in list(part.named_buffers(recurse=False)):
            setattr(part, name, there(buffer))


def prompt(hidden: int, positions: int) -> Prompt:
    def embedded(*shape: int) -> torch.Tensor:
        return torch.empty(*shape, dtype=torch.bfloat16, device=GPU)

    return Prompt(
        embedded(positions, hidden), embedded(2, hidden), embedded(hidden), 3, None
    )


@pytest.mark.parametrize("greedy", [True, False])
def test_a_frame_is_made_where_the_weights_are(on_gpu: Any, greedy: bool) -> None:
    sampling = Sampling(greedy=greedy, top_p=0.9)
    talker = Talker(on_gpu.talker, SLOTS, 64, (sampling, sampling))
    hidden = on_gpu.talker.config.hidden_size
    talker.join([(0, prompt(hidden, 9)), (2, prompt(hidden, 7))])
    for size in talker.sizes:
        talker._step(size)
    talker.restore(1, talker.save(0, 9))
    for kept in (talker._keys, talker._hidden):
        assert (kept.device.type, kept.dtype) == (GPU, torch.bfloat16)
    assert talker._said.device.type == GPU


def test_frames_that_come_from_the_host_are_decoded_where_the_weights_are(
    on_gpu: Any,
) -> None:
    codec = CodecDecoder(on_gpu.speech_tokenizer.model.decoder, SLOTS)
    codec.fix_shapes((1, 2, SLOTS))
    frames = [torch.zeros(5, codec.codebooks, dtype=torch.int64) for _ in range(3)]
    audio = codec._run(frames, [0, 3, 1])
    assert (audio.device.type, audio.dtype) == (GPU, torch.float32)
    assert audio.shape == (3, 5 * codec.samples_per_frame)


def test_the_pretended_gpu_notices_what_was_left_on_the_host(on_gpu: Any) -> None:
    weight = on_gpu.talker.codec_head.weight
    with pytest.raises(RuntimeError, match="device"):
        torch.nn.functional.linear(torch.empty(1, weight.shape[1]), weight)
