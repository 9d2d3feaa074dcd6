r"""Halves of characters: JSON can hold them (``"\ud83d"``), UTF-8, and so a message of the contract, cannot.

A server that cuts its text by UTF-16 units, or by tokens, sends a character such as an emoji in two halves.
"""

_HIGH = ("\ud800", "\udbff")


def whole(text: str) -> str:
    """The text with the halves of a character joined, and U+FFFD for each half that is alone."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class Joiner:
    """Makes text whole that comes in pieces."""

    def __init__(self) -> None:
        self._half = ""

    def push(self, piece: str) -> str:
        """What of the text so far may be passed on now: all but a first half at its end."""
        text = self._half + piece
        cut = len(text)
        if text and _HIGH[0] <= text[-1] <= _HIGH[1]:
            cut -= 1
        self._half = text[cut:]
        return whole(text[:cut])

    def finish(self) -> str:
        """What stands for a first half whose second did not come; mostly nothing."""
        half, self._half = self._half, ""
        return whole(half)
