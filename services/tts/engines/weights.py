"""Where an engine's weights are: in the models catalogue, in a file or folder, or on the Hugging Face Hub."""

from pathlib import Path

from services.runtime import hub, models
from services.runtime.errors import FailedPrecondition

_VOICE_FILE = "voice.onnx"
"""What a voice of the catalogue is called in its folder."""


def piper(model: str) -> Path:
    """The ``.onnx`` of a Piper voice, its ``.onnx.json`` beside it.

    Args:
        model: an entry of the catalogue, a file, or ``REPOSITORY[@REVISION]:FILE.onnx`` on the Hub.

    Raises:
        FailedPrecondition: it cannot be had.
    """
    voices = [
        name
        for name, entry in models.catalogue().items()
        if any(file.name == _VOICE_FILE for file in entry.files)
    ]
    if model in voices:
        return models.locate(model) / _VOICE_FILE
    if model.endswith(".onnx") and Path(model).is_file():
        return Path(model)
    place = hub.parse(model)
    if place and place.file.endswith(".onnx"):
        names = (place.file, f"{place.file}.json")
        return hub.fetch(place.repository, names, place.revision) / place.file
    raise FailedPrecondition(
        f"there is no voice {model!r}: give a name of the catalogue ({', '.join(voices)}), the path of an .onnx "
        "file with its .onnx.json beside it, or REPOSITORY:FILE on the Hugging Face Hub"
    )


def qwen3(model: str) -> Path:
    """The folder of a Qwen3-TTS checkpoint.

    Args:
        model: a folder, or ``OWNER/NAME[@REVISION]`` on the Hub.

    Raises:
        FailedPrecondition: it cannot be had.
    """
    path = Path(model).expanduser()
    return path if path.is_dir() else hub.fetch(model)
