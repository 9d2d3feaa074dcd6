"""Client secrets: whose, until when, and for what."""

import pytest

from gateway.access.secrets import LONGEST, PREFIX, Claims, Secrets
from services.runtime.errors import InvalidArgument, Unauthenticated

SESSION = {"type": "realtime", "instructions": "Sé breve."}
NOW = 1_700_000_000.4


def test_a_secret_says_whose_it_is_and_what_it_opens() -> None:
    ours = Secrets()
    secret = ours.mint("reception", SESSION, 600, NOW)
    assert secret.value.startswith(PREFIX)
    assert secret.expires_at == 1_700_000_600
    assert ours.read(secret.value, NOW) == Claims("reception", SESSION)


def test_a_secret_expires() -> None:
    ours = Secrets()
    secret = ours.mint("reception", SESSION, 10, NOW)
    assert ours.read(secret.value, secret.expires_at - 0.1).maker == "reception"
    with pytest.raises(Unauthenticated, match="expired"):
        ours.read(secret.value, secret.expires_at)


def test_gateways_that_share_a_secret_take_each_others() -> None:
    minted = Secrets("shared").mint("reception", SESSION, 10, NOW)
    assert Secrets("shared").read(minted.value, NOW).maker == "reception"
    for stranger in (Secrets("other"), Secrets()):
        with pytest.raises(Unauthenticated, match="not made by this gateway"):
            stranger.read(minted.value, NOW)


def test_no_character_of_a_secret_can_be_changed() -> None:
    ours = Secrets()
    value = ours.mint("reception", SESSION, 10, NOW).value
    for at in range(len(PREFIX), len(value)):
        # The last of 4 characters may have bits that mean nothing; another letter of the first half changes one that does.
        other = "A" if value[at] != "A" else "g"
        with pytest.raises(Unauthenticated):
            ours.read(value[:at] + other + value[at + 1 :], NOW)


@pytest.mark.parametrize(
    "value", ["", "ek_", "ek_x", "ek_ü", "ek_a+b/", "ek_" + "A" * 64, "sk-nonsense"]
)
def test_what_is_no_secret_is_refused(value: str) -> None:
    with pytest.raises(Unauthenticated):
        Secrets().read(value, NOW)


def test_a_session_that_makes_no_header_is_refused() -> None:
    noise = "".join(chr(0x4E00 + 7919 * i % 20000) for i in range(6000))
    with pytest.raises(InvalidArgument, match=f"at most {LONGEST}"):
        Secrets().mint("reception", {"instructions": noise}, 10, NOW)
    long = "Answer in one sentence, and never guess. " * 500
    value = Secrets().mint("reception", {"instructions": long}, 10, NOW).value
    assert len(value) < 1000
