"""How the containers run: nothing to write to, nothing they may do, and one door, on loopback."""

from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from tests.compose.project import (
    SERVICES,
    ComposeError,
    Project,
    docker,
    inspect,
    run_python,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture(params=SERVICES)
async def container(
    request: pytest.FixtureRequest, pipeline: Project
) -> dict[str, Any]:
    return await pipeline.container(request.param)


async def test_it_is_healthy(container: dict[str, Any]) -> None:
    assert container["State"]["Health"]["Status"] == "healthy"
    assert container["RestartCount"] == 0


async def test_its_files_are_read_only(container: dict[str, Any]) -> None:
    assert container["HostConfig"]["ReadonlyRootfs"]
    refused = await run_python(
        container,
        "import errno, os\n"
        "for folder in ('/', '/opt/antiphon', '/etc', '/var/tmp'):\n"
        "    try:\n"
        "        os.mkdir(f'{folder}/mine')\n"
        "    except OSError as error:\n"
        "        print(errno.errorcode[error.errno])\n"
        "open('/tmp/mine', 'w').close()\n",
    )
    assert set(refused.split()) == {"EROFS"}
    assert len(refused.split()) == 4


async def test_it_has_no_capability_and_gets_none(container: dict[str, Any]) -> None:
    status = await run_python(container, "print(open('/proc/1/status').read())")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert {
        int(fields[name], 16) for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")
    } == {0}
    assert fields["NoNewPrivs"] == "1"
    assert fields["Uid"].split() == ["10001"] * 4


async def test_it_has_bounds(container: dict[str, Any]) -> None:
    assert container["HostConfig"]["Memory"] > 0
    assert container["HostConfig"]["PidsLimit"] > 0
    assert container["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"


async def test_only_the_gateway_is_published_and_only_on_loopback(
    pipeline: Project,
) -> None:
    published = {}
    for service in SERVICES:
        ports = (await pipeline.container(service))["NetworkSettings"]["Ports"]
        published[service] = {
            inside: [(bound["HostIp"], int(bound["HostPort"])) for bound in outside]
            for inside, outside in ports.items()
            if outside
        }
    grpc, http = pipeline.ports
    assert published.pop("gateway") == {
        "50050/tcp": [("127.0.0.1", grpc)],
        "8080/tcp": [("127.0.0.1", http)],
    }
    assert not any(published.values())


async def test_it_opens_to_others_only_when_it_is_told_who_may_come_in(
    project: Project,
) -> None:
    opened = replace(project, settings={"ANTIPHON_BIND": "0.0.0.0"})
    with pytest.raises(ComposeError, match="ANTIPHON_BIND"):
        await opened.compose("run", "--rm", "--no-deps", "--no-TTY", "gateway")


async def test_the_stages_reach_nothing_but_each_other(pipeline: Project) -> None:
    for service in ("stt", "tts", "llm-local"):
        networks = (await pipeline.container(service))["NetworkSettings"]["Networks"]
        for about in await inspect(each["NetworkID"] for each in networks.values()):
            assert about["Internal"], f"{service} on {about['Name']}"


async def test_the_turns_kept_for_operators_are_not_published(
    pipeline: Project,
) -> None:
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{pipeline.http}/turns") as answer,
    ):
        assert answer.status == 404
    kept = await run_python(
        await pipeline.container("gateway"),
        "import urllib.request as r; print(r.urlopen('http://127.0.0.1:9460/turns').status)",
    )
    assert kept.strip() == "200"


async def test_asking_how_they_are_leaves_nothing_running(pipeline: Project) -> None:
    for service in SERVICES:
        processes = await docker(
            "top", (await pipeline.container(service))["Id"], "-o", "pid,stat"
        )
        assert " Z" not in processes, service
