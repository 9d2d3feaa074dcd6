"""deploy/config/gemma.yaml does what it says."""

import re
from pathlib import Path

import pytest

from services.llm import upstreams
from services.llm.routing import Route, Station
from services.llm.settings import LlmSettings

FILE = Path(__file__).parents[3] / "deploy" / "config" / "gemma.yaml"


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> LlmSettings:
    monkeypatch.setenv("ANTIPHON_CONFIG", str(FILE))
    monkeypatch.setenv("HF_TOKEN", "hf_mine")
    return LlmSettings.load([])


def test_its_names_lead_to_gemma_on_cerebras_and_to_the_local_model(
    settings: LlmSettings,
) -> None:
    routes = settings.route_table()
    assert list(routes) == ["default", "fast", "dense", "local"]
    behind = {upstream.name: upstream for upstream in settings.upstreams}
    models = [behind[name].model for name in routes["default"].upstreams[:2]]
    assert models == ["google/gemma-4-31B-it", "google/gemma-4-26B-A4B-it"]
    for name in ("default", "fast", "dense"):
        assert behind[routes[name].upstreams[0]].provider == "cerebras"
        assert len(routes[name].upstreams) > 1, "somebody has to stand behind"
    assert behind[routes["local"].upstreams[0]].slots


async def test_a_hugging_face_token_is_all_it_needs(settings: LlmSettings) -> None:
    stations = {
        upstream.name: Station(
            upstreams.create(upstream), settings.circuit, settings.hedging
        )
        for upstream in settings.upstreams
    }
    for name, route in settings.route_table().items():
        assert Route(name, route, stations).describe().context_tokens > 0
    for station in stations.values():
        await station.upstream.close()


def test_no_key_stands_in_it() -> None:
    assert not re.search(r"(hf|csk|sk)[_-]\w{4,}", FILE.read_text())
    assert "api_key:" not in FILE.read_text()
