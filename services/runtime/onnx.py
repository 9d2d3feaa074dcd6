"""onnxruntime as every process of ours wants it: one thread, no spinning, no reports to its makers."""

from pathlib import Path
from typing import Any


def load(model: Path | str, threads: int = 1) -> Any:
    """An inference session on the CPU.

    Args:
        model: the ONNX file.
        threads: of the session; idle ones sleep, because engines that spin starve each other.
    """
    import onnxruntime

    # On by default: usage reports with this machine's traits, queued in the user's cache and sent to Microsoft.
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        str(model), options, providers=["CPUExecutionProvider"]
    )
