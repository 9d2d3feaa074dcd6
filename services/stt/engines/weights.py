"""Where an engine's weights are: in the models catalogue, in a folder, or on the Hugging Face Hub."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from services.runtime import hub, models
from services.runtime.errors import FailedPrecondition

DEFAULT_MODELS: Mapping[str, str] = {
    "whisper": "whisper-tiny-en",
    "parakeet": "nvidia/parakeet-tdt-0.6b-v3",
}
"""What each engine hears with unless it is told otherwise."""

_CTRANSLATE2 = ("*.json", "*.txt", "model.bin")
_NEMO = ".nemo"


def whisper(model: str) -> Path:
    """The folder of a Whisper model for CTranslate2.

    Raises:
        FailedPrecondition: it cannot be had.
    """
    return find(model, _CTRANSLATE2)


def parakeet(model: str) -> Path:
    """The archive of a NeMo model.

    Raises:
        FailedPrecondition: it cannot be had, or there is not exactly one.
    """
    return find_file(model, _NEMO)


def find(model: str, patterns: Sequence[str]) -> Path:
    """The folder of a model, fetched from the Hub if it is an id there.

    Args:
        model: name in the catalogue, folder, or id on the Hub, ``@REVISION`` behind it where one is wanted.
        patterns: of the files that are wanted from the Hub.

    Raises:
        FailedPrecondition: it cannot be had.
    """
    catalogue = models.catalogue()
    if model in catalogue:
        return models.locate(model)
    if Path(model).is_dir():
        return Path(model)
    place = hub.parse(model)
    if place is None or place.file:
        raise FailedPrecondition(
            f"there is no model {model!r}: it is not in the catalogue "
            f"({', '.join(catalogue)}), not a file or folder, and not an id on the Hugging Face Hub"
        )
    return hub.fetch(model, patterns)


def find_file(model: str, suffix: str) -> Path:
    """The one file of a model that is a single file, fetched from the Hub if the model is an id there.

    Args:
        model: the file, or what `find` takes.
        suffix: of the file's name, with its dot.

    Raises:
        FailedPrecondition: it cannot be had, or there is not exactly one.
    """
    if Path(model).is_file():
        return Path(model)
    folder = find(model, (f"*{suffix}",))
    files = sorted(folder.glob(f"*{suffix}"))
    if len(files) != 1:
        raise FailedPrecondition(
            f"model {model!r} should be one {suffix} file, but {folder} has {len(files)}; name the file"
        )
    return files[0]


def publishers_name(model: str) -> str:
    """What a model's publisher calls it: "tiny.en" for "whisper-tiny-en" and "Systran/faster-whisper-tiny.en"."""
    name = (
        Path(model)
        .name.partition("@")[0]
        .removeprefix("faster-")
        .removeprefix("whisper-")
    )
    return f"{name[:-3]}.en" if name.endswith("-en") else name
