"""docs/access.md says what can be set, and what it shows works."""

import re
from itertools import count
from pathlib import Path

from gateway.access.keys import parse_file
from gateway.access.limits import Limits
from services.runtime.keys import hashed

PAGE = (Path(__file__).parents[3] / "docs" / "access.md").read_text()

SETTINGS = (
    "keys",
    "api_keys",
    "secret",
    "origins",
    "tls_cert",
    "tls_key",
    "key_conversations",
    "key_minutes",
    "key_messages",
    "key_requests",
    "max_message_bytes",
    "http_streams",
    "longest_conversation",
    "longest_silence",
)


def test_the_page_names_every_setting_of_access() -> None:
    for name in SETTINGS:
        assert f"`ANTIPHON_GATEWAY_{name.upper()}" in PAGE, name


def test_the_pages_file_of_keys_is_one_and_shows_every_limit() -> None:
    (shown,) = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
    number = count()
    text = re.sub(r"sha256:\w+…", lambda _: hashed(str(next(number))), shown)
    kitchen, robot = parse_file(text, Limits())
    assert kitchen.limits == Limits()
    for name in Limits.__dataclass_fields__:
        assert getattr(robot.limits, name) != getattr(Limits(), name), name
    assert robot.expires and robot.origins and robot.realtime_rate
