"""From what a language model writes to what is said: no markup, links by their text, emoji gone, numbers as people say them.

Whatever is rewritten keeps its way back: every spoken word knows which characters of the source it stands for.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import emoji
from markdown_it import MarkdownIt
from markdown_it.helpers import parseLinkDestination, parseLinkTitle
from markdown_it.token import Token

from services.tts.english import REWRITES

_JOINER = "\u2060"
"""Put before text that does not begin a line, so that nothing in it is taken for the beginning of one."""
_PAUSE = ". "
"""Written where a heading or an item of a list ends without punctuation."""
_PAUSE_ENDS = ".!?,;:…。！？"
_MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable("strikethrough")
# Lines below may still be to come: what makes markup of the line above would be decided differently then. Indented
# text in a reply is hardly ever code. `text_join` would hide which characters were escaped.
_MARKDOWN.disable(["lheading", "code", "reference", "html_block", "text_join"])

_URL = re.compile(
    r"(?:https?://|\bwww\.)(?:www\.)?(?P<host>[^\s/:?#]*\w)(?:[/:?#]\S*[\w/=&#%+-])?",
    re.IGNORECASE,
)
_LEFT_OVER = re.compile(
    rf"{_JOINER}|\*+|~~|`+|\^|(?<!\w)_+|_+(?!\w)|(?:^|(?<=\n))#+(?=\s)|[•‣◦▪●]"
)
_TIMES = re.compile(r"(?<=\d) ?[*×] ?(?=\d)")
_BARS = re.compile(r"(?:^|(?<=\s))[ |:-]*\|[ |:-]*|\|")
_LOOSE = re.compile(r"\s+(?=[,.;:!?](?:[\s,.;:!?]|$))|,+(?=\s*[,.;:!?])")
"""Space and commas before punctuation, left by what was taken out."""
_SPACES = re.compile(r"\s+")
_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Word:
    """A word that is said.

    Attributes:
        start: of its characters in the spoken text.
        end: one past the last of them.
        source_start: of the characters of the source that it stands for.
        source_end: one past the last of them; where one stretch of the source is several words, all of it belongs
            to the last.
    """

    start: int
    end: int
    source_start: int
    source_end: int


@dataclass(frozen=True, slots=True)
class Spoken:
    """What is said of a text.

    Attributes:
        text: without markup; empty where there is nothing to say.
        words: in order, without overlap.
    """

    text: str
    words: tuple[Word, ...]


NOTHING = Spoken("", ())


@dataclass(frozen=True, slots=True)
class _Mapped:
    """A text each of whose characters knows the stretch of the source that it comes from."""

    text: str
    starts: Sequence[int]
    ends: Sequence[int]

    def sub(
        self, pattern: re.Pattern[str], rewrite: Callable[[re.Match[str]], str]
    ) -> "_Mapped":
        """Like ``re.sub``; what is written stands for all that it replaces."""
        return self.replace(
            (found.start(), found.end(), rewrite(found))
            for found in pattern.finditer(self.text)
        )

    def replace(self, edits: Iterator[tuple[int, int, str]]) -> "_Mapped":
        """Replace stretches, given in order as start, end and what to write."""
        text, starts, ends, last = "", list[int](), list[int](), 0
        for start, end, written in edits:
            if written == self.text[start:end]:
                continue
            text += self.text[last:start] + written
            starts += [*self.starts[last:start], *[self.starts[start]] * len(written)]
            ends += [*self.ends[last:start], *[self.ends[end - 1]] * len(written)]
            last = end
        return _Mapped(
            text + self.text[last:],
            [*starts, *self.starts[last:]],
            [*ends, *self.ends[last:]],
        )


def make_speakable(text: str, at_line_start: bool, language: str) -> Spoken:
    """What to say for a clause of a reply.

    Args:
        text: the clause, as it was written.
        at_line_start: whether a line begins with it, so that ``#`` or ``-`` may be markup.
        language: BCP 47 tag; numbers and abbreviations are rewritten for English, and left to the engine otherwise.
    """
    mapped = _without_markup(text, at_line_start)
    mapped = mapped.replace(
        (found["match_start"], found["match_end"], " ")
        for found in emoji.emoji_list(mapped.text)
    )
    mapped = mapped.sub(_URL, lambda found: found["host"])
    mapped = mapped.sub(_TIMES, lambda _: " times ")
    mapped = mapped.sub(_LEFT_OVER, lambda _: "")
    mapped = mapped.sub(_BARS, lambda _: ", ")
    if language.partition("-")[0].lower() == "en":
        for pattern, rewrite in REWRITES:
            mapped = mapped.sub(pattern, rewrite)
    mapped = mapped.sub(_LOOSE, lambda _: "")
    mapped = mapped.sub(_SPACES, lambda _: " ")
    if not any(character.isalnum() for character in mapped.text):
        return NOTHING
    return _spoken(mapped)


def _spoken(mapped: _Mapped) -> Spoken:
    first = next(i for i, character in enumerate(mapped.text) if character.isalnum())
    # A sign before the first letter may matter ("-5", "$5"), punctuation does not.
    while first and mapped.text[first - 1] not in " " + _PAUSE_ENDS + ")]}":
        first -= 1
    said = mapped.text[first:].rstrip()
    words: list[Word] = []
    for found in _WORD.finditer(said):
        start, end = found.span()
        words.append(
            Word(
                start,
                end,
                mapped.starts[first + start],
                max(mapped.ends[first + start : first + end]),
            )
        )
    for index in range(len(words) - 2, -1, -1):
        word, following = words[index], words[index + 1]
        if word.source_end > following.source_start:
            words[index] = Word(
                word.start, word.end, word.source_start, following.source_start
            )
    return Spoken(said, tuple(words))


def _without_markup(text: str, at_line_start: bool) -> _Mapped:
    prefix = "" if at_line_start else _JOINER
    source = prefix + text.replace("\0", " ").replace("\r", "\n")
    writer = _Writer(source)
    for token in _MARKDOWN.parse(source):
        writer.block(token)
    if not source.endswith("\n"):
        writer.drop_pause()
    longest = len(text)
    return _Mapped(
        writer.text,
        [min(longest, max(0, start - len(prefix))) for start in writer.starts],
        [min(longest, max(0, end - len(prefix))) for end in writer.ends],
    )


class _Writer:
    """Writes the text of markdown tokens, finding each in the source again.

    Tokens don't tell where in a line they come from; but they come in order, and their text is that of the source.
    """

    def __init__(self, source: str) -> None:
        self.text = ""
        self.starts: list[int] = []
        self.ends: list[int] = []
        self._source = source
        self._cursor = 0
        self._paused = False

    def block(self, token: Token) -> None:
        """Write what is in a token of the block level."""
        if token.type == "inline":
            for child in token.children or []:
                self._inline(child)
            self._paused = self.text.rstrip()[-1:] not in ("", *_PAUSE_ENDS)
            self._add(_PAUSE if self._paused else " ", self._cursor, self._cursor)
        elif token.type == "list_item_open" and token.info:
            self._find(token.info)
            self._add(_PAUSE, self._cursor, self._cursor)
        elif token.type == "fence":
            self._skip(token.content)

    def drop_pause(self) -> None:
        """Take back the full stop that was written where the last block ended: its line goes on."""
        if self._paused:
            kept = len(self.text) - len(_PAUSE)
            self.text = self.text[:kept]
            del self.starts[kept:], self.ends[kept:]

    def _inline(self, token: Token) -> None:
        if token.type in ("text", "code_inline"):
            self._find(token.content)
        elif token.type == "text_special":
            at = self._source.find(token.markup, self._cursor)
            start = at if at >= 0 else self._cursor
            self._cursor = start + len(token.markup) if at >= 0 else start
            self._add(token.content, start, self._cursor)
        elif token.type in ("softbreak", "hardbreak"):
            self._find("\n")
        elif token.type == "image":
            for child in token.children or []:
                self._inline(child)
            self._skip_target()
        elif token.type == "link_close" and token.markup != "autolink":
            self._skip_target()
        elif token.type == "html_inline":
            self._skip(token.content)

    def _find(self, content: str) -> None:
        at = self._source.find(content, self._cursor)
        if at < 0:
            # Only where markdown normalized something, such as line ends inside code.
            self._add(content, self._cursor, self._cursor)
            return
        for offset, character in enumerate(content):
            self._add(character, at + offset, at + offset + 1)
        self._cursor = at + len(content)

    def _skip(self, content: str) -> None:
        at = self._source.find(content, self._cursor)
        if at >= 0:
            self._cursor = at + len(content)

    def _skip_target(self) -> None:
        """Go behind ``](where "title")``, whose words are not said and must not be found."""
        opening = self._source.find("](", self._cursor)
        if opening < 0:
            return
        end = len(self._source)
        position = self._behind_spaces(opening + 2)
        target = parseLinkDestination(self._source, position, end)
        position = self._behind_spaces(target.pos if target.ok else position)
        title = parseLinkTitle(self._source, position, end)
        closing = self._source.find(")", title.pos if title.ok else position)
        self._cursor = closing + 1 if closing >= 0 else position

    def _behind_spaces(self, position: int) -> int:
        while self._source[position : position + 1].isspace():
            position += 1
        return position

    def _add(self, text: str, start: int, end: int) -> None:
        self.text += text
        self.starts += [start] * len(text)
        self.ends += [end] * len(text)
