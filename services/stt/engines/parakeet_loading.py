"""NeMo, quietly: how a checkpoint is loaded, where to, and in which precision."""

import errno
import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from services.runtime.errors import FailedPrecondition
from services.runtime.logs import get_logger

log = get_logger(__name__)


def restore(archive: Path, device: str) -> Any:
    """The model of a ``.nemo`` archive.

    NeMo unpacks it into a temporary folder meanwhile.

    Args:
        archive: the file.
        device: "cpu" or "cuda".

    Raises:
        FailedPrecondition: NeMo is not installed, cannot load it, or it is no transducer.
    """
    log.info("loading NeMo", model=archive.name, device=device)
    with _quiet():
        try:
            # Not among the imports at the top: it must be quiet first.
            from nemo.collections.asr.models import ASRModel, EncDecRNNTModel

            from services.stt.engines import parakeet_unpacking as unpacking
        except ModuleNotFoundError:
            raise
        except Exception as error:  # its packages look for CUDA, compilers and more
            raise FailedPrecondition(f"NeMo cannot be imported: {error}") from error
        _follow_our_logs()
        try:
            model = ASRModel.restore_from(
                str(archive),
                map_location=device,
                save_restore_connector=unpacking.Unpacking()
                if unpacking.NEEDED
                else None,
            )
        except Exception as error:  # it raises what its many packages raise
            hint = ""
            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                hint = f"; it is unpacked in {tempfile.gettempdir()}, and TMPDIR names another folder"
            raise FailedPrecondition(
                f"NeMo could not load {archive}: {error}{hint}"
            ) from error
    if not isinstance(model, EncDecRNNTModel):
        raise FailedPrecondition(
            f"{archive} holds a {type(model).__name__}; a transducer is needed (RNN-T or TDT, such as Parakeet TDT)"
        )
    if "Prompt" in type(model).__name__:
        # Their encoder's output is nothing without the prompt that names the language.
        raise FailedPrecondition(
            f"{archive} holds a {type(model).__name__}, which wants prompts; this engine gives none"
        )
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the notes that NeMo's packages write about training, which is not what is done here."""
    logging.getLogger("nv_one_logger").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _follow_our_logs() -> None:
    """Let NeMo's errors go where ours go, and nothing of it to standard output or into memory."""
    logger = logging.getLogger("nemo_logger")
    logger.handlers.clear()
    logger.propagate = True
    logger.setLevel(logging.ERROR)


def quantize(encoder: Any) -> None:
    """Let an encoder's linear layers compute in 8 bits, in place; on a CPU only.

    Weights are scaled by channel once, what they are multiplied with anew for each call.
    """
    quantization = torch.ao.quantization
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantization.quantize_dynamic(
            encoder,
            {torch.nn.Linear: quantization.per_channel_dynamic_qconfig},
            inplace=True,
        )


def device_of(asked: str) -> str:
    """Where the model runs: "cpu" or "cuda".

    Args:
        asked: "cpu", "cuda", "auto" or empty.

    Raises:
        FailedPrecondition: there is no GPU where one is asked for.
    """
    there = torch.cuda.is_available()
    if asked == "cuda" and not there:
        raise FailedPrecondition(
            "device is cuda, but PyTorch finds no GPU that it can use here"
        )
    return "cuda" if there and asked != "cpu" else "cpu"


def precision_of(asked: str, device: str) -> str:
    """What the model computes in: "float32", "bfloat16" or "int8".

    Args:
        asked: one of these, or "auto".
        device: "cpu" or "cuda".

    Raises:
        FailedPrecondition: it is not for this device.
    """
    offered = {"cuda": ("bfloat16", "float32"), "cpu": ("float32", "int8", "bfloat16")}
    if device == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        # GPUs before 2020 would emulate it, many times slower.
        offered["cuda"] = ("float32",)
    precision = offered[device][0] if asked == "auto" else asked
    if precision not in offered[device]:
        raise FailedPrecondition(
            f"precision {precision!r} is not for this engine on {device}; there are: auto, "
            f"{', '.join(offered[device])}"
        )
    if precision == "bfloat16" and device == "cpu":
        log.warning(
            "bfloat16 is fast on CPUs with AMX, and fifteen times slower than float32 on those without"
        )
    return precision
