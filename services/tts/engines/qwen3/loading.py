"""Loading a Qwen3-TTS checkpoint: from a folder, or from the Hugging Face Hub."""

from pathlib import Path
from typing import Any

import torch

from services.runtime.errors import FailedPrecondition
from services.runtime.logs import get_logger
from services.tts.engines import EngineOptions
from services.tts.engines.qwen3.engine import Qwen3Engine
from services.tts.engines.qwen3.importing import qwen_tts
from services.tts.engines.qwen3.voices import read_offer
from services.tts.engines.weights import qwen3 as weights_of

log = get_logger(__name__)

_TOKENIZER = "qwen3_tts_tokenizer_12hz"
_PRECISIONS = ("float32", "bfloat16", "float16")
_BATCH = {"cuda": 32, "cpu": 4}
"""Lines in one step unless told otherwise. Each takes some 120 MiB of a GPU's memory in half precision."""


def load(options: EngineOptions) -> Qwen3Engine:
    """Load the engine; takes seconds once the weights are here.

    ``options.model`` is a folder, ``OWNER/NAME`` or ``OWNER/NAME@REVISION``; ``options.precision`` is "auto" (bfloat16 on
    CUDA, float32 elsewhere), "float32", "bfloat16" or "float16"; ``options.device`` is "auto", "cpu" or a CUDA device.

    Raises:
        FailedPrecondition: the weights cannot be had or are none of this model, or there is no such device.
        ModuleNotFoundError: qwen-tts is not installed.
    """
    device = _device(options.device)
    precision = options.precision
    if precision == "auto":
        precision = "bfloat16" if device.type == "cuda" else "float32"
    if precision not in _PRECISIONS:
        raise FailedPrecondition(
            f"there is no precision {precision!r}; there are: auto, {', '.join(_PRECISIONS)}"
        )
    torch.set_num_threads(options.threads)
    # PyTorch prefers cuDNN's attention on Hopper and Blackwell, which makes a plan for each new shape: some hundred
    # milliseconds for every number and length of prompts that has not come before, while everybody waits.
    torch.backends.cuda.enable_cudnn_sdp(False)
    batch = options.max_batch or _BATCH[device.type]
    log.info(
        "loading Qwen3-TTS",
        model=_name(options.model),
        device=str(device),
        precision=precision,
        batch=batch,
    )
    package = qwen_tts()
    wrapper = read_checkpoint(
        package, weights_of(options.model), device, getattr(torch, precision)
    )
    offer = read_offer(wrapper.model, options.voice_name)
    try:
        return Qwen3Engine(
            wrapper, offer, _name(options.model), batch, max_open=options.max_open
        )
    except torch.OutOfMemoryError as error:
        raise FailedPrecondition(
            f"the device has no memory for {batch} lines at once beside the model: allow fewer (max_batch, max_streams)"
        ) from error


def _device(name: str) -> Any:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in _BATCH:
        raise FailedPrecondition(
            f"there is no device {name!r}; there are: auto, cpu, cuda"
        )
    if device.type == "cuda" and not torch.cuda.is_available():
        raise FailedPrecondition(
            "there is no CUDA here: PyTorch sees no GPU, or was built without CUDA; set the device to cpu or auto"
        )
    return device


def _name(model: str) -> str:
    path = Path(model).expanduser()
    return path.resolve().name if path.is_dir() else model


def read_checkpoint(package: Any, folder: Path, device: Any, dtype: Any) -> Any:
    """A ``Qwen3TTSModel`` in a precision, its codec always in float32.

    Raises:
        FailedPrecondition: the folder holds none.
    """
    try:
        wrapper = package.Qwen3TTSModel.from_pretrained(
            str(folder),
            dtype=dtype,
            device_map=str(device),
            attn_implementation="sdpa",
            local_files_only=True,
        )
        if dtype is not torch.float32:
            # In half precision the codec's own noise is 36 dB below the speech, which can be heard. It is small.
            codec = package.Qwen3TTSTokenizer.from_pretrained(
                str(folder / "speech_tokenizer"),
                dtype=torch.float32,
                device_map=str(device),
                local_files_only=True,
            )
            wrapper.model.load_speech_tokenizer(codec)
    except ImportError:
        raise
    except Exception as error:  # each of the libraries that read it has its own
        raise FailedPrecondition(
            f"no Qwen3-TTS checkpoint can be loaded from {folder}: {type(error).__name__}: {error}"
        ) from error
    if wrapper.model.tokenizer_type != _TOKENIZER:
        raise FailedPrecondition(
            f"{folder} speaks through {wrapper.model.tokenizer_type!r}; only {_TOKENIZER!r} is supported"
        )
    wrapper.model.eval().requires_grad_(False)
    wrapper.model.speech_tokenizer.model.eval().requires_grad_(False)
    return wrapper
