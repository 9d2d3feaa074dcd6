"""RTP packets in order, and silence where there are none: the audio clock never shrinks, and never stands still."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.fronts.realtime import opus
from gateway.fronts.realtime.arrivals import REORDERING, STALL, Arrivals, Piece

TICK = 0.02
LENGTH = 960
RESTING = b"\x08"
"""20 ms, and nothing in it."""


def packet(number: int) -> bytes:
    """20 ms of something that can be told apart."""
    return b"\x78" + number.to_bytes(4, "big")


def clock(pieces: list[Piece]) -> int:
    """Samples that they last."""
    return sum(
        piece if isinstance(piece, int) else opus.samples(piece) for piece in pieces
    )


def sent(
    arrivals: Arrivals, number: int, late: float = 0.0, first: int = 0
) -> list[Piece]:
    """A packet of a sender that sends one every 20 ms."""
    return arrivals.push(
        (first + number) % 2**16,
        (first * 7 + number * LENGTH) % 2**32,
        packet(number),
        number * TICK + late,
    )


def test_packets_in_order_are_heard_at_once() -> None:
    arrivals = Arrivals()
    for number in range(5):
        assert sent(arrivals, number) == [packet(number)]


def test_packets_out_of_order_are_put_in_order() -> None:
    arrivals = Arrivals()
    assert sent(arrivals, 0) == [packet(0)]
    assert sent(arrivals, 2) == []
    assert sent(arrivals, 1, late=0.03) == [packet(1), packet(2)]


def test_a_lost_packet_becomes_silence_and_delays_nothing_after_it() -> None:
    arrivals = Arrivals()
    heard = sent(arrivals, 0)
    for number in range(2, 8):
        heard += sent(arrivals, number)
    assert heard[:3] == [packet(0), LENGTH, packet(2)]
    assert heard[3:] == [packet(number) for number in range(3, 8)]
    assert sent(arrivals, 8) == [packet(8)]


def test_a_lost_packet_is_given_up_even_if_nothing_comes_after() -> None:
    arrivals = Arrivals()
    sent(arrivals, 0)
    assert sent(arrivals, 2) == []
    at = arrivals.wake_at()
    assert at == 2 * TICK + REORDERING
    assert arrivals.wake(at) == [LENGTH, packet(2)]


def test_what_comes_after_it_was_given_up_is_dropped_and_so_is_what_comes_twice() -> (
    None
):
    arrivals = Arrivals()
    for number in (0, 2, 3, 4, 5, 6):
        sent(arrivals, number)
    assert sent(arrivals, 1, late=0.12) == []
    assert sent(arrivals, 6, late=0.01) == []


def test_numbers_and_timestamps_wrap_around() -> None:
    arrivals = Arrivals()
    for number in range(20):
        pieces = arrivals.push(
            (2**16 - 5 + number) % 2**16,
            (2**32 - 3 * LENGTH + number * LENGTH) % 2**32,
            packet(number),
            number * TICK,
        )
        assert pieces == [packet(number)]


def test_while_a_sender_rests_silence_goes_on_in_real_time() -> None:
    arrivals = Arrivals()
    arrivals.push(0, 0, packet(0), 0.0)
    arrivals.push(1, LENGTH, RESTING, TICK)
    heard: list[Piece] = []
    while (at := arrivals.wake_at()) is not None and at < 0.42:
        heard += arrivals.wake(at)
    assert 0.42 - 0.1 < clock(heard) / opus.CLOCK < 0.42
    # The next packet stands where its timestamp says, not a sample later or earlier.
    heard += arrivals.push(2, LENGTH + 20 * LENGTH, packet(2), 0.42)
    assert clock(heard) == 20 * LENGTH
    assert heard[-1] == packet(2)


def test_a_microphone_that_is_switched_off_does_not_stop_the_clock() -> None:
    arrivals = Arrivals()
    sent(arrivals, 0)
    heard: list[Piece] = []
    while (at := arrivals.wake_at()) is not None and at < 3.0:
        assert at >= STALL
        heard += arrivals.wake(at)
    assert 2.9 < clock(heard) / opus.CLOCK < 3.0


def test_a_network_that_stalls_for_a_moment_leaves_no_hole() -> None:
    arrivals = Arrivals()
    sent(arrivals, 0)
    heard: list[Piece] = []
    for number in range(1, 9):
        now = 9 * TICK
        if (at := arrivals.wake_at()) is not None and at <= now:
            heard += arrivals.wake(now)
        heard += arrivals.push(number, number * LENGTH, packet(number), now)
    assert heard == [packet(number) for number in range(1, 9)]


def test_a_sender_that_begins_anew_is_followed() -> None:
    arrivals = Arrivals()
    sent(arrivals, 0)
    assert arrivals.push(40_000, 3_000_000_000, packet(9), TICK) == [packet(9)]
    assert arrivals.push(40_001, 3_000_000_000 + LENGTH, packet(10), 2 * TICK) == [
        packet(10)
    ]


def test_a_timestamp_far_off_adds_no_silence() -> None:
    arrivals = Arrivals()
    sent(arrivals, 0)
    assert arrivals.push(1, 3600 * opus.CLOCK, packet(1), TICK) == [packet(1)]


def test_what_is_no_packet_of_opus_is_dropped() -> None:
    arrivals = Arrivals()
    assert arrivals.push(0, 0, b"", 0.0) == []
    assert arrivals.push(1, 960, b"\x03", 0.0) == []
    assert arrivals.wake_at() is None


@given(
    lost=st.sets(st.integers(1, 58)),
    late=st.lists(st.floats(0, 0.05), min_size=60, max_size=60),
    first=st.integers(0, 2**16 - 1),
)
def test_whatever_is_lost_or_late_every_packet_has_its_place_on_the_clock(
    lost: set[int], late: list[float], first: int
) -> None:
    """Delays below the patience with which one waits, and stretches without a packet below a stall's."""
    lost = {number for number in lost if not {number - 1, number - 2} <= lost}
    arrivals, heard = Arrivals(), list[Piece]()
    order = sorted(
        (number * TICK + late[number], number)
        for number in range(60)
        if number not in lost
    )
    # What comes before the first packet is not of this stream.
    begin = order.index(next(one for one in order if one[1] == 0))
    for now, number in order[begin:]:
        while (at := arrivals.wake_at()) is not None and at <= now:
            heard += arrivals.wake(at)
        heard += sent(arrivals, number, now - number * TICK, first)
    while (at := arrivals.wake_at()) is not None and at <= order[-1][0] + REORDERING:
        heard += arrivals.wake(at)
    position = 0
    places: dict[bytes, int] = {}
    for piece in heard:
        if isinstance(piece, bytes):
            assert piece not in places
            places[piece] = position
        position += clock([piece])
    for _, number in order[begin:]:
        if packet(number) in places:
            assert places[packet(number)] == number * LENGTH
    dropped = [n for _, n in order[begin:] if packet(n) not in places]
    assert not dropped, (dropped, order)
