"""Transcripts joined, and what of a growing one is stable."""

import pytest

from services.stt.engines import AUTO, UNDETERMINED, Transcript, Word
from services.stt.transcripts import Part, join, stable_characters


def heard(text: str, language: str = "en", confidence: float = 1.0) -> Transcript:
    words = tuple(
        Word(word, float(number), number + 0.5, 1.0)
        for number, word in enumerate(text.split())
    )
    return Transcript(text, words, language, confidence)


def test_joined_words_are_on_the_utterances_clock() -> None:
    joined = join([Part(0.0, heard("a b")), Part(10.0, heard("c"))], "en")
    assert joined.text == "a b c"
    assert [word.start for word in joined.words] == [0.0, 1.0, 10.0]


def test_the_part_with_most_text_says_the_language() -> None:
    parts = [Part(0.0, heard("ja", "de")), Part(9.0, heard("ich weiß nicht", "nl"))]
    assert join(parts, AUTO).language == "nl"


def test_languages_without_spaces_are_joined_without() -> None:
    parts = [Part(0.0, heard("こん", "ja")), Part(9.0, heard("にちは", "ja"))]
    assert join(parts, "ja").text == "こんにちは"


def test_confidence_counts_characters_and_leaves_silence_out() -> None:
    parts = [
        Part(0.0, heard("abc", confidence=0.9)),
        Part(1.0, heard("", confidence=0.0)),
        Part(2.0, heard("d", confidence=0.5)),
    ]
    assert join(parts, "en").confidence == pytest.approx(0.8)


def test_nothing_heard_has_the_language_asked_for_or_none() -> None:
    assert join([Part(0.0, heard("", "fr"))], "fr").language == "fr"
    assert join([Part(0.0, heard("", "fr"))], AUTO).language == UNDETERMINED
    assert join([], "en").text == ""


@pytest.mark.parametrize(
    ("previous", "current", "stable"),
    [
        ("", "And so", ""),
        ("And so", "And so my", "And so"),
        ("And so...", "And so my", "And"),
        ("And  so", "And so", "And so"),
        ("And so", "Ant so", ""),
        ("And so my", "And so", "And so"),
    ],
)
def test_words_of_two_hypotheses_that_agree_are_stable(
    previous: str, current: str, stable: str
) -> None:
    assert current[: stable_characters(previous, heard(current))] == stable


def test_characters_agree_where_there_are_no_spaces() -> None:
    assert stable_characters("私は何", heard("私は彼を", "ja")) == 2
