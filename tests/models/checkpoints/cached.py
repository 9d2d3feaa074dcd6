"""Checkpoints that tests make for themselves, kept on disk until their recipe changes."""

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

FOLDER_VARIABLE = "ANTIPHON_MODELS"


def cached(name: str, recipes: tuple[str, ...], make: Callable[[Path], None]) -> Path:
    """The path of a checkpoint, made now if its recipe is new.

    Args:
        name: of the file or folder.
        recipes: the source files whose text is the recipe.
        make: makes the checkpoint at a path.
    """
    digest = hashlib.sha256()
    for recipe in recipes:
        digest.update(Path(recipe).read_bytes())
    base = os.environ.get(FOLDER_VARIABLE) or Path.home() / ".cache" / "antiphon"
    folder = Path(base) / "tiny" / digest.hexdigest()[:16]
    path = folder / name
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as beside:
            made = Path(beside) / name
            make(made)
            # Another process may have been as fast.
            if not path.exists():
                made.rename(path)
    return path
