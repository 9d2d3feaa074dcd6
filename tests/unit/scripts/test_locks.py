"""The locks hold what the project asks for; those of the engines on PyTorch agree, and can do without CUDA."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[3]
ENGINES = ("stt-parakeet", "tts-qwen3")
SERVICES = ("gateway", "llm", "llm-local", "stt-whisper", "tts-piper")
BIG = {
    "aiortc": {"gateway"},
    "ctranslate2": {"stt-whisper"},
    "numpy": {"gateway", "stt-whisper", "tts-piper"},
    "onnxruntime": {"gateway", "tts-piper"},
    "piper-tts": {"tts-piper"},
    "xllamacpp": {"llm-local"},
}
"""Packages of some services, and whose they are."""
CUDA = re.compile(r"torch|triton|cuda-toolkit|nvidia-.*")

SAMPLE = """nv-one-logger-core==2.3.1 \\
    --hash=sha256:aa
nvidia-cublas==13.1 ; sys_platform == 'linux' \\
    --hash=sha256:bb \\
    --hash=sha256:cc
torch==2.13.0 \\
    --hash=sha256:dd
torchmetrics==1.9.0 \\
    --hash=sha256:ee \\
    --hash=sha256:ff
"""


def _lock(name: str) -> Path:
    return ROOT / "requirements" / f"{name}.lock"


def _pins(text: str) -> set[str]:
    """``name==version`` of every requirement; a package may have several, for different machines."""
    return set(re.findall(r"^([a-z0-9][\w.-]*==[^ ;\\]+)", text, re.MULTILINE))


def _names(pins: set[str]) -> set[str]:
    return {pin.partition("==")[0] for pin in pins}


def _without_torch(lock: Path) -> str:
    return subprocess.run(
        (ROOT / "scripts" / "without-torch.sh", lock),
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def _wanted(extra: str) -> list[Requirement]:
    """Requirements of an extra, those of extras that it names and of the package itself included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = [Requirement(text) for text in project["dependencies"]]
    for text in project["optional-dependencies"][extra]:
        requirement = Requirement(text)
        if requirement.name != "antiphon":
            found.append(requirement)
        for other in requirement.extras if requirement.name == "antiphon" else ():
            found += _wanted(other)
    return found


@pytest.mark.parametrize(
    ("name", "extras"),
    [
        ("gateway", ("gateway",)),
        ("llm", ("llm",)),
        ("llm-local", ("llm-local",)),
        ("stt-whisper", ("stt-whisper",)),
        ("tts-piper", ("tts-piper",)),
        ("local", ("local", "build")),
        ("dev", ("dev",)),
        ("stt-parakeet", ("stt-parakeet", "build")),
        ("tts-qwen3", ("tts-qwen3", "build")),
        ("models", ("models",)),
    ],
)
def test_a_lock_holds_what_the_project_asks_for(
    name: str, extras: tuple[str, ...]
) -> None:
    pins: dict[str, list[str]] = {}
    for pin in _pins(_lock(name).read_text()):
        package, _, version = pin.partition("==")
        pins.setdefault(canonicalize_name(package), []).append(version)
    for extra in extras:
        for wanted in _wanted(extra):
            versions = pins.get(canonicalize_name(wanted.name))
            assert versions, f"run make lock: {name}.lock has no {wanted.name}"
            assert all(wanted.specifier.contains(version) for version in versions), (
                f"run make lock: {name}.lock has {wanted.name} {versions}, not {wanted}"
            )


def test_the_page_names_every_lock() -> None:
    page = (ROOT / "requirements" / "README.md").read_text()
    for lock in (ROOT / "requirements").glob("*.lock"):
        assert f"| `{lock.name}`" in page or f", `{lock.name}`" in page, lock.name


@pytest.mark.parametrize("name", [*SERVICES, "wheel"])
def test_images_hold_the_versions_that_were_tested(name: str) -> None:
    own, tested = _pins(_lock(name).read_text()), _pins(_lock("dev").read_text())
    assert own <= tested


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_holds_one_service_and_nothing_that_builds_or_tests_it(
    name: str,
) -> None:
    packages = _names(_pins(_lock(name).read_text()))
    assert packages & set(BIG) == {each for each, whose in BIG.items() if name in whose}
    assert not packages & {"pip", "hatchling", "grpcio-tools", "pytest"}


def test_images_are_made_with_what_builds_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = set(project["dependency-groups"]["wheel"])
    assert wheel > set(project["build-system"]["requires"])
    packages = _names(_pins(_lock("wheel").read_text()))
    assert {Requirement(text).name for text in wheel} <= packages


def test_a_requirement_is_left_out_with_its_hashes_and_all_others_are_kept(
    tmp_path: Path,
) -> None:
    lock = tmp_path / "sample.lock"
    lock.write_text(SAMPLE)
    lines = SAMPLE.splitlines(keepends=True)
    assert _without_torch(lock) == "".join([*lines[:2], *lines[7:]])


@pytest.mark.parametrize("name", [*ENGINES, "models"])
def test_what_is_left_out_of_a_lock_is_pytorch_and_libraries_for_cuda(
    name: str,
) -> None:
    lock = _lock(name)
    every = _names(_pins(lock.read_text()))
    kept = _names(_pins(_without_torch(lock)))
    assert {"torch", "triton"} <= every - kept
    assert all(CUDA.fullmatch(package) for package in every - kept)
    assert not any(CUDA.fullmatch(package) for package in kept)


@pytest.mark.parametrize("name", ENGINES)
def test_users_get_the_versions_that_were_tested_together(name: str) -> None:
    own, tested = _pins(_lock(name).read_text()), _pins(_lock("models").read_text())
    assert own <= tested


@pytest.mark.parametrize(
    ("name", "package"), [("stt-parakeet", "nemo-toolkit"), ("tts-qwen3", "qwen-tts")]
)
def test_each_engine_has_its_own_package_and_not_the_others(
    name: str, package: str
) -> None:
    packages = _names(_pins(_lock(name).read_text()))
    assert package in packages
    assert not packages & ({"nemo-toolkit", "qwen-tts"} - {package})


@pytest.mark.parametrize("name", [*ENGINES, "models"])
def test_nothing_comes_that_is_needed_for_a_demo_page_alone(name: str) -> None:
    packages = _names(_pins(_lock(name).read_text()))
    assert not packages & {"gradio", "sox", "torchaudio"}


def test_an_environment_that_there_is_not_is_refused_with_those_that_there_are() -> (
    None
):
    refused = subprocess.run(
        (ROOT / "scripts" / "setup.sh", "stt-whispering"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 1
    assert all(f"EXTRA={name}" in refused.stderr for name in ENGINES)
