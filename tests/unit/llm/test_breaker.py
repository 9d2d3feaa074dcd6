"""When an upstream is left alone, and how it comes back; on a clock of the test's own."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.llm.breaker import Circuit, Permit, State
from services.llm.policies import CircuitSettings
from services.llm.upstreams import Outcome, UpstreamFailure
from services.runtime.errors import (
    DeadlineExceeded,
    FailedPrecondition,
    Full,
    InvalidArgument,
    Unavailable,
)

BOOM = UpstreamFailure(Outcome.UPSTREAM_ERROR, Unavailable("boom"))
SILENT = UpstreamFailure(Outcome.TIMEOUT, DeadlineExceeded("silent"))
NO_KEY = UpstreamFailure(Outcome.UNAUTHORIZED, FailedPrecondition("key"))
CALLERS = UpstreamFailure(
    Outcome.BAD_REQUEST, InvalidArgument("", "no"), elsewhere=False, blamed=False
)
SETTINGS = CircuitSettings(
    failures=3, window=10, share=0.5, rest=1, longest_rest=5, mend_rest=300, fair_wait=1
)


def limited(seconds: float) -> UpstreamFailure:
    return UpstreamFailure(Outcome.RATE_LIMITED, Full("slow", seconds))


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def circuit(clock: Clock) -> Circuit:
    return Circuit(SETTINGS, clock)


def asked(circuit: Circuit) -> Permit:
    permit = circuit.ask()
    assert permit is not None
    return permit


def fail(circuit: Circuit, failure: UpstreamFailure = BOOM, times: int = 1) -> None:
    for _ in range(times):
        circuit.failed(asked(circuit), failure)


def succeed(circuit: Circuit) -> None:
    permit = asked(circuit)
    circuit.answered(permit)
    circuit.succeeded(permit)


def test_it_opens_after_so_many_failures_in_a_row(circuit: Circuit) -> None:
    fail(circuit, times=2)
    succeed(circuit)
    fail(circuit, times=2)
    assert circuit.state is State.CLOSED
    fail(circuit)
    assert (circuit.state, circuit.rest, circuit.why) == (State.OPEN, 1, BOOM)
    assert circuit.ask() is None


def test_it_opens_when_half_of_the_latest_tries_failed(circuit: Circuit) -> None:
    for _ in range(4):
        fail(circuit)
        succeed(circuit)
    fail(circuit)
    assert circuit.state is State.CLOSED
    succeed(circuit)
    fail(circuit)
    assert circuit.state is State.OPEN


def test_a_reply_that_begins_and_breaks_off_is_a_failure(circuit: Circuit) -> None:
    for _ in range(3):
        permit = asked(circuit)
        circuit.answered(permit)
        circuit.failed(permit, BOOM)
    assert circuit.state is State.OPEN


def test_after_the_rest_there_is_one_probe_at_a_time(
    circuit: Circuit, clock: Clock
) -> None:
    fail(circuit, times=3)
    clock.now = 0.999
    assert circuit.ask() is None
    clock.now = 1
    probe = asked(circuit)
    assert (probe.probe, circuit.state) == (True, State.HALF_OPEN)
    assert circuit.ask() is None
    circuit.answered(probe)
    assert circuit.state is State.CLOSED
    assert not asked(circuit).probe


def test_rests_grow_with_each_probe_that_fails_and_are_short_again_after_a_reply(
    circuit: Circuit, clock: Clock
) -> None:
    fail(circuit, times=3)
    rests = []
    for _ in range(5):
        rests.append(circuit.rest)
        clock.now += circuit.rest
        fail(circuit)
    assert rests == [1, 2, 4, 5, 5]
    clock.now += circuit.rest
    succeed(circuit)
    fail(circuit, times=3)
    assert circuit.rest == 1


def test_a_probe_that_nobody_wants_any_more_leaves_the_next_one_to_find_out(
    circuit: Circuit, clock: Clock
) -> None:
    fail(circuit, times=3)
    clock.now = 1
    circuit.dropped(asked(circuit))
    assert circuit.state is State.OPEN
    assert asked(circuit).probe


def test_a_probe_of_an_earlier_rest_that_is_dropped_lets_no_second_one_in(
    circuit: Circuit, clock: Clock
) -> None:
    fail(circuit, times=3)
    clock.now = 1
    earlier = asked(circuit)
    forced = circuit.ask(force=True)
    assert forced is not None
    circuit.answered(forced)
    fail(circuit, times=3)
    clock.now += circuit.rest
    assert asked(circuit).probe
    circuit.dropped(earlier)
    assert circuit.ask() is None


def test_a_rate_limit_rests_it_at_once_for_as_long_as_asked(
    circuit: Circuit, clock: Clock
) -> None:
    fail(circuit, limited(7))
    assert circuit.rest == 7
    clock.now = 7
    fail(circuit, limited(0.5))
    assert circuit.rest == 2, "a probe that is refused again rests at least twice that"


def test_what_somebody_has_to_mend_rests_it_long(circuit: Circuit) -> None:
    fail(circuit, NO_KEY)
    assert circuit.rest == 300


@pytest.mark.parametrize(
    ("failure", "forced"), [(BOOM, True), (NO_KEY, True), (limited(7), False)]
)
def test_a_rest_may_be_broken_unless_the_upstream_itself_asked_for_it(
    circuit: Circuit, failure: UpstreamFailure, forced: bool
) -> None:
    while circuit.state is State.CLOSED:
        fail(circuit, failure)
    assert circuit.may_be_forced is forced


def test_one_that_no_longer_rests_may_be_asked_whatever_it_rested_for(
    circuit: Circuit, clock: Clock
) -> None:
    fail(circuit, limited(7))
    assert not circuit.may_be_forced
    clock.now = 7
    assert circuit.may_be_forced


def test_a_forced_try_closes_it_if_it_works_and_changes_nothing_if_not(
    circuit: Circuit,
) -> None:
    fail(circuit, times=3)
    for verdict in (circuit.failed, None):
        permit = circuit.ask(force=True)
        assert permit is not None
        if verdict:
            verdict(permit, BOOM)
            assert (circuit.state, circuit.rest) == (State.OPEN, 1)
        else:
            circuit.answered(permit)
            assert circuit.state is State.CLOSED


def test_the_callers_faults_and_the_callers_hurry_say_nothing(circuit: Circuit) -> None:
    fail(circuit, CALLERS, times=9)
    for _ in range(9):
        circuit.failed(asked(circuit), SILENT, silent=0.9)
    assert circuit.state is State.CLOSED
    for _ in range(3):
        circuit.failed(asked(circuit), SILENT, silent=1.0)
    assert circuit.state is State.OPEN


def test_verdicts_from_before_it_opened_are_no_news(
    circuit: Circuit, clock: Clock
) -> None:
    old = [asked(circuit) for _ in range(9)]
    fail(circuit, times=3)
    circuit.answered(old[0])
    circuit.succeeded(old[0])
    assert circuit.state is State.OPEN
    clock.now = 1
    succeed(circuit)
    for permit in old[1:]:
        circuit.failed(permit, BOOM)
    assert circuit.state is State.CLOSED


def test_each_new_state_is_told_with_the_failure_behind_it(clock: Clock) -> None:
    told: list[tuple[State, UpstreamFailure | None]] = []
    circuit = Circuit(SETTINGS, clock, lambda *news: told.append(news))
    fail(circuit, times=3)
    clock.now = 1
    circuit.dropped(asked(circuit))
    succeed(circuit)
    assert told == [
        (State.OPEN, BOOM),
        (State.HALF_OPEN, None),
        (State.OPEN, None),
        (State.HALF_OPEN, None),
        (State.CLOSED, None),
    ]


@given(st.lists(st.tuples(st.sampled_from("asfdl"), st.floats(0, 400))))
def test_it_never_stays_shut_for_ever(steps: list[tuple[str, float]]) -> None:
    clock = Clock()
    circuit = Circuit(SETTINGS, clock)
    open_permits: list[Permit] = []
    for action, seconds in steps:
        clock.now += seconds
        if action == "a":
            permit = circuit.ask()
            open_permits += [permit] if permit else []
        elif open_permits:
            permit = open_permits.pop()
            if action == "s":
                circuit.answered(permit)
                circuit.succeeded(permit)
            elif action == "d":
                circuit.dropped(permit)
            else:
                circuit.failed(permit, BOOM if action == "f" else limited(seconds))
    for permit in open_permits:
        circuit.dropped(permit)
    clock.now += 400
    assert circuit.ask() is not None
