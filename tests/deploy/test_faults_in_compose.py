"""Every rule about compose's projects finds the fault that it is for, planted into the default."""

from collections.abc import Callable

import pytest

from tests.deploy.composed import Project, project
from tests.deploy.faults import GONE, changed
from tests.deploy.rules import compose as rules
from tests.deploy.tools import ROOT, called, needs_compose

pytestmark = needs_compose

Fault = tuple[Callable[[Project], list[str]], str, object, str]

FAULTS: list[Fault] = [
    (
        rules.only_the_gateway_is_published,
        "services.stt.ports",
        [{"target": 50051, "published": "50051", "protocol": "tcp"}],
        "stt: port 50051 is published",
    ),
    (
        rules.only_the_gateway_is_published,
        "services.gateway.ports.0.target",
        9460,
        "gateway: port 9460 is published",
    ),
    (
        rules.what_is_published_is_on_loopback,
        "services.gateway.ports.0.host_ip",
        GONE,
        "gateway: port 8080 is open to 0.0.0.0",
    ),
    (
        rules.all_are_contained,
        "services.llm.read_only",
        GONE,
        "llm: its root file system can be written to",
    ),
    (
        rules.all_are_contained,
        "services.llm.cap_drop",
        ["NET_RAW"],
        "llm: does not drop ALL",
    ),
    (
        rules.all_are_contained,
        "services.llm.security_opt",
        [],
        "llm: may gain privileges",
    ),
    (rules.all_are_contained, "services.tts.privileged", True, "tts: privileged"),
    (
        rules.all_are_contained,
        "services.tts.volumes.0",
        {"type": "bind", "source": "/var/run/docker.sock", "target": "/s"},
        "tts: holds Docker's socket",
    ),
    (
        rules.ours_are_bounded,
        "services.stt.mem_limit",
        GONE,
        "stt: no limit of memory",
    ),
    (
        rules.ours_are_bounded,
        "services.stt.pids_limit",
        GONE,
        "stt: no limit of processes",
    ),
    (
        rules.ours_are_bounded,
        "services.stt.logging.options",
        {},
        "stt: its log grows",
    ),
    (rules.ours_are_bounded, "services.stt.tmpfs", ["/tmp"], "stt: no /tmp of a size"),
    (
        rules.ours_come_back_and_say_how_they_are,
        "services.stt.restart",
        GONE,
        "stt: is not restarted",
    ),
    (
        rules.ours_come_back_and_say_how_they_are,
        "services.stt.healthcheck",
        {"disable": True},
        "stt: its health is not asked for",
    ),
    (
        rules.ours_come_back_and_say_how_they_are,
        "services.gateway.depends_on.stt.condition",
        "service_started",
        "gateway: starts before stt is healthy",
    ),
    (
        rules.nobody_is_killed_who_drains,
        "services.tts.stop_grace_period",
        "10s",
        "tts: killed after 10 s",
    ),
    (
        rules.nobody_is_killed_who_drains,
        "services.tts.environment.ANTIPHON_TTS_DRAIN_SECONDS",
        "3600",
        "and may drain 3600 s",
    ),
    (
        rules.images_are_ours_or_pinned,
        "services.tts.image",
        "antiphon-tts",
        "tts: image antiphon-tts has no tag",
    ),
    (
        rules.images_are_ours_or_pinned,
        "services.tts.build.dockerfile",
        "services/stt/Dockerfile",
        "tts: is built from services/stt/Dockerfile",
    ),
    (
        rules.images_are_ours_or_pinned,
        "services.tts.container_name",
        "tts",
        "tts: has a name of its own",
    ),
    (
        rules.variables_are_settings,
        "services.tts.environment.ANTIPHON_TTS_VOICES",
        "2",
        "tts: ANTIPHON_TTS_VOICES is no setting",
    ),
    (
        rules.variables_are_settings,
        "services.tts.environment.ANTIPHON_STT_ENGINE",
        "whisper",
        "tts: ANTIPHON_STT_ENGINE is another process's",
    ),
    (
        rules.keys_stay_where_they_are_needed,
        "services.stt.environment.HF_TOKEN",
        "hf_none",
        "stt: gets the proxy's HF_TOKEN",
    ),
    (
        rules.keys_stay_where_they_are_needed,
        "services.gateway.environment.OPENAI_API_KEY",
        None,
        "gateway: gets OPENAI_API_KEY",
    ),
    (
        rules.the_gateway_finds_every_replica,
        "services.gateway.environment.ANTIPHON_GATEWAY_STT",
        "stt:50051",
        "gateway: stt: stt:50051 is no service",
    ),
    (
        rules.the_gateway_finds_every_replica,
        "services.stt.environment.ANTIPHON_STT_PORT",
        "50061",
        "but stt listens at 50061",
    ),
    (
        rules.the_gateway_finds_every_replica,
        "services.llm.networks",
        {"outside": None},
        "gateway: is on no network with llm",
    ),
    (
        rules.stages_are_out_of_reach,
        "networks.stages.internal",
        False,
        "stages: their network leads outside",
    ),
    (
        rules.stages_are_out_of_reach,
        "services.tts.networks",
        {"stages": None, "front": None},
        "tts: is on the clients' network",
    ),
    (
        rules.bound_files_are_there,
        "services.stt.volumes.0.source",
        f"{ROOT}/deploy/compose/nowhere.yaml",
        "nowhere.yaml does not exist",
    ),
]


@pytest.mark.parametrize(
    "fault", FAULTS, ids=[f"{called(rule)}: {path}" for rule, path, _, _ in FAULTS]
)
def test_a_planted_fault_is_found(fault: Fault) -> None:
    rule, path, value, complaint = fault
    found = rule(changed(project(()), path, value))
    assert any(complaint in each for each in found), found


def test_no_rule_is_without_its_fault() -> None:
    assert {rule for rule, *_ in FAULTS} == set(rules.RULES)
