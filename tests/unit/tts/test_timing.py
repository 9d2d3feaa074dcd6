from hypothesis import given
from hypothesis import strategies as st

from services.tts.engines.timing import place_words

phonemes = st.lists(st.text("abcdefgh", max_size=6), max_size=12)


def test_words_and_groups_that_agree_are_paired() -> None:
    assert place_words(["wʌn", "tuː"], ["wʌn", "tuː"]) == [(0, 1.0), (1, 1.0)]


def test_words_that_are_run_together_share_their_group_by_length() -> None:
    places = place_words(["wʌn", "ʌv", "ðə", "bɛst"], ["wʌn", "ʌvðə", "bɛst"])
    assert places == [(0, 1.0), (1, 0.5), (1, 1.0), (2, 1.0)]


def test_a_word_that_is_taken_apart_ends_with_its_last_group() -> None:
    places = place_words(
        ["ɪts", "θɹiːpɔɪntfaɪv", "naʊ"], ["ɪts", "θɹiː", "pɔɪnt", "faɪv", "naʊ"]
    )
    assert places == [(0, 1.0), (3, 1.0), (4, 1.0)]


def test_one_word_more_and_one_group_more_do_not_shift_the_others() -> None:
    places = place_words(
        ["ʌv", "ðə", "twɛntifɔːɹ", "kæts"], ["ʌvðə", "twɛnti", "fɔːɹ", "kæts"]
    )
    assert [group for group, _ in places] == [0, 0, 2, 3]


def test_a_word_that_is_not_said_ends_with_the_word_before() -> None:
    assert place_words(["", "haɪ", ""], ["haɪ"]) == [(-1, 1.0), (0, 1.0), (0, 1.0)]


@given(phonemes, phonemes.map(lambda groups: [group for group in groups if group]))
def test_every_word_has_a_place_and_places_never_fall(
    words: list[str], groups: list[str]
) -> None:
    places = place_words(words, groups)
    assert len(places) == len(words)
    assert places == sorted(places)
    assert all(-1 <= group < len(groups) for group, _ in places)
