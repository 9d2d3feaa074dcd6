"""OpenAI's names for models and voices, as ours."""

from antiphon.v1 import llm_pb2, tts_pb2
from gateway.fronts.openai.errors import NotFound
from gateway.stages.directory import Abilities
from services.runtime.errors import InvalidArgument

STOCK_VOICES = frozenset(
    {
        "alloy",
        "ash",
        "ballad",
        "cedar",
        "coral",
        "echo",
        "fable",
        "marin",
        "nova",
        "onyx",
        "sage",
        "shimmer",
        "verse",
    }
)
"""Of OpenAI; whoever names one of them means no voice of ours, and hears the default."""

ROBOTS_VOICES = frozenset(
    {
        "Aiden",
        "Dylan",
        "Eric",
        "Ono_Anna",
        "Ryan",
        "Serena",
        "Sohee",
        "Uncle_Fu",
        "Vivian",
    }
)
"""Of Qwen3-TTS. Reachy Mini's app names one of them in any case, whatever the server's voice is."""

STOCK_MODELS = ("gpt-", "chatgpt-", "o1", "o3", "o4")
"""How the names of OpenAI's models for chat begin; whoever names one of them gets the default."""


def model(asked: str, abilities: Abilities) -> str:
    """The alias that a name means; empty for the default of a stage that could not be asked.

    Raises:
        NotFound: there is no such model.
    """
    aliases = [alias.name for alias in _aliases(abilities)]
    if asked in aliases:
        return asked
    if not asked or asked.startswith(STOCK_MODELS):
        return aliases[0] if aliases else ""
    if not aliases:
        # Nobody knows; the stage will say.
        return asked
    raise NotFound(
        "model",
        f"there is no model {asked!r}; there are: {', '.join(aliases)}",
        "model_not_found",
    )


def voice(asked: str, abilities: Abilities) -> str:
    """The voice that a name means; empty for the default.

    Raises:
        InvalidArgument: there is no such voice.
    """
    voices = [voice.name for voice in _voices(abilities)]
    if not asked or asked in voices:
        return asked
    if asked in STOCK_VOICES | ROBOTS_VOICES:
        return ""
    if not voices:
        return asked
    raise InvalidArgument("voice", f"{asked!r} is not known", voices)


def language(asked: str, offered: list[str]) -> str:
    """The tag on offer that a tag means: itself, or what it is a kind of (RFC 4647, section 3.4).

    Raises:
        InvalidArgument: there is none.
    """
    known = {tag.lower(): tag for tag in offered}
    parts = asked.lower().replace("_", "-").split("-")
    for count in range(len(parts), 0, -1):
        if tag := known.get("-".join(parts[:count])):
            return tag
    if not offered:
        return asked
    raise InvalidArgument("language", f"{asked!r} is not known", offered)


def _aliases(abilities: Abilities) -> list[llm_pb2.ModelAlias]:
    return list(abilities.llm.models) if abilities.llm else []


def _voices(abilities: Abilities) -> list[tts_pb2.Voice]:
    return list(abilities.tts.voices) if abilities.tts else []
