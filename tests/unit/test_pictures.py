"""The README's picture of the system is what its script draws."""

import runpy
from pathlib import Path

IMAGES = Path(__file__).parents[2] / "docs" / "images"


def test_pictures_are_as_their_script_draws_them() -> None:
    script = runpy.run_path(str(IMAGES / "system.py"))
    for name, palette in script["PALETTES"].items():
        assert (IMAGES / name).read_text() == script["draw"](palette), name
