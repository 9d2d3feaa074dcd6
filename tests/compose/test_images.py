"""Each image: small, of a user who owns nothing in it, and one that asks itself how it is."""

import asyncio
import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name

from tests.compose.project import ROOT, SERVICES, VERSION, docker, inspect
from tests.fakes.certificates import make

pytestmark = pytest.mark.asyncio(loop_scope="session")

USER = "10001"
LARGEST_TO_FETCH_MB = {
    "gateway": 250,
    "stt": 600,
    "llm": 200,
    "llm-local": 300,
    "tts": 500,
}
"""Compressed, as registries hold images, with the models of the CPU default."""
LARGEST_ON_DISK_MB = {
    "gateway": 425,
    "stt": 530,
    "llm": 225,
    "llm-local": 355,
    "tts": 500,
}
"""Unpacked, the Python image that all share (150 MB where it is a stand-in) counted each time."""

WRITABLE = {"/tmp", "/var/tmp", "/var/cache/antiphon", "/run/lock"}
"""By the user, but for what the kernel offers."""

LABEL = "org.opencontainers.image"
LOCKS = {
    "gateway": "gateway",
    "stt": "stt-whisper",
    "llm": "llm",
    "llm-local": "llm-local",
    "tts": "tts-piper",
}
PACKAGES = """
import importlib.metadata as m, json
print(json.dumps([(d.metadata["Name"], d.version) for d in m.distributions()]))
"""


STRANGER = """
import os, socket, sys
os.dup2(1, 2)
import grpc
from concurrent.futures import ThreadPoolExecutor
server = grpc.server(ThreadPoolExecutor(1))
pair = tuple(pem.encode() for pem in sys.argv[1:])
port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
server.start()
with socket.create_connection(("127.0.0.1", port)) as stranger:
    stranger.sendall(bytes(100))
    while stranger.recv(4096):
        pass
server.stop(None).wait()
"""


@dataclass(frozen=True)
class Image:
    """One that was built.

    Attributes:
        service: what it runs.
        about: what the engine tells of it.
    """

    service: str
    about: dict[str, Any]

    @property
    def module(self) -> str:
        """What it runs, as Python calls it."""
        name = self.service.replace("-", "_")
        return name if name == "gateway" else f"services.{name}"

    @property
    def dockerfile(self) -> str:
        return (ROOT / self.module.replace(".", "/") / "Dockerfile").read_text()

    @property
    def config(self) -> dict[str, Any]:
        return dict(self.about["Config"])

    async def run(self, *command: str, as_root: bool = False) -> list[str]:
        """Lines that a command prints in it, as its user unless told otherwise."""
        program, *arguments = command
        said = await docker(
            "run",
            "--rm",
            "--network=none",
            *(["--user=0"] if as_root else []),
            f"--entrypoint={program}",
            self.about["Id"],
            *arguments,
        )
        return said.splitlines()


async def built(service: str) -> Image:
    (about,) = await inspect([f"antiphon-{service}:{VERSION}"])
    return Image(service, about)


@pytest.fixture(params=SERVICES)
async def image(request: pytest.FixtureRequest) -> Image:
    return await built(request.param)


async def test_it_is_small(image: Image) -> None:
    assert image.about["Size"] / 1e6 <= LARGEST_ON_DISK_MB[image.service]
    # Faster than registries compress, and not as well.
    compress = 'docker save "$0" | gzip -1 | wc -c'
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", compress, image.about["Id"], stdout=subprocess.PIPE
    )
    size, _ = await process.communicate()
    assert 1e6 < int(size) <= LARGEST_TO_FETCH_MB[image.service] * 1e6


async def test_it_runs_as_a_user_of_its_own(image: Image) -> None:
    assert image.config["User"].split(":")[0] == USER
    assert await image.run("sh", "-c", "id -u; id -g") == [USER, USER]


async def test_it_is_started_without_a_shell_and_by_an_init(image: Image) -> None:
    assert image.config["Entrypoint"] == ["tini", "--"]
    assert image.config["Cmd"] == ["python", "-m", image.module]


async def test_it_asks_itself_how_it_is(image: Image) -> None:
    how = image.config["Healthcheck"]["Test"]
    assert how[0] == "CMD", "no shell"
    assert "curl" not in how


async def test_it_says_what_it_is(image: Image) -> None:
    labels = image.config["Labels"]
    for name in ("title", "description", "licenses", "version"):
        assert labels[f"{LABEL}.{name}"]


async def test_nobody_becomes_root_in_it_by_what_we_add(image: Image) -> None:
    base = re.search(r"^ARG PYTHON_IMAGE=(\S+)", image.dockerfile, re.MULTILINE)
    assert base, "the Dockerfile names what it is built on"
    (about,) = await inspect([base.group(1)])
    find = ("find", "/", "-xdev", "-type", "f", "-perm", "/6000")
    before = await Image(image.service, about).run(*find, as_root=True)
    assert set(await image.run(*find, as_root=True)) <= set(before)


async def test_its_user_can_change_nothing_of_it(image: Image) -> None:
    find = (
        "sh",
        "-c",
        "find / -xdev ! -type l -writable -not -path '/proc/*' -not -path '/dev/*' -not -path '/sys/*' 2>/dev/null || true",
    )
    assert set(await image.run(*find)) <= WRITABLE


async def test_nothing_was_left_where_its_processes_write(image: Image) -> None:
    # Root's, and what a package wrote down of the machine that made it.
    find = ("find", *sorted(WRITABLE), "-mindepth", "1")
    assert await image.run(*find, as_root=True) == []


async def test_its_packages_are_those_of_its_lock_and_no_others(image: Image) -> None:
    lock = (ROOT / "requirements" / f"{LOCKS[image.service]}.lock").read_text()
    # Some are there in two versions, for two versions of Python.
    pinned = set(re.findall(r"^([a-z0-9.-]+)==([^ ;\\]+)", lock, re.MULTILINE))
    (told,) = await image.run("python", "-c", PACKAGES)
    installed = {(canonicalize_name(name), of) for name, of in json.loads(told)}
    version = image.config["Labels"][f"{LABEL}.version"]
    assert installed - pinned == {("antiphon", version)}


@pytest.mark.parametrize("service", [name for name in SERVICES if name != "llm"])
async def test_the_models_of_the_default_lie_in_it(service: str) -> None:
    image = await built(service)
    told = await image.run("python", "-m", f"{image.module}.prefetch")
    assert any(": in /opt/models/" in line for line in told), told


async def test_a_stranger_at_an_encrypted_port_is_no_line_of_the_log(
    tmp_path: Path,
) -> None:
    pair = make(tmp_path)
    pems = pair.key.read_text(), pair.cert.read_text()
    assert await (await built("gateway")).run("python", "-c", STRANGER, *pems) == []
