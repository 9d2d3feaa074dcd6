"""Where the models that hear lie: in the models catalogue, or in a file."""

from pathlib import Path

from services.runtime import models

NO_MODEL = ("", "none")
"""Settings of the model of a turn's end that mean none: an empty variable of the environment counts as not set, so there
has to be a word for it."""


def voice(model: str) -> Path:
    """The ONNX file of a model of voice activity.

    Args:
        model: a path, or a name in the catalogue.

    Raises:
        FailedPrecondition: it has not been fetched, or is not in the catalogue.
    """
    return _file(model, "silero_vad.onnx")


def ending(model: str) -> Path:
    """The ONNX file of a model of a turn's end; otherwise as `voice`."""
    return _file(model, "smart-turn.onnx")


def _file(model: str, name: str) -> Path:
    return Path(model) if model.endswith(".onnx") else models.locate(model) / name
