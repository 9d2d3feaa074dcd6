"""Loops are seen, and tokens become words with times."""

import numpy as np
import pytest

from services.stt.engines import Word
from services.stt.engines.whisper_text import collapse_loop, is_suspicious, trim
from services.stt.engines.words import TimedPiece, to_words


@pytest.mark.parametrize(
    "text",
    [
        "No. No.",
        "No. No. No.",
        "What? What?",
        "Go on. Go on.",
        "I said thank you. Thank you. Thank you. Thank you.",
    ],
)
def test_loops_are_suspicious(text: str) -> None:
    assert is_suspicious(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "No.",
        "That that is is.",
        "I had had enough, and and",
        "ask not what your country can do for you, ask what you can do for your country",
    ],
)
def test_speech_is_not(text: str) -> None:
    assert not is_suspicious(text)


def test_a_collapsed_loop_is_said_once() -> None:
    assert collapse_loop("well I think I think I think I think so") == "well I think so"


def test_a_loop_without_spaces_is_collapsed_too() -> None:
    assert collapse_loop("私は何をしている、何をしている、何をしている、何を") == (
        "私は何をしている、何を"
    )


def pieces(*texts: str) -> list[TimedPiece]:
    return [
        TimedPiece(text, float(at), at + 1.0, 0.5 + at / 100)
        for at, text in enumerate(texts)
    ]


def test_words_are_the_text_and_punctuation_takes_no_time() -> None:
    words = to_words(
        pieces(" Amer", "icans", ".", " It", "'", "s", " $", "5"), 9.0, True
    )
    assert [word.text for word in words] == ["Americans.", "It's", "$5"]
    assert [(word.start, word.end) for word in words] == [(0, 2), (3, 6), (7, 8)]


def test_times_rise_and_stay_inside_the_utterance() -> None:
    jumbled = [TimedPiece(" a", 2.0, 1.0, 1.0), TimedPiece(" b", 0.0, 9.0, 1.0)]
    words = to_words(jumbled, 3.0, True)
    assert [(word.start, word.end) for word in words] == [(2.0, 2.0), (2.0, 3.0)]


def test_without_spaces_every_character_is_a_word() -> None:
    words = to_words(pieces("私", "は", "。", "何"), 9.0, False)
    assert [word.text for word in words] == ["私", "は。", "何"]


def test_pauses_are_taken_off_words() -> None:
    loud = np.array([False, True, True, False, False, False, True, False, False, False])
    words = (Word("a", 0.0, 0.3, 1.0), Word("b", 0.3, 1.0, 1.0))
    assert [(word.start, word.end) for word in trim(words, loud, 0.1)] == [
        pytest.approx((0.1, 0.3)),
        pytest.approx((0.6, 0.7)),
    ]


def test_of_a_word_that_a_pause_divides_the_longest_piece_is_kept() -> None:
    loud = np.zeros(100, np.bool_)
    loud[[10, 11, *range(60, 80), *range(84, 95)]] = True
    (word,) = trim((Word("ask", 0.2, 2.0, 1.0),), loud, 0.02)
    assert (word.start, word.end) == pytest.approx((1.2, 1.9))


def test_a_word_without_a_loud_frame_stays_as_it_is() -> None:
    words = (Word("a", 0.0, 0.3, 1.0),)
    assert trim(words, np.zeros(10, np.bool_), 0.1) == words
