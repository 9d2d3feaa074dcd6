"""Where to split a text that is still being written into clauses to speak.

Whether there is a boundary is decided only from text that will not change any more, candidate after candidate from the
left. So the clauses do not depend on how the text was cut into messages, and put together they are the text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

MOST_CHARACTERS = 400
"""A clause is cut here at last, also inside a word, and a bracket or backtick that is open for longer stands for itself."""
MOST_CODE_CHARACTERS = 2_000
"""A block of code goes on line by line after this many."""

_OPENING_LINE = 200
"""Characters of a line within which it must show that it opens a block of code."""


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


_SENTENCE_ENDS = ".?!…。？！"
_CLAUSE_ENDS = ",;:—、，；："
_CLOSING = "\"')]}*_~”’»" + _SENTENCE_ENDS
_MOST_CLOSING = 8
_NEEDS_NO_SPACE = "—…。？！、，；："
"""Behind these a new word may follow at once; the others stand inside numbers and addresses too."""
_ABBREVIATIONS = _words(
    "dr mr mrs ms prof st vs etc approx jr sr inc ltd co dept gen sen rep rev capt lt sgt jan feb apr aug sep sept oct "
    "nov dec ca bzw usw"
)
_CONJUNCTIONS = _words(
    "and but or so because which that when where while if although though unless until who"
)
"""A clause often begins here."""
_LEANING = _words(
    "a an the of to in on at by for from with and or but as is are was were be my your his her its our their this "
    "that these those which who not very"
)
"""Words that lean on the next one, so that a pause behind them sounds wrong."""
_MOST_LEANING = 5
"""Words by which a clause may grow over its most for their sake."""
_WORD = re.compile(r"[^\W_]+(?:[’'-][^\W_]+)*")
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
"""Characters of scripts that put no spaces between words; two of them are taken for a word."""
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_ADDRESS = re.compile(r"://|www\.|@")
_DOTTED = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")
"""An initial, or initials: J., e.g., U.S."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How long clauses are, in words.

    Attributes:
        enough: from here on a comma or a conjunction ends the clause.
        most: here the clause ends without any of them, at a word that does not lean on the next.
    """

    enough: int
    most: int


@dataclass(frozen=True, slots=True)
class Clause:
    """A stretch of the text to be spoken in one breath.

    Attributes:
        start: its first character, counted over all text.
        text: the characters.
        at_line_start: whether a line of the text begins here, so that ``#`` or ``-`` may be markup.
        code: whether it is part of a block of code, which nobody wants to hear.
    """

    start: int
    text: str
    at_line_start: bool
    code: bool = False

    @property
    def end(self) -> int:
        """One past its last character."""
        return self.start + len(self.text)


class ClauseSplitter:
    """Takes text in pieces, gives clauses as soon as they are sure."""

    def __init__(self, first: Policy, later: Policy) -> None:
        self._policy = first
        self._later = later
        self._text = ""
        self._start = 0
        self._at_line_start = True
        self._fence = ""

    def push(self, text: str) -> Iterator[Clause]:
        """The clauses that are sure with this text; read it to the end before pushing more."""
        self._text += text
        while self._text and (clause := self._next()):
            yield clause

    def flush(self) -> Iterator[Clause]:
        """All clauses, the last one whether it is complete or not."""
        yield from self.push("")
        if self._text:
            opens = self._at_line_start and _FENCE.match(self._text)
            yield self._take(len(self._text), code=bool(self._fence or opens))

    def _take(self, end: int, code: bool = False) -> Clause:
        text, self._text = self._text[:end], self._text[end:]
        clause = Clause(self._start, text, self._at_line_start, code)
        if not code and _WORD.search(text):
            self._policy = self._later
        self._start += end
        self._at_line_start = text.endswith("\n")
        return clause

    def _next(self) -> Clause | None:
        if self._fence:
            return self._code()
        if self._at_line_start:
            fence = self._fence_at(0)
            if fence is None:
                return None
            if fence:
                self._fence = fence
                return self._take(self._text.index("\n") + 1, code=True)
        end = self._boundary()
        return self._take(end) if end else None

    def _fence_at(self, position: int) -> str | None:
        """What opens a block of code on the line that begins here; empty: nothing does; None: not sure yet."""
        line, newline, _ = self._text[position : position + _OPENING_LINE].partition(
            "\n"
        )
        found = _FENCE.match(line)
        whole = bool(newline) or len(line) == _OPENING_LINE
        if found is None:
            return "" if whole or len(line) > 6 or line.strip(" `~") else None
        if found[1][0] == "`" and "`" in line[found.end() :]:
            return ""
        if not whole:
            return None
        return found[1] if newline else ""

    def _code(self) -> Clause | None:
        """Code up to the line that closes it, or what there are of whole lines once they are many."""
        position = 0
        while newline := self._text.find("\n", position, MOST_CODE_CHARACTERS) + 1:
            line = self._text[position:newline]
            position = newline
            if line.strip().startswith(self._fence) and not line.strip().strip(
                self._fence[0]
            ):
                self._fence = ""
                return self._take(position, code=True)
        if len(self._text) < MOST_CODE_CHARACTERS:
            return None
        return self._take(position or MOST_CODE_CHARACTERS, code=True)

    def _boundary(self) -> int:
        """One past the end of the next clause; 0 where that is not sure yet."""
        text, words, position = self._text, 0, 0
        while position < len(text):
            if position >= MOST_CHARACTERS:
                return position
            if protected := self._protected(position):
                if protected < 0:
                    return 0
                words += sum(map(_weight, _WORD.findall(text, position, protected)))
                position = protected
                continue
            character = text[position]
            if character == "\n" and words:
                return position + 1
            if character == "\n":
                fence = self._fence_at(position + 1)
                if fence is None:
                    return 0
                if fence:
                    return position + 1
            if word := _WORD.match(text, position):
                if word.end() == len(text) and len(text) < MOST_CHARACTERS:
                    return 0
                words += _weight(word[0])
                position = min(word.end(), MOST_CHARACTERS)
                continue
            end = self._ends_here(position, words)
            if end < 0:
                return 0
            if end:
                return end
            position += 1
        return 0

    def _ends_here(self, position: int, words: int) -> int:
        """One past the end of the clause, if it ends with this character; 0: it does not; -1: not sure yet."""
        character = self._text[position]
        if character.isspace():
            return self._ends_before_space(position, words)
        if character in _SENTENCE_ENDS:
            enough = words >= 1 and not self._is_abbreviation(position)
        else:
            enough = character in _CLAUSE_ENDS and words >= self._policy.enough
        if not enough:
            return 0
        if character in _NEEDS_NO_SPACE:
            return position + 1
        spaced = self._text[:position].split()
        if (
            character in ",;?!"
            and self._text[position - 1].isalpha()
            and not _ADDRESS.search(spaced[-1])
        ):
            return position + 1
        end, most = position + 1, position + 1 + _MOST_CLOSING
        while end < min(len(self._text), most) and self._text[end] in _CLOSING:
            end += 1
        if end == len(self._text):
            return -1
        return end if self._text[end].isspace() else 0

    def _ends_before_space(self, position: int, words: int) -> int:
        if words < self._policy.enough:
            return 0
        last = self._text[:position].split()[-1].lower()
        if words >= self._policy.most:
            most_leaning = self._policy.most + _MOST_LEANING
            return 0 if last in _LEANING and words < most_leaning else position
        early = words < (self._policy.enough + self._policy.most) // 2
        if early or last in _CONJUNCTIONS - {"that"}:
            return 0
        following = _WORD.match(self._text, position + 1)
        if following is None:
            return 0 if position + 1 < len(self._text) else -1
        if following.end() == len(self._text):
            return -1
        return position if following[0].lower() in _CONJUNCTIONS else 0

    def _is_abbreviation(self, position: int) -> bool:
        if self._text[position] != ".":
            return False
        line = self._text[:position].rsplit("\n", 1)
        begins_line = len(line) == 2 or self._at_line_start
        word = re.split(r"[\s(\[\"'“‘/-]", line[-1])[-1].strip("*_").lower()
        if begins_line and line[-1].strip().isdigit():
            return True
        return word in _ABBREVIATIONS or bool(_DOTTED.fullmatch(word))

    def _protected(self, position: int) -> int:
        """One past a code span or link that begins here; 0: none does; -1: not sure yet."""
        text = self._text
        limit = min(len(text), position + MOST_CHARACTERS)
        paragraph = text.find("\n\n", position, limit)
        stop = limit if paragraph < 0 else paragraph
        open_ended = stop == len(text)
        if text[position] == "`":
            run = re.compile("`+").match(text, position)
            assert run is not None
            if run.end() == len(text):
                return -1
            closing = re.compile(rf"(?<!`){run[0]}(?!`)").search(text, run.end(), stop)
            if closing and closing.end() < len(text):
                return closing.end()
            return -1 if open_ended else 0
        if text[position] == "[":
            bracket = text.find("]", position, stop)
            if bracket < 0:
                return -1 if open_ended else 0
            if bracket + 1 == len(text):
                return -1
            if text[bracket + 1] != "(":
                return 0
            closing_at = text.find(")", bracket, stop)
            if closing_at < 0:
                return -1 if open_ended else 0
            return closing_at + 1
        return 0


def _weight(word: str) -> int:
    """For how many words it counts."""
    return max(1, len(_UNSPACED.findall(word)) // 2)
