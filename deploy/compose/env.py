"""``.env.example``: all that may be set, with defaults and a line about each."""

import textwrap
from collections.abc import Iterable, Iterator

from deploy.compose.settings import HUB, SERVICES, TRACES, UPSTREAM_KEYS, Setting

_HEAD = """\
# All that can be set for `docker compose up`. Copy it to .env, and take the mark from the lines that you change:
#
#   cp .env.example .env
#
# A line that stays a comment has the default that it shows. A value with a blank or a $ in it stands in single quotes. What the
# shell has set wins over .env. Each process gets its own settings and no other's; docs/compose.md says more.
# Made by `python -m deploy.compose`.
"""

_OWN = (
    (
        "Compose itself",
        (
            (
                "COMPOSE_FILE",
                "docker-compose.yml",
                (
                    "files that make the pipeline, with : between (; on Windows), as "
                    "docker-compose.yml:deploy/compose/observability.yaml"
                ),
            ),
            ("ANTIPHON_VERSION", "0.1.0", "tag of the images"),
            (
                "ANTIPHON_BIND",
                "127.0.0.1",
                (
                    "address of this machine that the gateway's ports are published on. Once it is set, "
                    "ANTIPHON_GATEWAY_KEYS has to be set too"
                ),
            ),
            (
                "ANTIPHON_GATEWAY_HTTP_PORT",
                "8080",
                "port of this machine for the page, Realtime and the rest of HTTP",
            ),
            ("ANTIPHON_GATEWAY_PORT", "50050", "port of this machine for gRPC"),
            (
                "ANTIPHON_STOP_GRACE",
                "45s",
                "time from a stop to the end by force; longer than the longest ..._DRAIN_SECONDS",
            ),
            (
                "ANTIPHON_LLM_LOCAL_REPLICAS",
                "1",
                "0: no small model, where all upstreams are elsewhere",
            ),
        ),
    ),
    (
        "Files of this machine that are mounted",
        (
            (
                "ANTIPHON_CONFIG",
                "./deploy/compose/antiphon.yaml",
                "settings as YAML, with a section for each process; such as upstreams of the language model",
            ),
            (
                "ANTIPHON_BUDGETS",
                "./services/runtime/telemetry/budgets.toml",
                "how long a turn may take",
            ),
            (
                "ANTIPHON_ACCESS",
                "./deploy/compose/access",
                "folder with the gateway's keys and certificate, /etc/antiphon/access in its container",
            ),
            (
                "ANTIPHON_GATEWAY_KEYS",
                "none",
                "none: whoever reaches the gateway may use it; else the file of keys, as /etc/antiphon/access/keys.yaml",
            ),
        ),
    ),
    (
        "Memory and processors that a container may take; 0 processors: as many as there are",
        tuple(
            line
            for name, memory in (
                ("GATEWAY", "1g"),
                ("STT", "1g"),
                ("LLM", "512m"),
                ("LLM_LOCAL", "1g"),
                ("TTS", "1g"),
            )
            for line in (
                (f"ANTIPHON_{name}_MEMORY", memory, ""),
                (f"ANTIPHON_{name}_CPUS", "0", ""),
            )
        ),
    ),
)
"""What compose reads of it before any container does: sections of variable, default, and what it is about."""


def text() -> str:
    """The file."""
    parts = [_HEAD]
    for title, lines in _OWN:
        parts.append(_section(title, (Setting(*line) for line in lines)))
    for service in SERVICES:
        parts.append(_section(service.name, service.own()))
    for title, names in (
        ("Keys of upstreams, for llm alone", UPSTREAM_KEYS),
        ("Traces, for all", TRACES),
        ("The Hugging Face Hub", HUB),
    ):
        parts.append(
            _section(title, (Setting(name, "", about) for name, about in names))
        )
    return "\n".join(parts)


def _section(title: str, settings: Iterable[Setting]) -> str:
    return "".join(
        [f"# ---- {title}\n", *(line for s in settings for line in _lines(s))]
    )


def _lines(setting: Setting) -> Iterator[str]:
    if setting.about:
        about = textwrap.fill(
            setting.about,
            width=118,
            initial_indent="# ",
            subsequent_indent="# ",
            break_on_hyphens=False,
        )
        yield f"\n{about}\n"
    value = f"'{setting.default}'" if " " in setting.default else setting.default
    yield f"#{setting.variable}={value}\n"
