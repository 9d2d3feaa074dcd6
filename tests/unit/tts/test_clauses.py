from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tts.clauses import Clause, ClauseSplitter, Policy

FIRST, LATER = Policy(2, 10), Policy(8, 30)

FRAGMENTS = [
    "a",
    "The",
    "dog",
    "3.",
    "5",
    "1,000",
    "Dr",
    "e.g",
    "and",
    "the",
    "http://x.y/z?q",
    "你好",
    *",.;:!?—…。“”\"'`*_[]()#-😀\n ",
    "  ",
    "\n\n",
    "```",
    "~~~",
    "](",
    "x" * 90,
]
texts = st.lists(st.sampled_from(FRAGMENTS), max_size=120).map("".join) | st.text(
    max_size=200
)


def split(text: str, *cuts: int) -> list[Clause]:
    splitter = ClauseSplitter(FIRST, LATER)
    clauses: list[Clause] = []
    edges = [0, *sorted(cuts), len(text)]
    for start, end in pairwise(edges):
        clauses += splitter.push(text[start:end])
    return [*clauses, *splitter.flush()]


def said(text: str) -> list[str]:
    return [clause.text for clause in split(text)]


@given(texts)
def test_clauses_put_together_are_the_text(text: str) -> None:
    clauses = split(text)
    assert "".join(clause.text for clause in clauses) == text
    assert all(clause.text for clause in clauses)
    position = 0
    for clause in clauses:
        assert clause.start == position
        position = clause.end


@given(texts, st.data())
def test_clauses_do_not_depend_on_how_the_text_was_cut_into_messages(
    text: str, data: st.DataObject
) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=30))
    assert split(text, *cuts) == split(text)


@given(texts)
def test_a_flush_forces_out_all_there_is(text: str) -> None:
    splitter = ClauseSplitter(FIRST, LATER)
    clauses = [*splitter.push(text), *splitter.flush()]
    assert "".join(clause.text for clause in clauses) == text
    assert list(splitter.flush()) == []


def test_the_first_clause_is_given_with_its_comma() -> None:
    splitter = ClauseSplitter(FIRST, LATER)
    assert list(splitter.push("Well then")) == []
    assert [clause.text for clause in splitter.push(",")] == ["Well then,"]


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        ("Of course, it is. Ask me.", ["Of course,", " it is.", " Ask me."]),
        ("Yes. No", ["Yes.", " No"]),
        ("Sure, it is so. Fine.", ["Sure, it is so.", " Fine."]),
        ("It is 3.5 or 1,000 at 10:30. Ok", ["It is 3.5 or 1,000 at 10:30.", " Ok"]),
        ("Ask Dr. Smith or J. Doe. Ok", ["Ask Dr. Smith or J. Doe.", " Ok"]),
        ("Fruit, e.g. apples. Ok", ["Fruit, e.g. apples.", " Ok"]),
        (
            "See https://a.b/c,d?e=f.g now. Ok",
            ["See https://a.b/c,d?e=f.g now.", " Ok"],
        ),
        ("Mail me@b.com, please. Ok", ["Mail me@b.com,", " please.", " Ok"]),
        (
            "See [the page, here](http://x.y, z), ok",
            ["See [the page, here](http://x.y, z),", " ok"],
        ),
        ("Run `a b, c. d` now. Ok", ["Run `a b, c. d` now.", " Ok"]),
        ("1. First. Then", ["1. First.", " Then"]),
        ("# Title\n- one\n- two", ["# Title\n", "- one\n", "- two"]),
        ("你好，我很好。谢谢你。", ["你好，我很好。", "谢谢你。"]),
        ('"Is it so?" she said.', ['"Is it so?', '" she said.']),
    ],
)
def test_splits_where_a_speaker_would_pause(text: str, clauses: list[str]) -> None:
    assert said(text) == clauses


def test_a_first_clause_without_punctuation_ends_at_a_conjunction() -> None:
    text = "I can help you with that but tell me more about it first, please"
    assert said(text)[0] == "I can help you with that"


def test_a_first_clause_without_punctuation_ends_at_its_most_words() -> None:
    assert said("one two three four five six seven eight nine ten eleven twelve")[
        0
    ] == ("one two three four five six seven eight nine ten")


def test_a_clause_does_not_end_with_a_word_that_leans_on_the_next() -> None:
    text = "we went all the way down from here to the river in the sun"
    assert said(text)[0] == "we went all the way down from here to the river"


def test_text_after_the_first_clause_comes_in_longer_clauses() -> None:
    text = "Of course, it is big, it is red, and it is, as you can see, very old."
    assert said(text) == [
        "Of course,",
        " it is big, it is red, and it is,",
        " as you can see, very old.",
    ]


def test_a_block_of_code_is_kept_from_being_said() -> None:
    clauses = split("Look here:\n```python\nprint('a, b. c')\n```\nDone.")
    assert [clause.text for clause in clauses if clause.code] == [
        "```python\n",
        "print('a, b. c')\n```\n",
    ]
    assert [clause.text for clause in clauses if not clause.code] == [
        "Look here:",
        "\n",
        "Done.",
    ]


def test_code_that_is_never_closed_stays_code() -> None:
    assert all(clause.code for clause in split("```\nx = 1. y, z\n" * 1))


def test_text_without_any_place_to_pause_is_cut_at_last() -> None:
    assert [len(clause.text) for clause in split("a" * 1000)] == [400, 400, 200]
