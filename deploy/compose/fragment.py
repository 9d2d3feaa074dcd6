"""``settings.yaml``: which of the user's variables reach which service."""

from deploy.compose.settings import SERVICES

_HEAD = """\
# Which of the user's variables reach which service; docker-compose.yml extends these. A name without a value is taken from
# .env or the shell, and is not set in the container where neither has it. Made by `python -m deploy.compose`.

services:
"""


def text() -> str:
    """The file."""
    lines = [_HEAD]
    for service in SERVICES:
        lines += [f"  {service.name}:\n", "    environment:\n"]
        lines += [f"      {name}:\n" for name in service.variables()]
    return "".join(lines)
