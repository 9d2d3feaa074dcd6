"""How long a pause has to be, and what people say that means nothing."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.conversation.backchannels import says_something
from gateway.conversation.endpointing import WAITS, Patience, likelihood
from gateway.conversation.values import (
    Eagerness,
    Endpointing,
    Transcript,
    TurnTaking,
)

probabilities = st.floats(0.0, 1.0)
factual = st.sampled_from(
    [e for e in Eagerness if e is not Eagerness.AUTO],
)


def predicted(eagerness: Eagerness = Eagerness.MEDIUM, **waits: float) -> TurnTaking:
    shortest, longest = WAITS[eagerness]
    return TurnTaking(
        endpointing=Endpointing.PREDICTED,
        eagerness=eagerness,
        **{"min_wait": shortest, "max_wait": longest, **waits},
    )


def odds(text: str, language: str = "en") -> float:
    """What a transcript says alone, beside a sound that says nothing."""
    likely = likelihood(0.5, Transcript(text, language=language))
    assert likely is not None
    return likely


# --- how likely the user is done --------------------------------------------------------------------------


def test_nobody_who_votes_is_nobody_who_knows() -> None:
    assert likelihood(None, None) is None


def test_a_sound_alone_leans_towards_an_end_and_never_settles_it() -> None:
    heard = [likelihood(sound, None) for sound in (0.0, 0.5, 1.0)]
    assert heard == pytest.approx([0.34, 0.62, 0.84], abs=0.01)


@given(probabilities, probabilities, st.text(max_size=30))
def test_the_surer_the_sound_the_likelier_the_end(
    one: float, other: float, text: str
) -> None:
    less, more = sorted((one, other))
    lower = likelihood(less, Transcript(text))
    higher = likelihood(more, Transcript(text))
    assert lower is not None and higher is not None
    assert 0 < lower <= higher < 1


@pytest.mark.parametrize(
    "text",
    [
        "I would like to go to", "I want a", "My name is", "Because", "We should, um", "It's", "I'm",
        "I was thinking that maybe we could", "So when I got there I saw the.", "I think that’s", "AND",
        "I would like to (um)", "He said \"the\"",
    ],
)  # fmt: skip
def test_words_that_lead_on_outweigh_a_sound_that_seems_finished(text: str) -> None:
    assert odds(text) < 0.1
    sure = likelihood(1.0, Transcript(text))
    finished = likelihood(1.0, Transcript("Fine."))
    assert sure is not None and finished is not None
    assert sure < finished


@pytest.mark.parametrize(
    "text", ["Yesterday,", "Yesterday -", "Yesterday…", "Yesterday...", "Yesterday:"]
)
def test_a_sentence_that_is_broken_off_is_no_end(text: str) -> None:
    assert odds(text) < 0.15


@pytest.mark.parametrize(
    "text",
    ["Is it?", "Stop!", "本当？", "Play some music.", "好的。", "When is it?", "If so, do it."],
)  # fmt: skip
def test_a_mark_at_the_end_is_an_end(text: str) -> None:
    assert odds(text) > 0.8


@pytest.mark.parametrize("text", ["I went to the.", "Is it your?", "He and."])
def test_a_mark_behind_a_word_that_leads_on_is_none(text: str) -> None:
    assert odds(text) < 0.1


@pytest.mark.parametrize(
    "text", ["Where are you from?", "Yes, I do.", "I think it is."]
)
def test_a_mark_behind_a_word_that_may_be_the_last_leaves_it_open(text: str) -> None:
    assert odds(text) == likelihood(0.5, None)
    assert odds(text[:-1]) < 0.1


@pytest.mark.parametrize("text", ["If it rains tomorrow.", "When I get there."])
def test_a_clause_that_wants_another_is_hardly_an_end(text: str) -> None:
    assert odds(text) < 0.3


def test_no_mark_at_the_end_is_hardly_an_end_and_nothing_says_nothing() -> None:
    assert odds("Play some music") < 0.2
    assert odds("") == odds("...") == likelihood(0.5, None)


@pytest.mark.parametrize(
    ("text", "like"),
    [
        ("There are 42.", "There are some."),
        ("My number is 7.", "My number is seven."),
        ("Wake me up at 5", "Wake me up at five"),
        ("The answer is 3,", "The answer is three,"),
        ("It happened in 1984.", "It happened once."),
    ],
)
def test_a_number_is_a_last_word_too(text: str, like: str) -> None:
    assert odds(text) == pytest.approx(odds(like))


@pytest.mark.parametrize("language", ["de", "fr-FR", "xx"])
def test_other_languages_go_by_punctuation_alone(language: str) -> None:
    assert odds("Was will man so an.", language) == odds("Ja.", language) > 0.8
    assert odds("Wenn ich an", language) == odds("Ja", language) < 0.2
    assert odds("Also,", language) < 0.15


def test_a_region_or_nothing_at_all_is_english() -> None:
    assert odds("I want a", "en-GB") == odds("I want a", "") == odds("I want a")


# --- how long to wait -------------------------------------------------------------------------------------


@given(probabilities, probabilities, factual)
def test_the_likelier_the_end_the_shorter_the_wait(
    one: float, other: float, eagerness: Eagerness
) -> None:
    less, more = sorted((one, other))
    patience, turns = Patience(), predicted(eagerness)
    assert patience.wait(turns, more) <= patience.wait(turns, less) + 1e-9


@given(probabilities, st.floats(0.1, 5.0), st.floats(0.1, 10.0), factual)
def test_a_wait_is_within_what_the_client_asked_for(
    likely: float, shortest: float, longest: float, eagerness: Eagerness
) -> None:
    longest = max(shortest, longest)
    turns = predicted(eagerness, min_wait=shortest, max_wait=longest)
    wait = Patience().wait(turns, likely)
    assert shortest - 1e-9 <= wait <= longest + 1e-9


@pytest.mark.parametrize("eagerness", list(Eagerness))
def test_the_waits_of_each_eagerness_are_those_of_the_contract(
    eagerness: Eagerness,
) -> None:
    turns, patience = predicted(eagerness), Patience()
    assert (patience.wait(turns, 1.0), patience.wait(turns, 0.0)) == pytest.approx(
        {
            Eagerness.LOW: (0.8, 4.0),
            Eagerness.MEDIUM: (0.5, 2.0),
            Eagerness.HIGH: (0.25, 1.0),
            Eagerness.AUTO: (0.5, 2.0),
        }[eagerness]
    )


def test_where_nobody_can_tell_the_wait_is_the_longest() -> None:
    assert Patience().wait(predicted(), None) == 2.0


@pytest.mark.parametrize("likely", [None, 0.0, 0.5, 1.0])
def test_without_prediction_nothing_shortens_the_wait(likely: float | None) -> None:
    patience = Patience()
    silence = TurnTaking(endpointing=Endpointing.SILENCE, silence=0.9)
    manual = TurnTaking(endpointing=Endpointing.MANUAL)
    assert patience.wait(silence, likely) == patience.longest(silence) == 0.9
    assert patience.wait(manual, likely) == patience.longest(manual) == math.inf


def test_patience_grows_with_whoever_is_cut_off_and_shrinks_with_whoever_is_not() -> (
    None
):
    patience, turns = Patience(), predicted(Eagerness.AUTO)
    patience.cut_off()
    assert patience.wait(turns, 1.0) > 0.5
    assert patience.longest(turns) > 2.0
    for _ in range(20):
        patience.smooth()
    assert patience.wait(turns, 1.0) < 0.5
    assert patience.longest(turns) < 2.0


@given(st.lists(st.booleans(), max_size=200), probabilities)
def test_patience_is_bounded_whatever_happens(cuts: list[bool], likely: float) -> None:
    patience, turns = Patience(), predicted(Eagerness.AUTO)
    for cut in cuts:
        if cut:
            patience.cut_off()
        else:
            patience.smooth()
    wait = patience.wait(turns, likely)
    assert 0.5 * Patience.LEAST - 1e-9 <= wait <= 2.0 * Patience.MOST + 1e-9
    assert wait <= patience.longest(turns) + 1e-9


@given(st.lists(st.booleans(), max_size=20), factual, probabilities)
def test_only_auto_follows_the_user(
    cuts: list[bool], eagerness: Eagerness, likely: float
) -> None:
    patience, turns = Patience(), predicted(eagerness)
    before = patience.wait(turns, likely)
    for cut in cuts:
        if cut:
            patience.cut_off()
        else:
            patience.smooth()
    assert patience.wait(turns, likely) == before


# --- backchannels -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "...", "Mm-hmm.", "NMMU", "Nmm", "mm hmm", "Mhm", "Hmm.", "Uh-huh.", "uh huh uh huh", "Yeah.", "Yeah, yeah.", "Yep",
        "Right.", "right, right", "OK", "Okay, okay.", "I see.", "Oh, I see.", "Got it.", "Of course.",
        "All right.", "Alright", "Sure.", "Thank you.", "Thanks", "Really?", "Oh really?", "Wow!", "Exactly.", "Ha ha",
        "Aha!", "No way!", "Cool, thanks.", "Go on.", "Yes.", "Oh my god.", "you", "Bye.",
    ],
)  # fmt: skip
def test_what_listeners_say_means_go_on(text: str) -> None:
    assert not says_something(text)


@pytest.mark.parametrize(
    "text",
    [
        "Stop.", "Wait.", "No.", "No, no.", "Yeah, but", "Okay, stop.", "Right now", "What?", "Hold on.", "I don't think so.",
        "Of", "I", "See", "Got", "Mm-hmm, what about Paris?", "Actually, no.", "yes yes yes yes yes", "Shut up", "Go away",
        "All of it", "Really, why?", "42!", "No. 7", "Ja.", "はい", "Да",
    ],
)  # fmt: skip
def test_anything_else_says_something(text: str) -> None:
    assert says_something(text)


@pytest.mark.parametrize(
    "text", ["I", "Oh, I", "Mm", "Mm-h", "Got", "Of", "Ye", "Abso"]
)
def test_what_may_become_a_backchannel_says_nothing_so_far(text: str) -> None:
    assert not says_something(text, so_far=True)


@pytest.mark.parametrize(
    "text", ["I think", "I I", "Of Paris", "Stop", "St", "Yeah, but", "Wait"]
)
def test_what_cannot_become_one_says_something_at_once(text: str) -> None:
    assert says_something(text, so_far=True)
