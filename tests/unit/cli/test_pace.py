"""A recording is sent in real time."""

import random

from antiphon.cli.pace import Pace


class Time:
    """A clock that only sleeping moves, always a little too far."""

    def __init__(self) -> None:
        self.now = 100.0
        self._random = random.Random(7)

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds + self._random.uniform(0, 0.02)


async def test_being_late_never_adds_up() -> None:
    time = Time()
    pace = Pace(time.clock, time.sleep)
    for frame in range(1, 2_501):
        await pace.until(frame * 0.04)
        late = time.now - 100.0 - frame * 0.04
        assert 0 <= late <= 0.021


async def test_what_is_overdue_is_sent_at_once() -> None:
    time = Time()
    pace = Pace(time.clock, time.sleep)
    time.now += 5.0
    for frame in range(1, 100):
        await pace.until(frame * 0.04)
    assert time.now < 100.0 + 5.0 + 99 * 0.02
