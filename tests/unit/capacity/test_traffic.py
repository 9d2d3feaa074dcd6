"""How many replicas chance asks for."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.capacity.traffic import LOST, TRIES, Kind, loss, places, replicas


def erlang_b(load: float, places: int) -> float:
    """By the textbook's sum, not by its recursion."""
    terms = [load**n / math.factorial(n) for n in range(places + 1)]
    return terms[-1] / sum(terms)


@pytest.mark.parametrize(("load", "places"), [(1.0, 2), (3.0, 4), (5.0, 8), (12.0, 16)])
def test_one_replica_before_very_many_people_is_erlangs_loss_formula(
    load: float, places: int
) -> None:
    people = 1_000_000
    assert loss(people, load / people, places, 1) == pytest.approx(
        erlang_b(load, places), rel=1e-4
    )


def test_a_few_people_are_engsets() -> None:
    """Three people, two places, each busy half of the time: both places are taken by the two others in a quarter of it."""
    assert loss(3, 0.5, 2, 1) == pytest.approx(0.25)


@pytest.mark.parametrize("load", [0.5, 0.9, 1.0, 1.5])
def test_a_shared_processor_is_a_queue_of_as_many_places(load: float) -> None:
    """The textbook's M/M/1/c: all states weigh the load to the power of how many are there."""
    places = 6
    weights = [load**n for n in range(places + 1)]
    assert loss(10**6, load * places / 10**6, places, 1, Kind.SHARED) == pytest.approx(
        weights[-1] / sum(weights)
    )


def test_who_has_a_place_for_everybody_loses_nobody() -> None:
    assert loss(8, 1.0, 8, 1) == 0
    assert replicas(8, 1.0, 8) == 1


def test_more_people_who_always_talk_than_there_are_places_are_lost() -> None:
    assert loss(9, 1.0, 8, 1) == 1


@settings(deadline=None)
@given(
    people=st.integers(1, 3000),
    share=st.floats(0.01, 1.0),
    carried=st.integers(1, 64),
    kind=st.sampled_from(Kind),
)
def test_the_answer_is_enough_and_one_less_is_not(
    people: int, share: float, carried: int, kind: Kind
) -> None:
    count = replicas(people, share, carried, kind)
    assert loss(people, share, carried, count, kind) <= LOST
    assert count == 1 or loss(people, share, carried, count - 1, kind) > LOST
    assert count * carried >= people * share


@settings(deadline=None)
@given(
    people=st.integers(2, 2000),
    share=st.floats(0.05, 0.9),
    carried=st.integers(1, 32),
    kind=st.sampled_from(Kind),
)
def test_more_to_do_never_needs_fewer_replicas(
    people: int, share: float, carried: int, kind: Kind
) -> None:
    count = replicas(people, share, carried, kind)
    assert replicas(people * 2, share, carried, kind) >= count
    assert replicas(people, share / 2, carried, kind) <= count
    assert replicas(people, share, carried * 2, kind) <= count


def test_large_replicas_may_be_fuller_than_small_ones() -> None:
    """Chance evens out where many share the places: the reason for few large replicas."""
    filled = [
        1000 * 0.3 / (replicas(1000, 0.3, carried) * carried) for carried in (2, 8, 32)
    ]
    assert filled == sorted(filled)


def test_a_hundred_thousand_are_counted_without_overflow() -> None:
    count = replicas(100_000, 0.6, 6)
    assert 60_000 / 6 < count < 60_000


def test_a_replica_that_carries_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="carries nothing"):
        replicas(10, 0.5, 0)


def test_no_more_are_lost_than_promised_when_people_talk_at_random() -> None:
    """Played out: people who talk and are silent at random, and a gateway that asks three replicas in a row."""
    people, share, carried = 60, 0.3, 4
    count = replicas(people, share, carried)
    chance = random.Random(7)
    free = [carried] * count
    holds: list[int | None] = [None] * people
    asked = lost = 0
    for _ in range(400_000):
        person = chance.randrange(people)
        held = holds[person]
        if held is not None:
            if chance.random() < 1 - share:
                free[held] += 1
                holds[person] = None
        elif chance.random() < share:
            asked += 1
            tried = chance.sample(range(count), min(TRIES, count))
            place = next((each for each in tried if free[each]), None)
            if place is None:
                lost += 1
            else:
                free[place] -= 1
                holds[person] = place
    assert asked > 50_000
    assert lost / asked <= LOST


def test_no_more_are_lost_than_promised_of_a_shared_processor() -> None:
    """Played out by events: answers of any length, each replica's processor shared by those that it makes."""
    people, share, carried = 80, 0.4, 4
    count = replicas(people, share, carried, Kind.SHARED)
    chance = random.Random(11)
    # One second of answer is a second to its listener, and 1 / carried of a second of a processor.
    length, silence = 8.0, 8.0 * (1 - share) / share
    replicas_work: list[dict[int, float]] = [{} for _ in range(count)]
    wakes = [chance.expovariate(1 / silence) for _ in range(people)]
    asked = lost = 0
    now = 0.0
    while asked < 40_000:
        person = min(range(people), key=wakes.__getitem__)
        elapsed, now = wakes[person] - now, wakes[person]
        for work in replicas_work:
            _share_out(work, elapsed)
        asked += 1
        heard = chance.expovariate(1 / length)
        tried = chance.sample(range(count), min(TRIES, count))
        place = next(
            (each for each in tried if len(replicas_work[each]) < carried), None
        )
        if place is None:
            lost += 1
        else:
            replicas_work[place][asked] = heard / carried
        wakes[person] = now + heard + chance.expovariate(1 / silence)
    assert lost / asked <= LOST


def _share_out(work: dict[int, float], seconds: float) -> None:
    """Let a processor work for so long, at all that it has in equal shares."""
    while work and seconds > 0:
        step = min(min(work.values()), seconds / len(work))
        seconds -= step * len(work)
        for key in list(work):
            work[key] -= step
            if work[key] <= 1e-12:
                del work[key]


@pytest.mark.parametrize("streams", [0.1, 1.0, 16.6, 300.0])
def test_places_are_enough_and_one_less_is_not(streams: float) -> None:
    count = places(streams)
    people = 10**7
    assert loss(people, streams / people, count, 1) <= LOST
    assert loss(people, streams / people, count - 1, 1) > LOST
