"""How many tokens a prompt has, about."""

from gateway.conversation import tokens
from gateway.conversation.prompt import Message
from gateway.conversation.values import Image, Speaker, ToolCall


def test_nothing_has_no_tokens() -> None:
    assert tokens.of_text("") == 0


def test_a_word_has_a_token_for_every_five_letters() -> None:
    assert tokens.of_text("Hello there old friends") == 5


def test_digits_and_letters_beyond_ascii_are_one_each() -> None:
    assert tokens.of_text("2048") == 4
    assert tokens.of_text("明日の朝") == 4


def test_long_blanks_cost_something() -> None:
    assert tokens.of_text(" " * 64) == 4
    assert tokens.of_text("\n" * 64) == 16


def test_no_character_comes_for_nothing() -> None:
    for code in range(0x3000):
        assert tokens.of_text(chr(code) * 64) >= 4, hex(code)


def test_a_text_has_at_least_as_many_tokens_as_a_part_of_it() -> None:
    text = "Über 1,000 straße — 😀 {\"naïve\": [1.5, 'x']}\n\n\tENDE"
    counts = [tokens.of_text(text[:end]) for end in range(len(text) + 1)]
    assert counts == sorted(counts)


def test_all_of_a_message_counts() -> None:
    plain = Message(Speaker.ASSISTANT, "Hello")
    calling = Message(Speaker.ASSISTANT, "Hello", tool_calls=(ToolCall("c", "f", ""),))
    showing = Message(Speaker.USER, "Hello", (Image(b"", "image/png"),))
    result = Message(Speaker.TOOL, "Hello", tool_call_id="c")
    assert tokens.of_message(plain) == tokens.MESSAGE + 1
    assert tokens.of_message(result) == tokens.MESSAGE + 2
    assert tokens.of_message(calling) == tokens.MESSAGE + 1 + tokens.CALL + 2
    assert tokens.of_message(showing) == tokens.MESSAGE + 1 + tokens.IMAGE


def test_all_of_a_tool_counts() -> None:
    assert tokens.of_tool("f", "What it does.", "{}") == tokens.CALL + 6
