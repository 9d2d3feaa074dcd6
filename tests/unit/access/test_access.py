"""Who comes in."""

from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.access import Access
from gateway.access.access import ANYONE, is_loopback, no_secrets
from gateway.settings import GatewaySettings
from services.runtime.errors import (
    FailedPrecondition,
    PermissionDenied,
    TooMuch,
    Unauthenticated,
)
from services.runtime.keys import hashed

KEY = "ak_kitchen"
HASH = hashed(KEY)
NOW = 1_800_000_000.0


class Request:
    def __init__(self, **headers: str) -> None:
        self.headers = {k.replace("_", "-"): v for k, v in headers.items()}


def access(**settings: Any) -> Access:
    return Access(GatewaySettings(**settings), now=lambda: NOW)


def with_file(tmp_path: Path, entry: str) -> Access:
    path = tmp_path / "keys.yaml"
    path.write_text(f'- {{name: kitchen, hash: "{HASH}"{entry}}}')
    return access(keys=str(path))


def test_without_keys_anybody_comes_in_whatever_key_a_stock_client_sends() -> None:
    door = access()
    assert door.open
    for request in (Request(), Request(Authorization="Bearer sk-whatever")):
        assert door.caller(request).name == ANYONE


def test_a_known_key_is_its_holder() -> None:
    door = access(api_keys=f"kitchen:{HASH}")
    assert not door.open
    assert door.caller(Request(Authorization=f"Bearer {KEY}")).name == "kitchen"
    assert door.caller(Request(Authorization=f"bearer  {KEY} ")).name == "kitchen"


def test_a_key_may_come_as_a_subprotocol_since_browsers_cannot_set_headers() -> None:
    door = access(api_keys=f"kitchen:{HASH}")
    offered = f"realtime, openai-insecure-api-key.{KEY}, other"
    assert door.caller(Request(Sec_WebSocket_Protocol=offered)).name == "kitchen"


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({}, "a key is needed"),
        ({"Authorization": "Bearer"}, "a key is needed"),
        ({"Authorization": "Bearer ak_other"}, "not known"),
        ({"Authorization": f"Bearer {HASH}"}, "not known"),
        ({"Authorization": f"Basic {KEY}"}, "must be: Bearer KEY"),
        ({"Authorization": KEY}, "must be: Bearer KEY"),
        ({"Authorization": "Bearer é\udcff"}, "not known"),
        ({"Sec_WebSocket_Protocol": "realtime"}, "a key is needed"),
    ],
)
def test_no_key_and_no_known_one_are_refused_without_repeating_it(
    headers: dict[str, str], said: str
) -> None:
    door = access(api_keys=HASH)
    with pytest.raises(Unauthenticated, match=said) as raised:
        door.caller(Request(**headers))
    assert "ak_" not in str(raised.value)


@pytest.mark.parametrize(
    ("expires", "passes"),
    [
        ("2027-01-15T08:00:01Z", True),
        ("2027-01-15T08:00:00Z", False),
        ("2027-01-16", True),
        ("2027-01-15", False),
    ],
)
def test_a_key_is_good_until_it_expires(
    expires: str, passes: bool, tmp_path: Path
) -> None:
    door = with_file(tmp_path, f", expires: {expires}")
    if passes:
        assert door.known(KEY).name == "kitchen"
        return
    with pytest.raises(Unauthenticated, match="has expired"):
        door.known(KEY)


def test_a_revoked_key_is_refused_as_soon_as_the_file_is_read_again(
    tmp_path: Path,
) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text(f'- {{name: kitchen, hash: "{HASH}"}}')
    looks = iter(range(0, 1000, 10))
    door = Access(GatewaySettings(keys=str(path)), clock=lambda: float(next(looks)))
    secret = door.secrets.mint(door.known(KEY).key, {}, 3600, NOW)
    assert door.known(secret.value).name == "kitchen"
    path.write_text("[]")
    for token in (KEY, secret.value):
        with pytest.raises(Unauthenticated):
            door.known(token)


