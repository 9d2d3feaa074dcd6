"""What the pages tell people to type is there: settings and files."""

import re
from pathlib import Path

import pytest

from tests.deploy.settings import EXAMPLE, SHARED, settings
from tests.deploy.tools import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OF_THE_COMMAND = {"ANTIPHON_API_KEY"}
"""Read by ``antiphon talk`` and its like, not by a process that is deployed."""
_VARIABLE = re.compile(r"\bANTIPHON_[A-Z0-9_]*[A-Z0-9]\b(?!_)")
_FILE = re.compile(r"-[fk] ((?:deploy/|docker-compose)[\w./-]*\w)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_settings_that_a_page_names_are_settings(page: Path) -> None:
    example = EXAMPLE.read_text(encoding="utf-8")
    of_compose = set(re.findall(r"^#?([A-Z][A-Z0-9_]*)=", example, re.MULTILINE))
    known = {*settings(), *SHARED, *OF_THE_COMMAND, *of_compose}
    assert set(_VARIABLE.findall(page.read_text(encoding="utf-8"))) - known == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_applies_are_there(page: Path) -> None:
    for path in _FILE.findall(page.read_text(encoding="utf-8")):
        assert (ROOT / path).exists(), path
