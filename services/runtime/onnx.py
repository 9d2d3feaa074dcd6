"""onnxruntime as every process of ours wants it: one thread, no spinning, no reports to its makers."""

import os
from pathlib import Path
from typing import Any


def forbid_reports() -> None:
    """Keep onnxruntime from reporting this machine's traits to its makers, which it does by default.

    Has to come before it is imported for the first time, by whatever package.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def load(model: Path | str, threads: int = 1) -> Any:
    """An inference session on the CPU.

    Args:
        model: the ONNX file.
        threads: of the session; idle ones sleep, because engines that spin starve each other.
    """
    forbid_reports()
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        str(model), options, providers=["CPUExecutionProvider"]
    )
