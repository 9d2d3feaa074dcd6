"""Session descriptions: what holds an answer up is left out, and addresses are said as they are seen from outside."""

import pytest

from gateway.fronts.realtime.ice import Ice, to_ice
from gateway.fronts.realtime.offers import MOST_CANDIDATES, announced, checked
from gateway.settings import GatewaySettings
from services.runtime.errors import FailedPrecondition, InvalidArgument, Unavailable

FINGERPRINT = "a=fingerprint:sha-256 " + ":".join(["AB"] * 32)

OFFER = f"""v=0
o=- 1 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0 1
m=audio 9 UDP/TLS/RTP/SAVPF 111
c=IN IP4 0.0.0.0
a=candidate:1 1 udp 2113937151 0b2c7d70-7b2c-4f6e-8a3e-3c1f0f4e2f53.local 50000 typ host
a=candidate:2 1 udp 1677729535 203.0.113.7 50001 typ srflx raddr 0.0.0.0 rport 0
a=end-of-candidates
a=ice-ufrag:abcd
a=ice-pwd:abcdefghijklmnopqrstuv
{FINGERPRINT}
a=setup:actpass
a=mid:0
a=sendrecv
a=rtcp-mux
a=rtpmap:111 opus/48000/2
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
a=ice-ufrag:abcd
a=ice-pwd:abcdefghijklmnopqrstuv
{FINGERPRINT}
a=setup:actpass
a=mid:1
a=sctp-port:5000
"""

ANSWER = """v=0
m=audio 35832 UDP/TLS/RTP/SAVPF 111
a=candidate:1 1 udp 2130706431 192.0.2.2 35832 typ host
a=candidate:2 1 udp 2130706431 fd00::2 42781 typ host
a=candidate:3 1 udp 1694498815 198.51.100.1 35832 typ srflx raddr 192.0.2.2 rport 35832
""".replace("\n", "\r\n")


def test_names_that_hide_addresses_are_left_out_and_others_stay() -> None:
    cleaned = checked(OFFER)
    assert ".local" not in cleaned
    assert "203.0.113.7" in cleaned
    assert "end-of-candidates" not in cleaned
    assert cleaned.endswith("\r\n")


def with_candidates(*candidates: str) -> str:
    return OFFER.replace(
        "a=end-of-candidates\n", "".join(f"a=candidate:{c}\n" for c in candidates)
    )


@pytest.mark.parametrize(
    "candidate",
    [
        "9 1 udp 1 localhost 5000 typ host",
        "9 1 udp 1 internal.example 5000 typ host",
        "9 1 udp 1 224.0.0.251 5000 typ host",
        "9 1 udp 1 255.255.255.255 5000 typ host",
        "9 1 udp 1 0.0.0.0 5000 typ host",
        "9 1 udp 1 203.0.113.9 0 typ host",
        "9 1 udp 1 203.0.113.9 70000 typ host",
        "9 1 udp 1 203.0.113.9 -1 typ host",
        "9 2 udp 1 203.0.113.9 5000 typ host",
        "9 1 tcp 1 203.0.113.9 9 typ host tcptype active",
    ],
)
def test_nothing_is_sent_to_what_is_no_address_of_one_machine(candidate: str) -> None:
    cleaned = checked(with_candidates(candidate))
    assert candidate not in cleaned
    assert "203.0.113.7" in cleaned


def test_nobody_has_the_gateway_send_packets_to_a_thousand_others() -> None:
    many = (f"9 1 udp 1 203.0.113.9 {port} typ host" for port in range(5000, 6000))
    assert checked(with_candidates(*many)).count("a=candidate:") == MOST_CANDIDATES


@pytest.mark.parametrize("mid", ["a=mid:7", "a=mid:1", "a=x"])
def test_a_bundle_of_what_is_not_offered_is_refused(mid: str) -> None:
    with pytest.raises(InvalidArgument, match="bundles"):
        checked(OFFER.replace("a=mid:0", mid))


def test_what_is_offered_twice_is_refused() -> None:
    audio = OFFER[OFFER.index("m=audio") : OFFER.index("m=application")]
    with pytest.raises(InvalidArgument, match="audio, application, audio"):
        checked(OFFER + audio.replace("a=mid:0", "a=mid:2"))


def test_the_gateways_own_addresses_are_told_as_they_are() -> None:
    assert announced(ANSWER, "") == ANSWER


def test_an_address_from_outside_stands_for_all_of_its_kind() -> None:
    told = announced(ANSWER, "203.0.113.9")
    assert "a=candidate:1 1 udp 2130706431 203.0.113.9 35832 typ host\r\n" in told
    assert "fd00::2" not in told
    assert "198.51.100.1 35832 typ srflx" in told
    assert "udp 2130706431 2001:db8::9 42781 typ host" in announced(
        ANSWER, "2001:db8::9"
    )


def test_an_answer_without_any_address_is_none() -> None:
    with pytest.raises(Unavailable, match="besides loopback"):
        announced("v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n", "")


def test_settings_name_servers_and_an_address() -> None:
    settings = GatewaySettings(
        ice_servers="stun:stun.example.org:3478, turn:turn.example.org?transport=tcp",
        ice_username="gateway",
        ice_password="hush",
        ice_address="203.0.113.9",
    )
    assert to_ice(settings) == Ice(
        ("stun:stun.example.org:3478", "turn:turn.example.org?transport=tcp"),
        "gateway",
        "hush",
        "203.0.113.9",
    )


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ({"ice_servers": "http://example.org"}, "neither stun"),
        ({"ice_servers": "turn:"}, "neither stun"),
        ({"ice_servers": "stun:a,stun:b"}, "two STUN servers"),
        ({"ice_address": "gateway.example.org"}, "no IP address"),
    ],
)
def test_settings_that_name_neither_are_refused_at_the_start(
    named: dict[str, str], says: str
) -> None:
    with pytest.raises(FailedPrecondition, match=says):
        to_ice(GatewaySettings(**named))
