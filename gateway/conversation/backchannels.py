"""What people say while they listen, and mean nothing by but "go on"."""

import re

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")

_PHRASES = (
    ("i", "see"), ("got", "it"), ("of", "course"), ("all", "right"), ("thank", "you"), ("go", "on"), ("uh", "huh"),
    ("mm", "hmm"), ("that's", "right"), ("that's", "true"), ("that's", "great"), ("that's", "good"), ("that's", "nice"),
    ("oh", "really"), ("is", "it"), ("no", "way"), ("me", "too"), ("my", "god"), ("my", "goodness"),
)  # fmt: skip

_LISTENING = (
    "mm mmm mhm mmhm mmhmm hm hmm hmmm huh uh um umm er erm ah aha aah oh ooh yeah yea yep yup yes ya ok okay k right "
    "sure true exactly indeed absolutely totally cool nice great good wow alright really interesting thanks you ha haha "
    "bye"
)
"""With what recognizers make of breath and noise: "you" and "bye"."""

_WORDS = frozenset(_LISTENING.split())

_BEGINNINGS = _WORDS | {first for first, _ in _PHRASES}

_HUM = re.compile("[hmnu]+")
"""What is hummed; recognizers spell it as they like."""

_LONGEST = 4
"""Words; whoever says more says something."""


def says_something(text: str, so_far: bool = False) -> bool:
    """Whether a transcript holds more than backchannels; English, other languages count as words.

    Args:
        text: the transcript.
        so_far: more may follow: an "I" at its end may become "I see", and "mm-h" is "mm-hmm" cut in two.
    """
    words = [word.lower().replace("’", "'") for word in _WORD.findall(text)]
    if len(words) > _LONGEST:
        return True
    index = 0
    while index < len(words):
        if tuple(words[index : index + 2]) in _PHRASES:
            index += 2
        elif (
            _HUM.fullmatch(words[index])
            or words[index] in _WORDS
            or (so_far and _may_become(words[index:]))
        ):
            index += 1
        else:
            return True
    return False


def _may_become(rest: list[str]) -> bool:
    """Whether these last words are the beginning of a backchannel."""
    return len(rest) == 1 and any(word.startswith(rest[0]) for word in _BEGINNINGS)
