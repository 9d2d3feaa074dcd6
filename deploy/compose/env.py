"""``.env.example``: all that may be set, with defaults and a line about each."""

import textwrap
from collections.abc import Iterable, Iterator

from deploy.compose.own import BEFORE, HUB_TOKEN
from deploy.compose.settings import HUB, SERVICES, TRACES, UPSTREAM_KEYS, Setting

_HEAD = """\
# All that can be set for `docker compose up`. Copy it, and take the mark from the lines that you change:
#
#   cp .env.example .env
#
# A line that stays a comment shows its default; nothing behind the = means: not set. What holds a blank, a quote or a $ stands
# in 'single quotes'. What the shell has set wins over .env, and that over the file that ANTIPHON_CONFIG names. Each container
# gets its own settings and nobody else's (docs/compose.md). Made by `python -m deploy.compose`.
"""
_WIDTH = 128


def text() -> str:
    """The file."""
    sections = [
        *BEFORE,
        *((f"Settings of {service.name}", service.own()) for service in SERVICES),
        ("Keys of upstreams, for llm alone", UPSTREAM_KEYS),
        ("Traces, for all but llm-local", TRACES),
        ("The Hugging Face Hub: gpu.yaml, hub.yaml", HUB_TOKEN + HUB),
    ]
    return "\n".join([_HEAD, *(_section(*section) for section in sections)])


def _section(title: str, settings: Iterable[Setting]) -> str:
    lines = [line for setting in settings for line in _lines(setting)]
    return "".join([f"# ---- {title} ----\n", *lines])


def _lines(setting: Setting) -> Iterator[str]:
    if setting.about:
        about = textwrap.fill(
            setting.about,
            width=_WIDTH,
            initial_indent="# ",
            subsequent_indent="# ",
            break_on_hyphens=False,
        )
        yield f"\n{about}\n"
    default = setting.default
    yield f"#{setting.variable}={f'{default!r}' if ' ' in default else default}\n"
