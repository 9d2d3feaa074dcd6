"""Which utterances are computed together: little padding against few calls."""

from collections.abc import Sequence


def group(
    seconds: Sequence[float], fixed: float, most: float, largest: int
) -> list[list[int]]:
    """Divide utterances into batches so that all of them together cost the least.

    A batch costs ``fixed`` plus its longest member times its size: what is shorter is padded. Among utterances sorted
    by length the best batches are neighbours, so a shortest path over the cuts finds them.

    Args:
        seconds: length of each utterance.
        fixed: what a call costs however short it is, in seconds of audio that would cost as much.
        most: padded seconds of one batch, for the sake of memory; a longer utterance goes alone.
        largest: utterances in one batch.

    Returns:
        Indices of each batch's utterances, shorter batches first.
    """
    order = sorted(range(len(seconds)), key=seconds.__getitem__)
    cost = [0.0]
    first: list[int] = []
    for end in range(1, len(order) + 1):
        longest = seconds[order[end - 1]]
        best, begin = float("inf"), end - 1
        for start in range(end - 1, max(-1, end - 1 - largest), -1):
            padded = longest * (end - start)
            if padded > most and end - start > 1:
                break
            if cost[start] + fixed + padded < best:
                best, begin = cost[start] + fixed + padded, start
        cost.append(best)
        first.append(begin)
    batches: list[list[int]] = []
    end = len(order)
    while end:
        batches.append(order[first[end - 1] : end])
        end = first[end - 1]
    return batches[::-1]
