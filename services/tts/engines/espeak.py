"""Text that espeak can be given.

espeak-ng copies a dotted abbreviation ("U.S.A."), and the word behind it, into a buffer of 160 bytes without counting:
more than that ends the process.
"""

import re

_ABBREVIATION = re.compile(r"(?:\w\.\W*){9,}")
"""More letters than an abbreviation has; eight of them take 40 bytes at most."""
_END = r"\s,;:?!\u3001\u3002\uff0c\uff01\uff1f\uff1a\uff1b"
_LONG_RUN = re.compile(
    rf"((?:(?![{_END}])[!-\u07ff]){{40}}|(?![!-\u07ff]{{24}})[^{_END}]{{24}})(?=[^{_END}])"
)
"""40 characters of one or two bytes, or 24 of up to four, that no space or punctuation ends: 96 bytes at most."""


def make_digestible(text: str) -> str:
    """The text with the dots of endless abbreviations gone and endless words broken by spaces."""
    text = _ABBREVIATION.sub(lambda found: found[0].replace(".", " "), text)
    return _LONG_RUN.sub(r"\1 ", text)
