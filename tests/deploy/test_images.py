"""Dockerfiles, and what the context of their builds lets in; nothing is built."""

from collections.abc import Callable
from pathlib import Path

import pytest
from docker.utils import exclude_paths

from tests.deploy import dockerfiles
from tests.deploy.dockerfiles import Dockerfile
from tests.deploy.rules.contents import DOCKERFILES
from tests.deploy.rules.images import RULES, service
from tests.deploy.settings import version
from tests.deploy.tools import ROOT, called, own, run

ENGINES = {"stt": ("whisper", "parakeet"), "tts": ("piper", "qwen3")}
IMAGES = [
    (name, {"ENGINE": engine} if engine else {})
    for name in DOCKERFILES
    for engine in ENGINES.get(name, ("",))
]
NAMES = ["-".join([name, *arguments.values()]) for name, arguments in IMAGES]

KEPT_OUT = (
    ".env",
    ".env.local",
    ".git/config",
    ".venv/bin/python",
    ".venv-models/bin/python",
    ".venv-deploy/bin/python",
    "antiphon/v1/stt_pb2.py",
    "bench/turns.json",
    "deploy/compose/access/keys.yaml",
    "docs/talk.md",
    "gateway/__pycache__/session.pyc",
    "models/whisper.bin",
    "tests/conftest.py",
    "tests/browser/agents/node_modules/zod/package.json",
    "tls.key",
)
"""Secrets, and what is big, made here, or no part of any image."""


@pytest.fixture(params=IMAGES, ids=NAMES)
def dockerfile(request: pytest.FixtureRequest) -> Dockerfile:
    name, arguments = request.param
    return dockerfiles.read(DOCKERFILES[name], **arguments)


@pytest.mark.parametrize("rule", RULES, ids=called)
def test_every_image_keeps_every_rule(
    dockerfile: Dockerfile, rule: Callable[[Dockerfile], list[str]]
) -> None:
    assert rule(dockerfile) == []


def test_no_dockerfile_is_left_out() -> None:
    written = run(["git", "ls-files", "*Dockerfile*"]).stdout.split()
    assert {ROOT / path for path in written} == set(DOCKERFILES.values())


@pytest.mark.parametrize("name", DOCKERFILES)
def test_hadolint_finds_nothing(name: str) -> None:
    done = run([own("hadolint"), "--no-color", DOCKERFILES[name]])
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", DOCKERFILES)
def test_every_rule_of_hadolint_that_is_passed_over_has_its_reason(name: str) -> None:
    lines = DOCKERFILES[name].read_text(encoding="utf-8").splitlines()
    for before, line, after in zip(lines, lines[1:], lines[2:], strict=False):
        if "hadolint ignore=" in line:
            # Which stage FROM means stands in an argument, and says itself what it is.
            assert before.startswith("#") or after.startswith("FROM "), line


def test_images_are_built_by_the_same_steps_as_long_as_they_can_be() -> None:
    """So that one cache serves all five."""
    first = [dockerfiles.read(path).stages[:2] for path in DOCKERFILES.values()]
    assert all(stages == first[0] for stages in first)


def test_images_are_called_and_numbered_as_the_package_is(
    dockerfile: Dockerfile,
) -> None:
    assert service(dockerfile) in DOCKERFILES
    assert DOCKERFILES[service(dockerfile)] == Path(dockerfile.label)
    assert any(
        each.pairs.get("VERSION") == version()
        for each in dockerfile.made()
        if each.name == "ARG"
    )


def let_in(folder: Path) -> set[str]:
    """Which files of a folder Docker would get, by our .dockerignore; the list of folders among them aside."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    found: set[str] = exclude_paths(str(folder), patterns)
    return {path for path in found if (folder / path).is_file()} - {".dockerignore"}


def written(folder: Path, paths: tuple[str, ...] | set[str]) -> None:
    for path in paths:
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


def test_the_context_lets_in_nothing_that_is_secret_big_or_made_here(
    tmp_path: Path,
) -> None:
    written(tmp_path, KEPT_OUT)
    assert let_in(tmp_path) == set()


def test_the_context_lets_in_all_that_is_copied(
    dockerfile: Dockerfile, tmp_path: Path
) -> None:
    listed = run(["git", "ls-files", "--cached", "--others", "--exclude-standard"])
    written(tmp_path, set(listed.stdout.splitlines()))
    sent = let_in(tmp_path)
    for stage in dockerfile.stages:
        for each in stage.instructions:
            for source in each.sources if each.name == "COPY" else []:
                inside = any(path.startswith(f"{source}/") for path in sent)
                assert source in sent or inside, source
