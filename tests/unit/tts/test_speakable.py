import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tts.speakable import make_speakable

FRAGMENTS = [
    "Sure",
    "word ",
    "**",
    "_",
    "`",
    '[a b](http://x.y/b "b")',
    "![alt](u)",
    "<b>",
    "<http://auto.link>",
    "\\*",
    "&amp;",
    "$3.50",
    "€1,200",
    "1999",
    "10:05 pm",
    "2nd",
    "122nd",
    "5-6",
    "https://www.x.org/a?b=c.",
    "😀",
    "👨‍👩‍👧",
    "Dr.",
    "e.g.",
    "|",
    "# ",
    "- ",
    "1. ",
    "> ",
    "\n",
    "\n\n",
    "```\n",
    "    ",
    "\t",
    "\0",
    "\r\n",
    *" .,;:!?()[]",
]
texts = st.lists(st.sampled_from(FRAGMENTS), max_size=40).map("".join) | st.text(
    max_size=120
)


def say(text: str, at_line_start: bool = True, language: str = "en-US") -> str:
    return make_speakable(text, at_line_start, language).text


@given(texts, st.booleans(), st.sampled_from(["en-US", "de"]))
def test_every_word_knows_its_source_in_order_and_inside_it(
    text: str, at_line_start: bool, language: str
) -> None:
    spoken = make_speakable(text, at_line_start, language)
    end = source_end = 0
    for word in spoken.words:
        assert end <= word.start < word.end <= len(spoken.text)
        assert source_end <= word.source_start <= word.source_end <= len(text)
        end, source_end = word.end, word.source_end
    assert "".join(
        spoken.text[word.start : word.end] for word in spoken.words
    ) == spoken.text.replace(" ", "")


@given(st.lists(st.sampled_from(["one", "two", "sun", "moon"]), min_size=1))
def test_plain_words_are_said_as_they_are_written(words: list[str]) -> None:
    text = " ".join(words)
    spoken = make_speakable(text, False, "en-US")
    assert spoken.text == text
    assert [(word.start, word.end) for word in spoken.words] == [
        (word.source_start, word.source_end) for word in spoken.words
    ]


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("**Sure**, the _capital_ is ~~Rome~~", "Sure, the capital is Rome"),
        ("a **bold, start", "a bold, start"),
        ("See [the docs](http://x.y/docs).", "See the docs."),
        ("See ![a cat](cat.png) `run()` <b>now</b>", "See a cat run() now"),
        ("at https://www.example.com/a?b=1.", "at example.com."),
        ("AT&amp;T \\*ok\\*", "AT&T ok"),
        ("# Title\n", "Title."),
        ("- one\n- two\n", "one. two."),
        ("1. Mix it.\n", "1. Mix it."),
        ("Great job 😀!", "Great job!"),
        ("| a | b |\n", "a, b."),
        ("2 * 3 and snake_case", "2 times 3 and snake_case"),
    ],
)
def test_markup_links_and_emoji_are_not_read_out(written: str, spoken: str) -> None:
    assert say(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("$3.50", "3 dollars and 50 cents"),
        ("$0.99", "99 cents"),
        ("$1", "1 dollar"),
        ("£2.00", "2 pounds"),
        ("$1.5 billion", "1.5 billion dollars"),
        ("in 1999", "in nineteen ninety-nine"),
        ("in 2024.", "in twenty twenty-four."),
        ("in 2005", "in 2005"),
        ("the 1990s", "the nineteen nineties"),
        ("12:00", "12 o'clock"),
        ("7:05 pm", "7 oh 5 p.m."),
        ("the 122nd", "the one hundred and twenty-second"),
        ("5-6 people", "5 to 6 people"),
        ("call 555-1234", "call 555-1234"),
        ("Dr. Smith, e.g.", "Doctor Smith, for example"),
        ("10 km at 20°C", "10 kilometers at 20 degrees Celsius"),
        ("3.14, 1,234 and 50%", "3.14, 1,234 and 50%"),
        ("version 1.1999", "version 1.1999"),
    ],
)
def test_numbers_are_said_as_people_say_them(written: str, spoken: str) -> None:
    assert say(written) == spoken


@pytest.mark.parametrize(
    "text", ["", " \n", "😀 🎉", "```", "---", "**", "|---|", "..."]
)
def test_nothing_is_said_where_there_is_nothing_to_say(text: str) -> None:
    assert make_speakable(text, True, "en-US").words == ()
    assert say(text) == ""


def test_what_begins_no_line_is_no_markup_of_a_line() -> None:
    assert say(" 5) and more", at_line_start=False) == "5) and more"


def test_all_of_a_rewritten_number_belongs_to_its_last_word() -> None:
    spoken = make_speakable("It is $3.50 now", False, "en-US")
    progress = {
        spoken.text[word.start : word.end]: word.source_end for word in spoken.words
    }
    assert progress["3"] == progress["50"] == 6
    assert progress["cents"] == 11


def test_words_behind_a_link_are_found_behind_its_address() -> None:
    text = '[a](http://b "b") b'
    last = make_speakable(text, False, "en-US").words[-1]
    assert (last.source_start, last.source_end) == (18, 19)


def test_numbers_of_other_languages_are_left_to_the_engine() -> None:
    assert say("$3.50 in 1999", language="de-DE") == "$3.50 in 1999"
