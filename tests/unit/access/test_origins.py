"""Which web pages may use the gateway."""

import pytest

from gateway.access.origins import Origins
from services.runtime.errors import FailedPrecondition, PermissionDenied


def may(
    origin: str | None,
    host: str = "127.0.0.1:8080",
    *,
    setting: str = "",
    by_name: bool = False,
    scheme: str = "http",
    more: tuple[str, ...] = (),
) -> bool:
    try:
        Origins(setting, by_name).check(origin, scheme, host, more)
    except PermissionDenied:
        return False
    return True


def test_who_is_no_browser_passes() -> None:
    assert may(None)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://127.0.0.1:8080", "127.0.0.1:8080"),
        ("http://localhost:8080", "localhost:8080"),
        ("http://LOCALHOST:8080", "Localhost:8080"),
        ("http://[::1]:8080", "[::1]:8080"),
        ("http://192.168.1.7", "192.168.1.7:80"),
        ("http://antiphon.localhost", "antiphon.localhost"),
    ],
)
def test_the_gateways_own_page_passes(origin: str, host: str) -> None:
    assert may(origin, host)


@pytest.mark.parametrize(
    "origin",
    [
        "http://127.0.0.1:8081",
        "https://127.0.0.1:8080",
        "http://localhost:8080",
        "https://example.org",
        "null",
        "",
        "file://",
        "http://127.0.0.1:8080/page",
        "http://user@127.0.0.1:8080",
        "http://127.0.0.1:8080.example.org",
        "http://[",
        "http://127.0.0.1:99999",
    ],
)
def test_another_sites_page_does_not(origin: str) -> None:
    assert not may(origin)


def test_a_name_that_was_pointed_here_is_not_the_gateways_own_where_no_key_is_asked_for() -> (
    None
):
    rebound = ("http://evil.example:8080", "evil.example:8080")
    assert not may(*rebound)
    assert may(*rebound, by_name=True)


def test_behind_tls_the_own_page_is_the_encrypted_one() -> None:
    assert may("https://voice.example", "voice.example", scheme="https", by_name=True)
    assert not may(
        "http://voice.example", "voice.example", scheme="https", by_name=True
    )


@pytest.mark.parametrize("setting", ["https://a.example, http://b.example:3000/", "*"])
def test_listed_sites_pass(setting: str) -> None:
    assert may("https://a.example", setting=setting)
    assert may("https://a.example:443", setting=setting)
    assert may("http://b.example:3000", setting=setting)
    assert may("https://c.example", setting=setting) == (setting == "*")
    assert may("null", setting=setting) == (setting == "*")


def test_sites_of_a_key_pass_with_it() -> None:
    assert may("https://a.example", more=("https://a.example",))
    assert not may("https://b.example", more=("https://a.example",))


@pytest.mark.parametrize("host", ["", "[", "a b", "127.0.0.1:x"])
def test_a_host_that_is_none_makes_no_page_the_own(host: str) -> None:
    assert not may("http://127.0.0.1:8080", host, by_name=True)


@pytest.mark.parametrize("setting", ["example.org", "ftp://example.org", "https://"])
def test_a_setting_that_is_no_origin_is_named(setting: str) -> None:
    with pytest.raises(FailedPrecondition, match="ANTIPHON_GATEWAY_ORIGINS"):
        Origins(setting, by_name=True)
