"""How many tokens a prompt has, about: every model has its own tokenizer, and none of them is here.

Text is cut as the usual byte-pair tokenizers cut it before they look words up, and each piece is counted as what it
seldom exceeds: a word has a token for every five letters, a digit is one, two signs of punctuation are one, a letter
beyond ASCII is one, and so is a control character. SmolLM2's tokenizer, whose 49,152 tokens are English, counts 0.8 to 0.9 of that for English talk,
prose, Python and JSON schemas, 1.1 times as many for JSON full of numbers, 1.1 to 1.3 for French, Spanish and German,
1.5 for Polish, 1.8 for Chinese and 2.8 for Korean. Tokenizers with a vocabulary in those languages need fewer: what a
model really counts is learnt (`gateway.conversation.context`).
"""

import re

from gateway.conversation.prompt import Message

WORD = 5
"""Letters of a token."""

MESSAGE = 6
"""What a chat template puts around a message; ChatML has 5 to 6 for SmolLM2."""

CALL = 16
"""What it puts around a tool call, or around the definition of a tool."""

IMAGE = 1_120
"""A picture, whatever its size: more than models usually make of one (Gemma 3 makes 256, GPT-4o 765 of a megapixel)."""

_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]{1,2}")
_SINGLES = re.compile(
    r"[0-9\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\uffff]|[!-/:-@\[-`{-~]{1,2}|[\r\n]{1,4}|\t{1,4}| {2,16}"
)
_ASTRAL = re.compile(r"[\U00010000-\U0010ffff]")
_ASTRAL_TOKENS = 3
"""Of an emoji, or of a rare sign: its four bytes, of which some tokenizers know the first ones together."""


def of_text(text: str) -> int:
    """Tokens of a text."""
    words = sum(1 + (len(word) - 1) // WORD for word in _WORDS.findall(text))
    astral = 0 if text.isascii() else _ASTRAL_TOKENS * len(_ASTRAL.findall(text))
    return words + len(_SINGLES.findall(text)) + astral


def of_message(message: Message) -> int:
    """Tokens of a message in a prompt."""
    calls = sum(
        CALL + of_text(call.id) + of_text(call.name) + of_text(call.arguments_json)
        for call in message.tool_calls
    )
    return (
        MESSAGE
        + of_text(message.text)
        + of_text(message.tool_call_id)
        + IMAGE * len(message.images)
        + calls
    )


def of_tool(name: str, description: str, parameters_json: str) -> int:
    """Tokens of a tool's definition."""
    return CALL + of_text(name) + of_text(description) + of_text(parameters_json)
