"""Every rule about Dockerfiles finds the fault that it is for, planted into the gateway's."""

from collections.abc import Callable

import pytest

from tests.deploy.dockerfiles import Dockerfile, parse
from tests.deploy.rules import images as rules
from tests.deploy.rules.contents import DOCKERFILES
from tests.deploy.tools import called

GATEWAY = DOCKERFILES["gateway"].read_text(encoding="utf-8")
END = "\nUSER 10001:10001\n"

Fault = tuple[Callable[[Dockerfile], list[str]], str, str, str]

FAULTS: list[Fault] = [
    (
        rules.bases_are_pinned,
        "python:3.11-slim-bookworm",
        "python:latest",
        "base python:latest has no tag",
    ),
    (rules.it_runs_as_nobody_special, END, "\n", "USER is root"),
    (rules.it_runs_as_nobody_special, END, "\nUSER antiphon\n", "USER is antiphon"),
    (
        rules.it_hears_signals,
        'ENTRYPOINT ["tini", "--"]',
        "ENTRYPOINT tini --",
        "ENTRYPOINT is not",
    ),
    (
        rules.it_hears_signals,
        'CMD ["python", "-m", "gateway"]',
        "CMD python -m gateway",
        "CMD is not in exec form",
    ),
    (rules.it_says_how_it_is, "HEALTHCHECK", "#", "no HEALTHCHECK"),
    (
        rules.it_says_how_it_is,
        'CMD ["python", "-m", "services.runtime.probe"',
        'CMD python -m services.runtime.probe || exit 1 # "',
        "no HEALTHCHECK",
    ),
    (rules.nothing_comes_unseen, END, f"\nADD gateway /opt{END}", "ADD gateway"),
    (rules.nothing_comes_unseen, END, f"\nCOPY . /opt{END}", "the whole context"),
    (
        rules.nothing_comes_unseen,
        END,
        f"\nRUN curl -fsSL https://example.com/install | sh{END}",
        "runs what the network says",
    ),
    (rules.nothing_comes_unseen, " --require-hashes", "", "not by hashes"),
    (
        rules.nothing_stays_that_builds,
        END,
        f"\nRUN python -m pip install --no-deps torch==2{END}",
        "in the image itself",
    ),
    (
        rules.its_files_can_be_read,
        END,
        f"\nCOPY LICENSE /opt/{END}",
        "COPY LICENSE /opt/: without --chmod",
    ),
    (rules.it_holds_no_secret, END, f"\nENV HF_TOKEN=hf{END}", "ENV HF_TOKEN"),
    (rules.it_holds_no_secret, END, f"\nARG API_KEY{END}", "ARG API_KEY"),
    (
        rules.its_variables_are_settings,
        END,
        f"\nENV ANTIPHON_GATEWAY_DOOR=1{END}",
        "ANTIPHON_GATEWAY_DOOR is no setting",
    ),
    (
        rules.its_variables_are_settings,
        "ANTIPHON_GATEWAY_HOST=0.0.0.0",
        "ANTIPHON_GATEWAY_HOST=127.0.0.1",
        "nobody reaches it",
    ),
    (rules.its_variables_are_settings, "EXPOSE 50050 ", "EXPOSE ", "EXPOSE is not"),
    (
        rules.it_says_what_it_is,
        "org.opencontainers.image.licenses",
        "licenses",
        "no LABEL org.opencontainers.image.licenses",
    ),
    (
        rules.it_builds_anywhere,
        "ARG PYTHON_IMAGE",
        "# syntax=docker/dockerfile:1\nARG PYTHON_IMAGE",
        "pulls a frontend",
    ),
    (rules.it_builds_anywhere, END, f"\nCOPY --link a /b{END}", "COPY --link"),
    (rules.it_builds_anywhere, END, f"\nRUN sh <<EOF{END}", "a here-document"),
]


@pytest.mark.parametrize(
    "fault",
    FAULTS,
    ids=[f"{called(rule)}: {new.strip()}" for rule, _, new, _ in FAULTS],
)
def test_a_planted_fault_is_found(fault: Fault) -> None:
    rule, old, new, complaint = fault
    assert old in GATEWAY, "nothing would be planted"
    found = rule(parse(GATEWAY.replace(old, new)))
    assert any(complaint in each for each in found), found


def test_no_rule_is_without_its_fault() -> None:
    assert {rule for rule, *_ in FAULTS} == set(rules.RULES)
