"""Which turns are shown, and how they are summed up."""

import pytest

from antiphon.cli.trace.choice import Choice, Worst, summary
from antiphon.cli.trace.document import Turn
from tests.fakes import turns

SOME = turns.document(
    turns.ahead(1),
    turns.slow(2),
    turns.failed(3, conversation="0ther"),
    turns.bare(4),
).turns


def _numbers(chosen: tuple[Turn, ...]) -> list[int]:
    return [turn.turn for turn in chosen]


@pytest.mark.parametrize(
    ("choice", "numbers"),
    [
        (Choice(), [1, 2, 3, 4]),
        (Choice(slow=True), [2]),
        (Choice(failed=True), [3]),
        (Choice(slow=True, failed=True), [2, 3]),
        (Choice(conversation=turns.CONVERSATION), [1, 2, 4]),
        (Choice(conversation="0t"), [3]),
        (Choice(conversation="0t", slow=True), []),
    ],
)
def test_turns_are_chosen_by_conversation_and_by_what_went_wrong(
    choice: Choice, numbers: list[int]
) -> None:
    assert _numbers(choice.of(SOME)) == numbers
    assert choice.everything == (len(numbers) == len(SOME))


def test_turns_are_summed_up_by_values_that_were_measured() -> None:
    measured = [turns.ahead(number, total=number / 100) for number in range(1, 21)]
    summed = summary(turns.document(*measured, turns.failed(21)).turns)
    assert (summed.turns, summed.failed, summed.measured) == (21, 1, 20)
    assert (summed.p50, summed.p95) == (0.1, 0.19)
    assert summed.within == 20


def test_the_worst_share_is_the_one_that_overran_most_often() -> None:
    summed = summary(SOME)
    assert summed.worst == Worst("llm", 1, 1.1, 0.75)
    assert (summed.measured, summed.within) == (2, 1)


def test_where_nothing_overran_the_worst_share_came_nearest_to_its_budget() -> None:
    summed = summary(turns.document(turns.ahead()).turns)
    assert summed.worst == Worst("endpointing", 0, 0.6, 0.75)


def test_turns_without_a_latency_have_no_percentiles() -> None:
    summed = summary(turns.document(turns.bare()).turns)
    assert (summed.p50, summed.p95, summed.worst, summed.measured) == (
        None,
        None,
        None,
        0,
    )
