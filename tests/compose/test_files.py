"""Every way of putting the compose files together makes a project."""

from itertools import combinations
from pathlib import Path

import pytest

from tests.compose.project import (
    ROOT,
    SERVICES,
    ComposeError,
    docker,
    plain_environment,
)

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.files_alone]

ALONE = ROOT / "docker-compose.yml"
WHAT_OTHERS_TAKE_IN = {"antiphon", "prometheus", "settings", "shared"}
OVERLAYS = sorted(
    path
    for path in (ROOT / "deploy/compose").glob("*.yaml")
    if path.stem not in WHAT_OTHERS_TAKE_IN
)
COMBINATIONS = [
    chosen
    for count in range(len(OVERLAYS) + 1)
    for chosen in combinations(OVERLAYS, count)
]
ASKED_FOR = {
    "gpu": {"HF_TOKEN": "hf_none"},
    "webrtc": {"ANTIPHON_GATEWAY_ICE_ADDRESS": "192.0.2.1"},
}
"""What an overlay cannot do without."""


def names(overlays: tuple[Path, ...]) -> str:
    return "+".join(path.stem for path in overlays) or "alone"


async def services(
    *overlays: Path,
    settings: dict[str, str] | None = None,
    env_file: Path = Path("/dev/null"),
) -> set[str]:
    """Of the project that these files make, with the main one."""
    return set(
        (
            await docker(
                "compose",
                *(f"--file={path}" for path in (ALONE, *overlays)),
                f"--env-file={env_file}",
                "config",
                "--services",
                environment=plain_environment(settings),
            )
        ).split()
    )


@pytest.mark.parametrize("overlays", COMBINATIONS, ids=names)
async def test_overlays_go_together(overlays: tuple[Path, ...]) -> None:
    settings = {
        name: value
        for path in overlays
        for name, value in ASKED_FOR.get(path.stem, {}).items()
    }
    found = await services(*overlays, settings=settings)
    # Where all upstreams are elsewhere nobody asks the small model.
    assert set(SERVICES) - {"llm-local"} <= found


@pytest.mark.parametrize("overlay", sorted(ASKED_FOR))
async def test_an_overlay_says_what_it_cannot_do_without(overlay: str) -> None:
    (missing,) = ASKED_FOR[overlay]
    with pytest.raises(ComposeError, match=missing):
        await services(ROOT / f"deploy/compose/{overlay}.yaml")


async def test_a_copy_of_the_example_starts_the_default(tmp_path: Path) -> None:
    copied = tmp_path / ".env"
    copied.write_text((ROOT / ".env.example").read_text())
    assert await services(env_file=copied) == set(SERVICES)
