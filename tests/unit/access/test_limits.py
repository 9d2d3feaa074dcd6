"""How much one caller may use."""

from dataclasses import dataclass

import pytest

from gateway.access.limits import DAY_SECONDS, MESSAGE_BYTES, Limits, Meter, Usage
from services.runtime.errors import TooMuch


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def send(meter: Meter, clock: Clock, per_second: int, seconds: int) -> int:
    """Messages that are taken until one is refused."""
    for number in range(per_second * seconds):
        try:
            meter.message(100)
        except TooMuch:
            return number
        clock.now += 1 / per_second
    return per_second * seconds


def test_fifty_messages_a_second_pass_for_as_long_as_they_come(clock: Clock) -> None:
    assert send(Meter(Usage(Limits(), clock)), clock, 50, 600) == 30_000


def test_a_thousand_messages_a_second_are_cut_off_within_the_second(
    clock: Clock,
) -> None:
    assert 0 < send(Meter(Usage(Limits(), clock)), clock, 1000, 60) < 1000


def test_what_a_stalled_network_delivers_late_passes(clock: Clock) -> None:
    meter = Meter(Usage(Limits(messages_per_second=50), clock))
    clock.now += 2.0
    for _ in range(100):
        meter.message(100)


def test_who_comes_again_begins_with_no_new_burst(clock: Clock) -> None:
    usage = Usage(Limits(messages_per_second=10), clock)
    meter = Meter(usage)
    for _ in range(20):
        meter.message(1)
    meter.close()
    clock.now += 1
    again, beside = Meter(usage), Meter(usage)
    assert again.rate_limits()[0]["remaining"] == 10
    assert beside.rate_limits()[0]["remaining"] == 20


def test_messages_are_counted_anew_where_their_limit_has_changed(clock: Clock) -> None:
    usage = Usage(Limits(messages_per_second=10), clock)
    Meter(usage).close()
    usage.limits = Limits(messages_per_second=20)
    assert Meter(usage).rate_limits()[0]["limit"] == 40


def test_too_many_messages_say_how_many_may_come_and_when_the_next(
    clock: Clock,
) -> None:
    meter = Meter(Usage(Limits(messages_per_second=0.5), clock))
    meter.message(1)
    with pytest.raises(TooMuch, match=r"0\.5 messages a second") as refused:
        meter.message(1)
    assert refused.value.retry_after == pytest.approx(2.0)


@pytest.mark.parametrize(("size", "passes"), [(2048, True), (2049, False)])
def test_a_message_is_as_large_as_the_limit_at_most(
    size: int, passes: bool, clock: Clock
) -> None:
    meter = Meter(Usage(Limits(message_bytes=2048), clock))
    assert meter.message_bytes == 2048
    if passes:
        meter.message(size)
        return
    with pytest.raises(TooMuch, match="2049 bytes: at most 2048") as refused:
        meter.message(size)
    assert refused.value.retry_after is None


def test_a_large_message_counts_as_many_small_ones(clock: Clock) -> None:
    meter = Meter(Usage(Limits(messages_per_second=10), clock))
    meter.message(18 * MESSAGE_BYTES)
    meter.message(1)
    with pytest.raises(TooMuch, match="10 messages a second"):
        meter.message(1)


def test_one_message_passes_after_a_pause_however_large_it_is(clock: Clock) -> None:
    limits = Limits(messages_per_second=1, message_bytes=100 * MESSAGE_BYTES)
    meter = Meter(Usage(limits, clock))
    meter.message(100 * MESSAGE_BYTES)
    with pytest.raises(TooMuch) as refused:
        meter.message(100 * MESSAGE_BYTES)
    clock.now += refused.value.retry_after
    meter.message(100 * MESSAGE_BYTES)


def test_conversations_count_as_long_as_they_are_open(clock: Clock) -> None:
    usage = Usage(Limits(conversations=2), clock)
    usage.begin()
    usage.begin()
    with pytest.raises(TooMuch, match="2 conversations open, and may have 2"):
        usage.begin()
    usage.end()
    usage.begin()
    assert usage.open == 2


def test_minutes_of_conversations_at_once_add_up(clock: Clock) -> None:
    usage = Usage(Limits(minutes_per_day=10), clock)
    usage.begin()
    usage.begin()
    clock.now += 4 * 60
    assert usage.seconds_left == pytest.approx(2 * 60)
    usage.end()
    clock.now += 2 * 60
    assert usage.seconds_left == pytest.approx(0)


def test_a_conversation_ends_with_its_next_message_when_the_minutes_are_used_up(
    clock: Clock,
) -> None:
    usage = Usage(Limits(minutes_per_day=1), clock)
    usage.begin()
    meter = Meter(usage)
    clock.now += 59
    meter.message(1)
    assert meter.seconds_left == pytest.approx(1)
    clock.now += 1
    with pytest.raises(TooMuch, match="1 minutes of conversation in 24 hours"):
        meter.message(1)
    with pytest.raises(TooMuch):
        usage.begin()


def test_minutes_come_back_a_day_after_they_were_used(clock: Clock) -> None:
    usage = Usage(Limits(minutes_per_day=1), clock)
    usage.begin()
    clock.now += 60
    usage.end()
    with pytest.raises(TooMuch) as refused:
        usage.begin()
    wait = refused.value.retry_after
    assert wait is not None and wait <= DAY_SECONDS
    clock.now += wait - 1
    with pytest.raises(TooMuch):
        usage.begin()
    clock.now += 1
    usage.begin()
    assert usage.seconds_left == pytest.approx(60)


def test_a_silent_minute_between_conversations_costs_nothing(clock: Clock) -> None:
    usage = Usage(Limits(minutes_per_day=1), clock)
    usage.begin()
    clock.now += 10
    usage.end()
    clock.now += 600
    usage.begin()
    assert usage.seconds_left == pytest.approx(50)


def test_the_time_before_a_conversation_costs_nothing_where_a_limit_comes_later(
    clock: Clock,
) -> None:
    usage = Usage(Limits(), clock)
    clock.now += 36_000
    usage.begin()
    clock.now += 10
    usage.end()
    usage.limits = Limits(minutes_per_day=1)
    assert usage.seconds_left == pytest.approx(50)


def test_a_track_counts_minutes_too(clock: Clock) -> None:
    usage = Usage(Limits(minutes_per_day=1), clock)
    usage.begin()
    usage.begin()
    meter = Meter(usage)
    clock.now += 29
    meter.audio()
    clock.now += 1
    with pytest.raises(TooMuch, match="1 minutes of conversation in 24 hours"):
        meter.audio()


def test_requests_pass_up_to_so_many_a_minute(clock: Clock) -> None:
    usage = Usage(Limits(requests_per_minute=3), clock)
    for _ in range(3):
        usage.request()
    with pytest.raises(TooMuch, match="3 requests a minute") as refused:
        usage.request()
    assert refused.value.retry_after == pytest.approx(20)
    clock.now += 20
    usage.request()


def test_limits_that_change_hold_at_once(clock: Clock) -> None:
    usage = Usage(Limits(requests_per_minute=1), clock)
    usage.request()
    usage.limits = Limits(requests_per_minute=2)
    usage.request()


def test_what_is_left_is_told_as_realtime_clients_know_it(clock: Clock) -> None:
    meter = Meter(Usage(Limits(messages_per_second=10), clock))
    for _ in range(5):
        meter.message(1)
    assert meter.rate_limits() == [
        {"name": "requests", "limit": 20, "remaining": 15, "reset_seconds": 0.5}
    ]
