"""A user's settings reach the processes that they are for, and no others; .env.example says all of them."""

import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from deploy.compose.__main__ import files
from deploy.compose.own import BEFORE, HUB_TOKEN
from deploy.compose.settings import SERVICES, UPSTREAM_KEYS, Service
from tests.unit.compose.files import FOLDER, MAIN, OVERLAYS, ROOT, services, variables

OWN = {
    setting.variable: setting
    for _, section in (*BEFORE, ("", HUB_TOKEN))
    for setting in section
}
TAKEN = {
    setting.variable: setting
    for service in SERVICES
    for setting in (*service.own(), *service.more)
}
THEIR_OWN = {
    "gpu": {
        "ANTIPHON_CONFIG",
        "ANTIPHON_LLM_LOCAL_REPLICAS",
        "ANTIPHON_STT_MEMORY",
        "ANTIPHON_TTS_MEMORY",
    },
    "observability": {"OTEL_EXPORTER_OTLP_ENDPOINT"},
    "scale": {"ANTIPHON_CONFIG", "ANTIPHON_LLM_LOCAL_SLOTS"},
}
"""Defaults that overlays have of their own, since what they make is another pipeline."""

each_service = pytest.mark.parametrize(
    "service", SERVICES, ids=lambda service: service.name
)


def all_of(service: Service) -> dict[str, str]:
    """Names of all settings of a process, by their variables."""
    prefix = str(service.settings.model_config["env_prefix"])
    return {f"{prefix}{name}".upper(): name for name in service.settings.model_fields}


@pytest.mark.parametrize("path", files(), ids=lambda path: path.name)
def test_what_is_made_of_the_settings_is_up_to_date(path: Path) -> None:
    assert path.read_text() == files()[path], "run: python -m deploy.compose"


@each_service
def test_each_setting_is_the_users_or_decided_by_compose(service: Service) -> None:
    decided = services(MAIN)[service.name]["environment"].keys()
    # The engine comes with the image.
    engines = {name for name in all_of(service) if name.endswith("_ENGINE")}
    assert all_of(service).keys() <= {*service.variables(), *decided} | engines
    assert not decided & set(service.variables())


@each_service
def test_each_service_takes_its_own_settings_as_the_user_has_them(
    service: Service,
) -> None:
    extended = services(MAIN)[service.name]["extends"]
    assert extended == {"file": "deploy/compose/settings.yaml", "service": service.name}
    taken = services(FOLDER / "settings.yaml")[service.name]["environment"]
    assert list(taken) == service.variables()
    assert set(taken.values()) == {None}


def test_a_secret_reaches_nobody_but_whom_it_is_for() -> None:
    whose = {setting.variable: "llm" for setting in UPSTREAM_KEYS}
    for service in SERVICES:
        for variable, name in all_of(service).items():
            kinds = service.settings.model_fields[name].annotation
            if SecretStr in (kinds, *getattr(kinds, "__args__", ())):
                whose[variable] = service.name
    assert "ANTIPHON_GATEWAY_SECRET" in whose
    for service in SERVICES:
        others = {name for name, owner in whose.items() if owner != service.name}
        assert not others & set(service.variables())
        assert not others & services(MAIN)[service.name]["environment"].keys()


def test_the_example_says_each_variable_once() -> None:
    example = (ROOT / ".env.example").read_text()
    told = re.findall(r"^#(\w+)=", example, re.MULTILINE)
    assert len(told) == len(set(told))
    assert set(told) == TAKEN.keys() | OWN.keys()


@pytest.mark.parametrize("path", [MAIN, *OVERLAYS], ids=lambda path: path.stem)
def test_the_example_has_the_defaults_of_the_compose_files(path: Path) -> None:
    for name, default in variables(path):
        assert name in OWN | TAKEN
        said = OWN.get(name) or TAKEN[name]
        if name not in THEIR_OWN.get(path.stem, ()):
            assert default in (None, said.default), name


def test_what_compose_itself_reads_is_no_setting_of_a_process_besides() -> None:
    settings = {name for service in SERVICES for name in all_of(service)}
    # Ports of this machine, and whose keys are good; inside they are fixed, or where the folder is mounted.
    assert OWN.keys() & settings == {
        "ANTIPHON_GATEWAY_PORT",
        "ANTIPHON_GATEWAY_HTTP_PORT",
        "ANTIPHON_GATEWAY_KEYS",
    }
