"""What Docker's compose makes of our files: projects as it would start them."""

import json
import os
from collections.abc import Mapping
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

from tests.deploy.tools import ROOT, run

Service = Mapping[str, Any]
Project = Mapping[str, Any]

OVERLAYS = tuple(
    path.stem
    for path in sorted((ROOT / "deploy" / "compose").glob("*.yaml"))
    # Parts that others include or extend.
    if path.stem not in ("prometheus", "settings")
)
NEEDED = {"HF_TOKEN": "hf_none", "ANTIPHON_GATEWAY_ICE_ADDRESS": "192.0.2.1"}
"""What some overlays refuse to start without."""
OURS = ("gateway", "stt", "llm", "llm-local", "tts")


class CompositionError(Exception):
    """Compose refuses the files; it says why."""


def mixtures() -> list[tuple[str, ...]]:
    """Every set of overlays."""
    return [
        chosen
        for size in range(len(OVERLAYS) + 1)
        for chosen in combinations(OVERLAYS, size)
    ]


@cache
def project(overlays: tuple[str, ...]) -> Project:
    """What ``docker compose config`` says of the default with overlays, for a user who has set nothing but what is needed.

    Raises:
        CompositionError: the files do not go together.
    """
    return config(overlays, NEEDED)


def config(
    overlays: tuple[str, ...],
    told: Mapping[str, str],
    env_file: Path = Path(os.devnull),
) -> Project:
    """The same with a user's variables, and with a file in place of the user's .env.

    Raises:
        CompositionError: the files do not go together.
    """
    files = [
        "docker-compose.yml",
        *(f"deploy/compose/{each}.yaml" for each in overlays),
    ]
    named = [word for file in files for word in ("-f", file)]
    kept = ("PATH", "HOME", "DOCKER_CONFIG")
    environment = {key: os.environ[key] for key in kept if key in os.environ}
    command = ["docker", "compose", "--env-file", str(env_file), *named, "config"]
    done = run([*command, "--format", "json"], environment=environment | dict(told))
    if done.returncode:
        raise CompositionError(done.stderr)
    document: Project = json.loads(done.stdout)
    return document


def ours(composed: Project) -> dict[str, Service]:
    """Our own services, without those that watch them."""
    return {
        name: service for name, service in composed["services"].items() if name in OURS
    }
