"""Weights of the CPU default: what there is (``models.toml``), where it lies, and fetching it once.

A model lies complete in its folder or not at all: it is fetched beside, checked, and moved into place, so that
any number of processes may fetch at the same time. A connection that breaks is taken up again by pip where it
broke; a fetch that was stopped goes on with the model it was at.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from services.runtime.errors import FailedPrecondition

FOLDER_VARIABLE = "ANTIPHON_MODELS"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a model.

    Attributes:
        name: what it is called in the model's folder.
        member: its path in the package.
        sha256: of its content, in hex.
    """

    name: str
    member: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Model:
    """One entry of the catalogue.

    Attributes:
        name: of the entry and of its folder.
        about: one line for people.
        licence: of the weights.
        package: requirement of the package that carries it.
        package_sha256: of the package's wheel, in hex.
        megabytes: size of the wheel.
        files: what is taken out of it.
    """

    name: str
    about: str
    licence: str
    package: str
    package_sha256: str
    megabytes: int
    files: tuple[ModelFile, ...]

    @property
    def folder(self) -> Path:
        """Where it lies, or would lie."""
        return models_folder() / f"{self.name}-{self.package_sha256[:12]}"

    @property
    def present(self) -> bool:
        """Whether it has been fetched; no where its folder may not be looked at."""
        return os.path.isdir(self.folder)


def models_folder() -> Path:
    """Folder of all models: ``ANTIPHON_MODELS``, else ``antiphon/models`` in the user's cache."""
    if folder := os.environ.get(FOLDER_VARIABLE):
        return Path(folder)
    # Asked for last: a user whom the system does not know has no home.
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "antiphon" / "models"


def catalogue() -> dict[str, Model]:
    """All models by name."""
    document = tomllib.loads(
        files("services.runtime").joinpath("models.toml").read_text()
    )
    return {
        name: Model(
            name,
            entry["about"],
            entry["licence"],
            entry["package"],
            entry["package_sha256"],
            entry["megabytes"],
            tuple(ModelFile(file, **where) for file, where in entry["files"].items()),
        )
        for name, entry in document.items()
    }


def locate(name: str) -> Path:
    """Folder of a fetched model.

    Raises:
        FailedPrecondition: it has not been fetched, or is not in the catalogue.
    """
    models = catalogue()
    if name not in models:
        raise FailedPrecondition(
            f"there is no model {name!r}; there are: {', '.join(models)}"
        )
    if not models[name].present:
        raise FailedPrecondition(
            f"model {name!r} is not in {models_folder()}: fetch it with `antiphon fetch {name}`, or name the folder that "
            f"has it with {FOLDER_VARIABLE}; an image has its own in /opt/models"
        )
    return models[name].folder


def fetch(models: Iterable[Model], say: Callable[[str], None]) -> None:
    """Fetch what is missing and check it; ``say`` gets a line for each step.

    Raises:
        FailedPrecondition: a package could not be had, is not what it should be, or cannot be kept where models lie.
    """
    for model in models:
        if model.present:
            say(f"{model.name}: already here")
            continue
        say(
            f"{model.name}: fetching {model.megabytes} MB ({model.about}; {model.licence})"
        )
        try:
            _fetch(model)
        except OSError as error:
            raise FailedPrecondition(
                f"{model.name} cannot be kept in {models_folder()}: {error.strerror or error}. Make room or mend the "
                f"folder, or name another one with {FOLDER_VARIABLE}."
            ) from None
        say(f"{model.name}: checked, in {model.folder}")


def _fetch(model: Model) -> None:
    """Download, unpack and check it beside its folder, then move it there.

    Raises:
        FailedPrecondition: the package could not be had, or is not what it should be.
        OSError: it cannot be kept.
    """
    # Where a file has the folder's name, "Not a directory" says more than mkdir's "File exists".
    if not os.path.exists(model.folder.parent):
        model.folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        dir=model.folder.parent, prefix=f".{model.name}-"
    ) as beside:
        ready = Path(beside) / "ready"
        _unpack(model, _download(model, Path(beside)), ready)
        try:
            ready.rename(model.folder)
        except OSError:
            if not model.present:
                raise


def _download(model: Model, folder: Path) -> Path:
    """The package's wheel, by pip: its index, proxy and certificates are the ones that installed us."""
    if find_spec("pip") is None:
        raise FailedPrecondition(
            f"{model.name} is fetched by pip, which is not installed here: install it, or bring the model's folder from "
            "where it is. Images of ours have no pip; each brings the model that it runs with, and takes others from the "
            "Hugging Face Hub."
        )
    wanted = folder / "wanted.txt"
    wanted.write_text(f"{model.package} --hash=sha256:{model.package_sha256}\n")
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "--require-hashes",
    ]
    command += [
        "--resume-retries=20",
        "--disable-pip-version-check",
        "--dest",
        str(folder),
        "-r",
        str(wanted),
    ]
    try:
        subprocess.run(command, check=True)
    except subprocess.CalledProcessError:
        raise FailedPrecondition(
            f"pip could not fetch {model.package}, which carries {model.name}; what it said stands above. "
            "Check the network and run this again: what is here already is not fetched again."
        ) from None
    return next(folder.glob("*.whl"))


def _unpack(model: Model, wheel: Path, folder: Path) -> None:
    folder.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        for file in model.files:
            with (
                archive.open(file.member) as source,
                (folder / file.name).open("wb") as target,
            ):
                shutil.copyfileobj(source, target)
            with (folder / file.name).open("rb") as written:
                digest = hashlib.file_digest(written, "sha256").hexdigest()
            if digest != file.sha256:
                raise FailedPrecondition(
                    f"{model.package}: {file.member} has sha256 {digest}, not {file.sha256}; it was not kept"
                )
