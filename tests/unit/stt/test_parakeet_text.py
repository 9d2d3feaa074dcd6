"""What becomes of Parakeet's tokens; which languages its models know."""

import sys

import pytest

from services.runtime.errors import FailedPrecondition
from services.stt.engines import AUTO, ENGINES, EngineOptions, Transcript
from services.stt.engines.parakeet_text import Token, languages_of, to_transcript

SILENCE = Transcript("", (), "und", 0.0)


def tokens(*pieces: str) -> list[Token]:
    return [Token(p, 0.2 * n, 0.2 * n + 0.1, 0.5) for n, p in enumerate(pieces)]


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        (["▁Hel", "lo", ",", "▁world", "."], "Hello, world."),
        (["▁so", "▁?"], "so?"),
        (["<unk>", "▁yes", "<EOU>"], "yes"),
        (["▁", "a"], "a"),
        (["lo", "▁there"], "lo there"),
    ],
)
def test_pieces_become_words_with_their_marks(pieces: list[str], text: str) -> None:
    transcript = to_transcript(tokens(*pieces), 9.0, SILENCE)
    assert transcript.text == text
    assert " ".join(word.text for word in transcript.words) == text
    assert transcript.confidence == 0.5


@pytest.mark.parametrize("pieces", [[], ["<unk>"], ["."], ["▁", ","]])
def test_marks_alone_are_no_words(pieces: list[str]) -> None:
    assert to_transcript(tokens(*pieces), 9.0, SILENCE) is SILENCE


def test_a_mark_does_not_lengthen_its_word() -> None:
    heard = [Token("▁yes", 0.4, 0.72, 0.9), Token(".", 2.0, 2.08, 0.9)]
    (word,) = to_transcript(heard, 3.0, SILENCE).words
    assert (word.text, word.start, word.end) == ("yes.", 0.4, 0.72)


def test_the_model_card_says_the_languages() -> None:
    known = languages_of("parakeet-tdt-0.6b-v3")
    assert known[0] == AUTO and len(set(known)) == 26
    assert {"en", "de", "uk", "mt"} < set(known)
    assert languages_of("parakeet-tdt-0.6b-v2") == ("en",)
    assert languages_of("my-parakeet-tdt-0.6b-v3-fine-tuned") == known
    assert languages_of("something-else") == (AUTO,)


def test_a_missing_package_is_named_with_what_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    said = r"package 'torch'.* pip install 'antiphon\[stt-parakeet\]'"
    with pytest.raises(FailedPrecondition, match=said):
        ENGINES["parakeet"](EngineOptions("", "cpu", "auto", 1))
