"""The clients of five lines: the README shows what the programs do, and they do it."""

import re
import sys

import pytest

from tests.examples.quickstart import PROGRAMS, ROOT, gateway, output, text_of

HEADING = "## A client in five lines\n"


def shown(language: str) -> str:
    """The README's block."""
    section = (ROOT / "README.md").read_text().split(HEADING)[1].split("\n## ")[0]
    blocks = re.findall(
        rf"^```{language}\n(.+?)^```$", section, re.DOTALL | re.MULTILINE
    )
    assert len(blocks) == 1, section
    return str(blocks[0])


@pytest.mark.parametrize("language", PROGRAMS)
def test_the_readme_shows_five_lines_of_the_program(language: str) -> None:
    lines = shown(language)
    assert sum(line != "}" for line in lines.splitlines()) == 5
    # In Go they stand inside of a function.
    program = re.sub("^\t", "", PROGRAMS[language].read_text(), flags=re.MULTILINE)
    assert f"\n{lines}" in program


async def test_the_python_client_prints_the_answer() -> None:
    async with gateway() as address:
        program = text_of("python", address)
        said = await output(sys.executable, "-c", program, folder=ROOT)
    assert said == "What do bees make?\n"
