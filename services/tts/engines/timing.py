"""Which word of a text is being said at which phoneme.

A phonemizer that says a whole sentence well runs words together ("of the" becomes one) and takes others apart ("345"
becomes four), and does not tell. So each word is also phonemized alone, and the two are laid against each other.
"""

from collections.abc import Sequence

MOST_GROUPS_OF_A_WORD = 16
"""A long number: "1,234,567" is nine."""
MOST_WORDS_OF_A_GROUP = 4
"""Small words that English runs together: "out of the"."""

Place = tuple[int, float]
"""A group and how much of it has been said when a word ends, in (0, 1]. (-1, 1.0): before the first group."""


def place_words(words: Sequence[str], groups: Sequence[str]) -> list[Place]:
    """Where each word ends in the groups.

    The cheapest way to lay the two against each other, in order: a word is one or more groups, a few words are one
    group; what is paired should be equally long and begin alike.

    Args:
        words: phonemes of each word said alone; empty for a word that is not said.
        groups: phonemes between spaces as they are said together.

    Returns:
        For each word its place; never falling.
    """
    said = [index for index, word in enumerate(words) if word]
    lengths = [len(words[index]) for index in said]
    paths = _cheapest([words[index] for index in said], groups)
    places: list[Place] = []
    word, last = 0, (-1, 1.0)
    for taken_words, taken_groups, group in paths:
        total = sum(lengths[word : word + taken_words])
        passed = 0
        for each in range(word, word + taken_words):
            passed += lengths[each]
            while len(places) < said[each]:
                places.append(last)
            last = (
                (group + taken_groups - 1, passed / total if taken_words > 1 else 1.0)
                if taken_groups
                else last
            )
            places.append(last)
        word += taken_words
    places.extend([last] * (len(words) - len(places)))
    return places


def _cheapest(
    words: Sequence[str], groups: Sequence[str]
) -> list[tuple[int, int, int]]:
    """Steps of the cheapest alignment: words taken, groups taken, first of these groups."""
    word_ends, group_ends = _cumulative(words), _cumulative(groups)
    moves = [(1, many) for many in range(MOST_GROUPS_OF_A_WORD + 1)]
    moves += [(many, 1) for many in range(2, MOST_WORDS_OF_A_GROUP + 1)] + [(0, 1)]
    best = [[float("inf")] * (len(groups) + 1) for _ in range(len(words) + 1)]
    came = [[(0, 0)] * (len(groups) + 1) for _ in range(len(words) + 1)]
    best[0][0] = 0.0
    for w in range(len(words) + 1):
        for g in range(len(groups) + 1):
            here = best[w][g]
            if here == float("inf"):
                continue
            for move in moves:
                to_w, to_g = w + move[0], g + move[1]
                if to_w > len(words) or to_g > len(groups):
                    continue
                excess = (group_ends[to_g] - group_ends[g]) - (
                    word_ends[to_w] - word_ends[w]
                )
                cost = here + abs(excess)
                if move[0] and move[1]:
                    cost += words[w][0] != groups[g][0]
                else:
                    cost += 1
                if cost < best[to_w][to_g]:
                    best[to_w][to_g], came[to_w][to_g] = cost, move
    steps: list[tuple[int, int, int]] = []
    w, g = len(words), len(groups)
    while w or g:
        move = came[w][g]
        w, g = w - move[0], g - move[1]
        steps.append((*move, g))
    return steps[::-1]


def _cumulative(parts: Sequence[str]) -> list[int]:
    sums = [0]
    for part in parts:
        sums.append(sums[-1] + len(part))
    return sums