def test_what_a_key_may_is_its_entrys_then_the_settings(tmp_path: Path) -> None:
    door = with_file(tmp_path, ", conversations: 1, realtime_rate: 16000")
    caller = door.known(KEY)
    assert caller.limits.conversations == 1
    assert caller.limits.message_bytes == GatewaySettings().max_message_bytes
    assert caller.realtime_rate == 16_000
    assert access(realtime_rate=8000).known("").realtime_rate == 8000


def test_a_client_secret_is_its_makers_and_has_its_session(tmp_path: Path) -> None:
    door = with_file(tmp_path, ", conversations: 1")
    secret = door.secrets.mint(door.known(KEY).key, {"voice": "joe"}, 60, NOW)
    caller = door.known(secret.value)
    assert (caller.name, caller.session) == ("kitchen", {"voice": "joe"})
    with (
        door.conversation(caller),
        pytest.raises(TooMuch, match="1 conversations open"),
        door.conversation(door.known(KEY)),
    ):
        pass


def test_a_client_secret_is_good_for_nothing_but_realtime() -> None:
    door = access()
    secret = door.secrets.mint(ANYONE, {}, 60, NOW)
    with pytest.raises(PermissionDenied):
        no_secrets(door.known(secret.value))
    no_secrets(door.known(""))


def test_a_client_secret_ends_with_its_time_and_with_its_makers_key(
    tmp_path: Path,
) -> None:
    door = with_file(tmp_path, "")
    for key, seconds, said in (
        (door.known(KEY).key, 0, "has expired"),
        ("kitchen", 60, "not valid any more"),
    ):
        secret = door.secrets.mint(key, {}, seconds, NOW)
        with pytest.raises(Unauthenticated, match=said):
            door.known(secret.value)
    with pytest.raises(Unauthenticated):
        door.known("ek_made_up")


def test_a_key_that_was_replaced_takes_its_client_secrets_with_it(
    tmp_path: Path,
) -> None:
    shared = {"secret": "s" * 32}
    old, new = (
        access(api_keys=f"kitchen:{hashed(key)}", **shared) for key in (KEY, "ak_new")
    )
    secret = old.secrets.mint(old.known(KEY).key, {}, 3600, NOW)
    assert old.known(secret.value).name == "kitchen"
    with pytest.raises(Unauthenticated, match="not valid any more"):
        new.known(secret.value)


def test_gateways_of_one_secret_take_each_others_client_secrets() -> None:
    one, other = access(secret="s" * 32), access(secret="s" * 32)
    secret = one.secrets.mint(ANYONE, {"voice": "joe"}, 60, NOW)
    assert other.known(secret.value).session == {"voice": "joe"}
    with pytest.raises(Unauthenticated):
        access().known(secret.value)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "voice.example", ""])
def test_without_keys_nobody_else_is_let_in_and_the_two_ways_on_are_said(
    host: str,
) -> None:
    with pytest.raises(FailedPrecondition) as raised:
        access(host=host)
    assert "antiphon key new" in str(raised.value)
    assert "ANTIPHON_GATEWAY_KEYS=none" in str(raised.value)
    assert access(host=host, keys="none").open
    assert not access(host=host, api_keys=HASH).open


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback_needs_no_key(host: str) -> None:
    assert is_loopback(host)
    assert access(host=host).open


def test_who_may_come_in_is_said_at_the_start(tmp_path: Path) -> None:
    with capture_logs() as logs:
        access()
        access(host="0.0.0.0", keys="none")
        with_file(tmp_path, "")
    here, everybody, known = logs
    assert "this machine" in here["event"] and here["log_level"] == "info"
    assert "whoever reaches" in everybody["event"]
    assert everybody["log_level"] == "warning"
    assert known["keys"] == 1
    assert KEY not in str(logs) and HASH not in str(logs)


def test_settings_that_contradict_each_other_are_named(tmp_path: Path) -> None:
    with pytest.raises(FailedPrecondition, match="contradict"):
        access(keys="none", api_keys=HASH)
    path = tmp_path / "keys.yaml"
    path.write_text(f'- {{name: kitchen, hash: "{hashed("ak_b")}"}}')
    with pytest.raises(FailedPrecondition, match="names kitchen, as"):
        access(keys=str(path), api_keys=f"kitchen:{HASH}")
    with pytest.raises(FailedPrecondition, match="API_KEYS: entry 1"):
        access(api_keys=KEY)
