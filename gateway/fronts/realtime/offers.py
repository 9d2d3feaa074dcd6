"""Session descriptions (SDP): what a client offers, and what it is answered."""

import re
from collections.abc import Iterator
from ipaddress import ip_address

from aiortc.sdp import SessionDescription

from services.runtime.errors import InvalidArgument, Unavailable

LONGEST = 64 * 1024
"""Characters of an offer; a browser's has about 3,000."""

FIELD = "sdp"

WANTED = "one audio track in Opus, and one data channel"

MOST_CANDIDATES = 32
"""Of an offer, in both media together; a machine with many networks has about ten. Each has the gateway send some packets
to whatever address it names, so that many would have it flood others (RFC 8445, 19.5.1)."""

_CANDIDATE = re.compile(
    r"^a=candidate:\S+ 1 udp \d+ (\S+) (\d{1,5}) typ ", re.IGNORECASE
)
_NO_MORE = "a=end-of-candidates"
_HOST = re.compile(r"^(a=candidate:(?:\S+ ){4})(\S+)( \d+ typ host)(?=\s|$)")


def checked(offer: str) -> str:
    """An offer that can be answered, without what would hold the answer up.

    Browsers hide their addresses behind names that are asked for by multicast, which takes a second and mostly fails across
    networks. They are left out, and so is what nothing can be sent to, and what is too much: the client's own checks tell
    where it is. So there may always be more candidates than were offered, whatever the offer says.

    Raises:
        InvalidArgument: it is no offer, or not one of what is taken here.
    """
    if len(offer) > LONGEST:
        raise InvalidArgument(
            FIELD, f"is {len(offer)} characters long", f"at most {LONGEST}"
        )
    if not offer.lstrip().startswith("v=0"):
        raise InvalidArgument(FIELD, "is no session description", "v=0 and so on")
    lines = [line for line in offer.strip().splitlines() if line.strip() != _NO_MORE]
    cleaned = "\r\n".join([*_with_usable_candidates(lines), ""])
    try:
        description = SessionDescription.parse(cleaned)
    except (
        Exception
    ) as error:  # the parser asserts, indexes and converts: its errors share no base
        problem = f"cannot be read: {type(error).__name__} {error}".rstrip()
        raise InvalidArgument(FIELD, problem, WANTED) from error
    _check(description)
    return cleaned


def _with_usable_candidates(lines: list[str]) -> Iterator[str]:
    left = MOST_CANDIDATES
    for line in lines:
        if line.startswith("a=candidate:"):
            if not left or not _usable(line):
                continue
            left -= 1
        yield line


def _usable(candidate: str) -> bool:
    """Whether it names one machine's address and port."""
    found = _CANDIDATE.match(candidate)
    if found is None or not 0 < int(found[2]) < 65_536:
        return False
    try:
        address = ip_address(found[1])
    except ValueError:
        return False
    return not (address.is_multicast or address.is_unspecified or address.is_reserved)


def _check(description: SessionDescription) -> None:
    kinds = [media.kind for media in description.media if media.port]
    for kind, name in (("audio", "audio track"), ("application", "data channel")):
        if kind not in kinds:
            raise InvalidArgument(FIELD, f"offers no {name}", WANTED)
    if sorted(kinds) != ["application", "audio"] or len(description.media) != 2:
        others = ", ".join(media.kind for media in description.media)
        raise InvalidArgument(FIELD, f"offers {others}", WANTED)
    named = [media.rtp.muxId for media in description.media]
    bundled = {mid for group in description.group for mid in group.items}
    if len(set(named)) < len(named) or not bundled <= set(named):
        raise InvalidArgument(FIELD, "bundles what it does not offer", "its own mids")
    if not all(media.dtls and media.dtls.fingerprints for media in description.media):
        raise InvalidArgument(FIELD, "has no fingerprint", "one for each medium")
    audio = next(media for media in description.media if media.kind == "audio")
    if not any(codec.mimeType.lower() == "audio/opus" for codec in audio.rtp.codecs):
        raise InvalidArgument(FIELD, "offers audio without Opus", WANTED)


def announced(answer: str, address: str) -> str:
    """The answer, with the gateway's own addresses said as they are seen from outside.

    Args:
        answer: as it was made.
        address: under which the gateway's ports are reached from outside; empty for its own.

    Raises:
        Unavailable: there is nowhere to be reached at.
    """
    lines = answer.splitlines()
    if not any(line.startswith("a=candidate:") for line in lines):
        raise Unavailable(
            "this gateway's machine has no address for WebRTC besides loopback, which WebRTC leaves out; use the WebSocket"
        )
    if not address:
        return answer
    outside = ip_address(address)
    told: list[str] = []
    for line in lines:
        if found := _HOST.match(line):
            if ip_address(found[2]).version != outside.version:
                continue
            line = f"{found[1]}{outside}{line[found.end(2) :]}"
        told.append(line)
    return "\r\n".join([*told, ""])
