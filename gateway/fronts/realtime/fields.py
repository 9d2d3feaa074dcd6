"""The session of the Realtime protocol (GA shape), and what a response may have otherwise.

A field that we do not do is refused here, by name. `gateway.fronts.realtime.table` says of each what becomes of it.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag

from gateway.fronts.realtime.audio_fields import (
    Audio,
    Instructions,
    Name,
    not_ours,
    text_or_object,
)
from gateway.fronts.realtime.errors import WireError
from gateway.fronts.realtime.reading import (
    Json,
    Wire,
    between,
    check,
    invalid,
    unsupported,
    validated,
)
from gateway.settings import MOST_TOKENS

# --- tools ------------------------------------------------------------------------------------------------


class FunctionTool(Wire):
    """A function that the model may call; the gateway checks name and parameters."""

    type: Literal["function"] = "function"
    name: str
    description: Instructions | None = None
    parameters: dict[str, Any] | None = None


def _functions_alone(tool: Any) -> Any:
    if isinstance(tool, dict) and tool.get("type", "function") != "function":
        raise unsupported("is no function", "tools of type function")
    return tool


class FunctionChoice(Wire):
    """This function is to be called."""

    type: Literal["function"] = "function"
    name: str


Tools = Annotated[
    tuple[Annotated[FunctionTool, BeforeValidator(_functions_alone)], ...],
    # Only the first one that is wrong is told, and errors take long to make.
    Field(strict=False, fail_fast=True),
]
ToolChoice = Annotated[
    Annotated[Literal["auto", "none", "required"], Tag("text")]
    | Annotated[FunctionChoice, Tag("object")],
    Discriminator(text_or_object),
]

# --- the rest ---------------------------------------------------------------------------------------------


def _one_modality(modalities: tuple[str, ...]) -> tuple[str, ...]:
    if len(modalities) != 1:
        raise invalid(f"names {len(modalities)}", '["audio"] or ["text"]')
    return modalities


def _tokens(value: Any) -> Any:
    if value in (None, "inf"):
        return value
    if type(value) is not int or not 1 <= value <= MOST_TOKENS:
        raise invalid("is none of them", f'1 to {MOST_TOKENS}, "inf" or null')
    return value


def _automatic(value: Any) -> Any:
    if value not in (None, "auto"):
        raise unsupported(
            "is not supported: the oldest turns are left out of prompts, whole, as soon as they have no room",
            '"auto" or null',
        )
    return value


def _no_extras(value: Any) -> Any:
    if value not in (None, [], ()):
        raise unsupported(
            "is not supported: the recognizer tells no log probabilities", "[]"
        )
    return value


def _parallel(value: Any) -> Any:
    if value is False:
        raise unsupported(
            "is not supported: the model calls as many functions as it sees fit",
            "true or null",
        )
    return value


Modalities = Annotated[
    tuple[Literal["audio", "text"], ...],
    Field(strict=False),
    AfterValidator(_one_modality),
]
MaxTokens = Annotated[int | Literal["inf"] | None, BeforeValidator(_tokens)]
Temperature = Annotated[float, AfterValidator(between(0, 2))]
ParallelCalls = Annotated[bool | None, BeforeValidator(_parallel)]
NoPrompt = Annotated[
    None, not_ours("templates are kept by nobody here", "null; see instructions")
]
NoReasoning = Annotated[None, not_ours("models are asked to answer at once", "null")]


class Tracing(Wire):
    """Names for traces; this server's traces are always on and have names of their own."""

    workflow_name: Name | None = None
    group_id: Name | None = None
    metadata: dict[str, Any] | None = None


class Extension(Wire):
    """What only this server tells; each is asked for."""

    waterfall: bool = False
    ducking: bool = False
    partials: bool = False


BETA = {
    "modalities": "output_modalities",
    "voice": "audio.output.voice",
    "input_audio_format": "audio.input.format",
    "output_audio_format": "audio.output.format",
    "input_audio_transcription": "audio.input.transcription",
    "input_audio_noise_reduction": "audio.input.noise_reduction",
    "turn_detection": "audio.input.turn_detection",
    "speed": "audio.output.speed",
    "max_response_output_tokens": "max_output_tokens",
}
"""Names of the beta of 2024, and where the protocol has it now."""


class RealtimeSession(Wire):
    """How a conversation is to be held, as far as its client has said. None is the server's default."""

    hints: ClassVar[dict[str, str]] = {
        old: f"{new}, which is its name since the beta" for old, new in BETA.items()
    }

    type: Literal["realtime"] = "realtime"
    model: Name | None = None
    output_modalities: Modalities | None = None
    instructions: Instructions | None = None
    audio: Audio = Audio()
    tools: Tools | None = None
    tool_choice: ToolChoice | None = None
    max_output_tokens: MaxTokens = None
    temperature: Temperature | None = None
    truncation: Annotated[Literal["auto"] | None, BeforeValidator(_automatic)] = None
    tracing: (
        Annotated[
            Annotated[Literal["auto"], Tag("text")] | Annotated[Tracing, Tag("object")],
            Discriminator(text_or_object),
        ]
        | None
    ) = None
    include: Annotated[
        tuple[str, ...] | None, Field(strict=False), BeforeValidator(_no_extras)
    ] = None
    prompt: NoPrompt = None
    reasoning: NoReasoning = None
    parallel_tool_calls: ParallelCalls = None
    antiphon: Extension = Extension()

    def merged(
        self, update: Mapping[str, Any], within: str = "session"
    ) -> "RealtimeSession":
        """This session with what an update says.

        Absent fields stay as they are. Null is the server's default, and where it has a meaning of its own, that:
        no turn detection, no transcription. A turn detection or a format of another type begins with its defaults.

        Args:
            update: as it came from JSON.
            within: path of the update in its event, for errors.

        Raises:
            WireError: a field is not known, not allowed to be what it is, or not supported.
        """
        check(dict(update))
        if update.get("type", "realtime") == "transcription":
            raise WireError(
                f"{within}.type is 'transcription'; allowed: 'realtime' (POST /v1/audio/transcriptions transcribes)",
                param=f"{within}.type",
            )
        said = _laid_over(self.model_dump(exclude_unset=True), update)
        return validated(RealtimeSession, said, within)

    @property
    def spoken(self) -> bool:
        """Whether answers are spoken."""
        return self.output_modalities != ("text",)


_PARTS = ("audio", "input", "output", "antiphon")
"""Objects that say nothing themselves; a null there says nothing either."""

_WHOLE = ("tracing", "tool_choice", "voice")
"""Objects that make sense as a whole only, and are replaced as such."""


def _laid_over(below: Mapping[str, Any], update: Mapping[str, Any]) -> Json:
    said = dict(below)
    for name, value in update.items():
        if value is None and name in _PARTS:
            continue
        old = said.get(name)
        parts = isinstance(value, dict) and name not in _WHOLE
        if parts and isinstance(old, dict):
            same = value.get("type", old.get("type")) == old.get("type")
            said[name] = _laid_over(old, value) if same else value
        else:
            said[name] = value
    return said
