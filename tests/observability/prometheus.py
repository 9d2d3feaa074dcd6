"""A real Prometheus for tests, with our configuration, that scrapes every second."""

import asyncio
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from deploy.prometheus import queries

FOLDER = queries.HERE
PATIENCE = 60.0
"""Seconds after which a test that waits for Prometheus has failed."""
_LISTENING = re.compile(rb'msg="Listening on" address=(\S+)')

needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None or shutil.which("promtool") is None,
    reason="Prometheus is missing: apt install prometheus",
)


class Prometheus:
    """One that runs.

    Args:
        at: host and port.
        session: to ask it by.
    """

    def __init__(self, at: str, session: aiohttp.ClientSession) -> None:
        self._root = f"http://{at}/api/v1/"
        self._session = session

    async def get(self, path: str, **parameters: str) -> Any:
        """What its API answers.

        Raises:
            AssertionError: it refuses.
        """
        async with self._session.get(self._root + path, params=parameters) as answer:
            said = await answer.json()
        assert said["status"] == "success", said
        return said["data"]

    async def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Labels and value of each series."""
        found = await self.get("query", query=expression)
        return [(row["metric"], float(row["value"][1])) for row in found["result"]]

    async def until(
        self, path: str, enough: Callable[[Any], bool], **parameters: str
    ) -> Any:
        """Ask again and again until the answer is enough; it has no way to tell by itself.

        Raises:
            AssertionError: it never was; with the last answer.
        """
        last = None
        try:
            async with asyncio.timeout(PATIENCE):
                # Nothing of another process could set an event here.
                while not enough(last := await self.get(path, **parameters)):  # noqa: ASYNC110
                    await asyncio.sleep(0.2)
        except TimeoutError:
            raise AssertionError(f"{path} {parameters}: {last}") from None
        return last

    async def until_series(
        self, expression: str, count: int
    ) -> list[tuple[dict[str, str], float]]:
        """Wait until a query gives so many series."""
        await self.until(
            "query", lambda data: len(data["result"]) >= count, query=expression
        )
        return await self.query(expression)


@asynccontextmanager
async def prometheus(
    folder: Path, addresses: Mapping[str, str]
) -> AsyncIterator[Prometheus]:
    """Run it on a free port, with our configuration and rules.

    Args:
        folder: empty; it keeps everything there.
        addresses: where each target of ``targets.yml`` answers in truth, by what that file says.
    """
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    config["global"].update(scrape_interval="1s", evaluation_interval="1s")
    groups = yaml.safe_load((FOLDER / "targets.yml").read_text())
    for group in groups:
        group["targets"] = [addresses[target] for target in group["targets"]]
    shutil.copytree(FOLDER / "rules", folder / "rules")
    for path in (folder / "rules").iterdir():
        rules = yaml.safe_load(path.read_text())
        for group in rules["groups"]:
            group.pop("interval", None)
        path.write_text(yaml.safe_dump(rules))
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    (folder / "targets.yml").write_text(yaml.safe_dump(groups))
    process = await asyncio.create_subprocess_exec(
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--web.listen-address=127.0.0.1:0",
        "--enable-feature=exemplar-storage",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    log: list[bytes] = []
    following: asyncio.Task[None] | None = None
    try:
        async with asyncio.timeout(PATIENCE):
            at = await _address(process.stderr, log)
            await _ready(process.stderr, log)
        # A pipe that nobody empties would stop it.
        following = asyncio.create_task(_follow(process.stderr, log))
        async with aiohttp.ClientSession() as session:
            yield Prometheus(at, session)
    finally:
        if process.returncode is None:
            process.terminate()
        if following is not None:
            await following
        await process.wait()


async def _address(stream: asyncio.StreamReader, log: list[bytes]) -> str:
    async for line in stream:
        log.append(line)
        if found := _LISTENING.search(line):
            return found.group(1).decode()
    raise AssertionError(f"it ended: {b''.join(log).decode()}")


async def _ready(stream: asyncio.StreamReader, log: list[bytes]) -> None:
    async for line in stream:
        log.append(line)
        if b"Server is ready" in line:
            return
    raise AssertionError(f"it ended: {b''.join(log).decode()}")


async def _follow(stream: asyncio.StreamReader, log: list[bytes]) -> None:
    async for line in stream:
        log.append(line)
