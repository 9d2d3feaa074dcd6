"""What compose would start, with every set of overlays, held to our rules; nothing is started."""

from collections.abc import Callable

import pytest

from tests.deploy.composed import NEEDED, CompositionError, Project, config, mixtures
from tests.deploy.composed import project as composed
from tests.deploy.rules.compose import RULES, what_is_published_is_on_loopback
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


def test_the_gateway_is_opened_to_others_by_whoever_says_so() -> None:
    opened = config((), {"ANTIPHON_BIND": "0.0.0.0"})
    assert len(what_is_published_is_on_loopback(opened)) == 2
