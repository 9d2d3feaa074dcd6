"""Dockerfiles as Docker reads them: instructions, stages, and what an image is made of in the end."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_VARIABLE = re.compile(r"\$\{?(\w+)\}?")
_PAIR = re.compile(r"""([\w.-]+)=("(?:\\.|[^"\\])*"|[^\s"]*)""")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction.

    Attributes:
        name: in capitals, such as RUN.
        text: all that follows, on one line.
    """

    name: str
    text: str

    @property
    def words(self) -> list[str] | None:
        """Its exec form; None where it is in shell form."""
        try:
            words = json.loads(self.text)
        except ValueError:
            return None
        return words if isinstance(words, list) else None

    @property
    def pairs(self) -> dict[str, str]:
        """Names and values, of ENV, ARG and LABEL."""
        return {key: value.strip('"') for key, value in _PAIR.findall(self.text)}

    @property
    def sources(self) -> list[str]:
        """What a COPY takes out of the context; nothing where it takes from another stage."""
        if "--from=" in self.text:
            return []
        return re.sub(r"--\S+ ", "", self.text).split()[:-1]


@dataclass(frozen=True, slots=True)
class Stage:
    """What stands under one FROM.

    Attributes:
        base: an image, or another stage.
        name: its own; empty for one that has none.
        instructions: without the FROM.
    """

    base: str
    name: str
    instructions: tuple[Instruction, ...]


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """A whole one.

    Attributes:
        label: what complaints call it.
        text: as it is written.
        arguments: that stand before the first FROM, with their defaults.
        stages: in order.
    """

    label: str
    text: str
    arguments: Mapping[str, str]
    stages: tuple[Stage, ...]

    def bases(self) -> set[str]:
        """Images from elsewhere that stages begin with."""
        names = {stage.name for stage in self.stages}
        return {stage.base for stage in self.stages} - names - {"scratch"}

    def made(self) -> list[Instruction]:
        """What the image itself is made by: the last stage, and the stages that it stands on."""
        stage = self.stages[-1]
        found = [*stage.instructions]
        while beneath := [each for each in self.stages if each.name == stage.base]:
            stage = beneath[0]
            found = [*stage.instructions, *found]
        return found

    def last(self, name: str) -> Instruction | None:
        """The instruction of a kind that counts in the image."""
        of_kind = [each for each in self.made() if each.name == name]
        return of_kind[-1] if of_kind else None

    def told(self, name: str) -> dict[str, str]:
        """All names and values of ENV or LABEL in the image."""
        return {
            key: value
            for each in self.made()
            if each.name == name
            for key, value in each.pairs.items()
        }


def read(path: Path, **arguments: str) -> Dockerfile:
    """A Dockerfile's contents, with arguments for its build."""
    return parse(path.read_text(encoding="utf-8"), str(path), **arguments)


def parse(text: str, label: str = "Dockerfile", **arguments: str) -> Dockerfile:
    """The same of a text."""
    defaults: dict[str, str] = {}
    stages: list[Stage] = []
    for each in _instructions(text):
        if each.name == "FROM":
            base, _, name = re.sub(r"--\S+ ", "", each.text).partition(" AS ")
            stages.append(Stage(_filled(base, defaults), name, ()))
        elif not stages:
            defaults |= each.pairs | {
                key: value for key, value in arguments.items() if key in each.pairs
            }
        else:
            stage = stages[-1]
            grown = (*stage.instructions, each)
            stages[-1] = Stage(stage.base, stage.name, grown)
    return Dockerfile(label, text, defaults, tuple(stages))


def _instructions(text: str) -> Iterator[Instruction]:
    lines = (line.strip() for line in text.splitlines())
    so_far = ""
    for line in lines:
        # A comment may stand between the lines of one instruction.
        if not line or line.startswith("#"):
            continue
        so_far += line.removesuffix("\\")
        if not line.endswith("\\"):
            name, _, rest = so_far.partition(" ")
            yield Instruction(name.upper(), rest.strip())
            so_far = ""


def _filled(text: str, values: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda found: values.get(found.group(1), ""), text)
