"""What compose would start, with every set of overlays, held to our rules; nothing is started."""

import re
from collections.abc import Callable

import pytest

from tests.deploy.composed import NEEDED, CompositionError, Project, config, mixtures
from tests.deploy.composed import project as composed
from tests.deploy.rules.compose import RULES, what_is_published_is_on_loopback
from tests.deploy.settings import EXAMPLE
from tests.deploy.tools import called, needs_compose

pytestmark = needs_compose


@pytest.mark.parametrize("rule", RULES, ids=called)
@pytest.mark.parametrize("overlays", mixtures(), ids=lambda names: "+".join(names))
def test_every_set_of_overlays_keeps_every_rule(
    overlays: tuple[str, ...], rule: Callable[[Project], list[str]]
) -> None:
    assert rule(composed(overlays)) == []


@pytest.mark.parametrize(
    ("overlay", "variable"),
    [("gpu", "HF_TOKEN"), ("webrtc", "ANTIPHON_GATEWAY_ICE_ADDRESS")],
)
def test_what_an_overlay_cannot_do_without_is_asked_for(
    overlay: str, variable: str
) -> None:
    told = {name: value for name, value in NEEDED.items() if name != variable}
    with pytest.raises(CompositionError, match=variable):
        config((overlay,), told)


def test_the_gateway_is_opened_to_others_by_whoever_says_so_and_who_may_come_in() -> (
    None
):
    opened = config((), {"ANTIPHON_BIND": "0.0.0.0"})
    assert len(what_is_published_is_on_loopback(opened)) == 2
    told = opened["services"]["gateway"]["environment"]
    # No file of keys, and not the word that lets everybody in: it does not start, and its log says why.
    assert told["ANTIPHON_GATEWAY_KEYS"].startswith("none, although ANTIPHON_BIND")
    keys = {"ANTIPHON_GATEWAY_KEYS": "/etc/antiphon/access/keys.yaml"}
    told = config((), {"ANTIPHON_BIND": "0.0.0.0", **keys})["services"]["gateway"]
    assert told["environment"].items() >= keys.items()


def test_the_example_of_settings_as_it_is_changes_nothing() -> None:
    assert config((), NEEDED, EXAMPLE) == composed(())


def test_the_defaults_that_the_example_of_settings_shows_are_the_defaults() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    shown = dict(re.findall(r"^#([A-Z]\w*)=(.+)$", text, re.MULTILINE))
    assert "ANTIPHON_VERSION" in shown
    told, silent = config((), NEEDED | shown), composed(())
    for name, service in silent["services"].items():
        set_by_user = told["services"][name]
        environment = set_by_user["environment"]
        assert set_by_user | {"environment": {}} == service | {"environment": {}}
        for variable, value in service["environment"].items():
            assert value is None or environment[variable] == value, variable
