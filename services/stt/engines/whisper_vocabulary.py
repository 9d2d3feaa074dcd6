"""Whisper's tokens: its languages, and what the decoder starts from."""

from collections.abc import Sequence
from functools import cached_property

from faster_whisper.tokenizer import Tokenizer
from tokenizers import Tokenizer as Tokens

from services.runtime.errors import FailedPrecondition

_MOST_HINT_TOKENS = 200
"""Whisper takes up to 223 tokens before the transcript."""

_BCP47 = {"jw": "jv"}
"""Where Whisper's names of languages are not BCP 47."""


def to_bcp47(name: str) -> str:
    """The BCP 47 tag of a language that Whisper names."""
    return _BCP47.get(name, name)


class Vocabulary:
    """The tokens of one model.

    Args:
        tokens: as its ``tokenizer.json`` has them.
        multilingual: whether its transcripts begin with a language.

    Raises:
        FailedPrecondition: they are not Whisper's.
    """

    def __init__(self, tokens: Tokens, multilingual: bool) -> None:
        self._tokens = tokens
        self._multilingual = multilingual
        self._tokenizers: dict[str, Tokenizer] = {}
        self.end = self._special("endoftext")

    @cached_property
    def languages(self) -> dict[str, str]:
        """Whisper's names by BCP 47 tag; only English for an English-only model."""
        if not self._multilingual:
            return {"en": "en"}
        first, last = self._special("startoftranscript") + 1, self._special("translate")
        tokens = (self._tokens.id_to_token(number) for number in range(first, last))
        names = [str(token).strip("<|>") for token in tokens]
        return {to_bcp47(name): name for name in names}

    def decode(self, tokens: list[int]) -> str:
        """The text of tokens."""
        return self._tokens.decode(tokens).strip()

    def tokenizer(self, language: str) -> Tokenizer:
        """The tokenizer for a language, by Whisper's name of it."""
        if language not in self._tokenizers:
            self._tokenizers[language] = Tokenizer(
                self._tokens, self._multilingual, "transcribe", language
            )
        return self._tokenizers[language]

    def prompt(self, tokenizer: Tokenizer, hint_phrases: Sequence[str]) -> list[int]:
        """What the decoder starts from.

        Hints stand where the text before the utterance would be: heard once already, they are likelier to be heard
        again. What goes over Whisper's limit is left out.
        """
        prompt = [*tokenizer.sot_sequence, tokenizer.no_timestamps]
        if not hint_phrases:
            return prompt
        hints = tokenizer.encode(f" {', '.join(hint_phrases)}.")
        return [tokenizer.sot_prev, *hints[:_MOST_HINT_TOKENS], *prompt]

    def _special(self, name: str) -> int:
        token = self._tokens.token_to_id(f"<|{name}|>")
        if token is None:
            raise FailedPrecondition(f"tokenizer.json has no <|{name}|>: not Whisper's")
        return token
