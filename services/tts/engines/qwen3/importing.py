"""Bringing in qwen-tts without what this engine has no use for.

The package imports torchaudio, onnxruntime and sox at module level for the tokenizer of its 25 Hz checkpoints, which
are not spoken here. Stand-ins take their places for as long as the import lasts: they need not be installed, and a
torchaudio that was built for another torch cannot break the import.
"""

import contextlib
import io
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_UNUSED = (
    "torchaudio",
    "torchaudio.compliance",
    "torchaudio.compliance.kaldi",
    "onnxruntime",
    "sox",
)


def qwen_tts() -> Any:
    """The package ``qwen_tts``.

    Raises:
        ModuleNotFoundError: it, or something that it does need, is not installed.
    """
    # It looks for torchaudio when it is imported, and remembers: it must not find a stand-in.
    import_module("transformers")
    # A banner about flash-attn, which only the 25 Hz tokenizer would use, is printed on standard output.
    with _stand_ins(), contextlib.redirect_stdout(io.StringIO()):
        return import_module("qwen_tts")


@contextlib.contextmanager
def _stand_ins() -> Iterator[None]:
    added = [name for name in _UNUSED if name not in sys.modules]
    for name in added:
        module = ModuleType(name)
        module.__spec__ = ModuleSpec(name, loader=None, is_package=True)
        sys.modules[name] = module
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, module)
    try:
        yield
    finally:
        for name in added:
            del sys.modules[name]
