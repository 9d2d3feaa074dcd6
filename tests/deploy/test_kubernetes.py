"""What ``kubectl apply -k`` would send, held to our rules."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.deploy.manifests import (
    PAGE,
    Manifests,
    documented,
    folders,
    mixture,
    mixtures,
    render,
    render_overlay,
)
from tests.deploy.rules import (
    admission,
    contents,
    network,
    pods,
    references,
    restricted,
    rollouts,
    routes,
    variables,
    wiring,
)
from tests.deploy.tools import ROOT, called, needs_promtool, run

RULES = (
    *admission.RULES,
    *restricted.RULES,
    *pods.RULES,
    *rollouts.RULES,
    *wiring.RULES,
    *references.RULES,
    *routes.RULES,
    *network.RULES,
    *variables.RULES,
    *contents.RULES,
)
OVERLAYS = [folder for folder in folders() if folder.name != "base"]


@pytest.mark.parametrize("rule", RULES, ids=called)
@pytest.mark.parametrize("overlay", OVERLAYS, ids=called)
def test_every_overlay_keeps_every_rule(
    overlay: Path, rule: Callable[[Manifests], list[str]]
) -> None:
    assert rule(render(overlay)) == []


@pytest.mark.parametrize("components", mixtures(), ids="+".join)
def test_components_keep_every_rule_in_every_mixture(
    components: tuple[str, ...],
) -> None:
    manifests = mixture(components)
    complaints = [complaint for rule in RULES for complaint in rule(manifests)]
    page = PAGE.read_text(encoding="utf-8")
    assert [*complaints, *references.references_are_there(manifests, page)] == []


def test_an_overlay_as_the_page_writes_it_keeps_every_rule() -> None:
    text = PAGE.read_text(encoding="utf-8").partition("### An overlay of yours")[2]
    block = text.partition("```yaml")[2].partition("```")[0]
    example = yaml.safe_load(block)
    example["resources"] = ["../production"]
    manifests = render_overlay(example)
    images = {each["image"] for pod in manifests.pods() for each in pod.containers}
    assert any(image.startswith("registry.example.com/") for image in images)
    assert [complaint for rule in RULES for complaint in rule(manifests)] == []


def test_a_gateway_in_a_namespace_of_its_own_keeps_every_rule() -> None:
    text = PAGE.read_text(encoding="utf-8").partition("**Where proxies run.**")[2]
    patches = yaml.safe_load(text.partition("```yaml")[2].partition("```")[0])
    manifests = render_overlay({"resources": ["../production"], **patches})
    [door] = manifests.of("Gateway")
    assert door["metadata"]["namespace"] != "antiphon"
    assert [complaint for rule in RULES for complaint in rule(manifests)] == []


@pytest.mark.parametrize("overlay", OVERLAYS, ids=called)
def test_what_an_overlay_refers_to_is_there_or_told_how_to_make(overlay: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert references.references_are_there(render(overlay), page) == []


@pytest.mark.parametrize("folder", sorted(documented()), ids=called)
def test_folders_that_the_page_names_are_there(folder: Path) -> None:
    assert folder.exists(), f"{PAGE.name} names {folder.relative_to(ROOT)}"


@needs_promtool
@pytest.mark.parametrize("overlay", OVERLAYS, ids=called)
def test_autoscalers_ask_in_promql(overlay: Path, tmp_path: Path) -> None:
    for number, (where, query) in enumerate(contents.scaling(render(overlay))):
        rule = {"record": "load", "expr": query}
        file = tmp_path / f"{number}.yml"
        file.write_text(str({"groups": [{"name": "load", "rules": [rule]}]}))
        done = run(["promtool", "check", "rules", file])
        assert done.returncode == 0, f"{where}: {done.stdout}{done.stderr}"
