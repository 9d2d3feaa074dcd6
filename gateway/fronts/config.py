"""A client's `ConversationConfig`, checked against what the stages can do, as `Options`."""

import json
import re
from dataclasses import replace

from google.protobuf.duration_pb2 import Duration

from antiphon.v1 import conversation_pb2 as pb
from antiphon.v1 import llm_pb2
from gateway.conversation.values import Interrupt, Policy
from gateway.options import Options
from gateway.settings import MOST_TOKENS, GatewaySettings
from gateway.stages.directory import Abilities
from services.runtime.contract import sample_rate
from services.runtime.errors import InvalidArgument
from services.runtime.units import to_duration, to_seconds

INPUT_RATE = 16_000
OUTPUT_RATE = 24_000
MOST_TOOLS = 128
LONGEST_DURATION = 24 * 3600.0
LONGEST_TEXT = 32_768
"""Characters of instructions, or of one text from the user."""

_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_INTERRUPTS = {
    pb.INTERRUPT_POLICY_UNSPECIFIED: Interrupt.SPEECH,
    pb.INTERRUPT_POLICY_SPEECH: Interrupt.SPEECH,
    pb.INTERRUPT_POLICY_NEVER: Interrupt.NEVER,
}


def to_options(
    config: pb.ConversationConfig, settings: GatewaySettings, abilities: Abilities
) -> Options:
    """What the client asked for, with every default filled in.

    A stage that could not be asked what it can do is trusted to refuse what it cannot.

    Raises:
        InvalidArgument: a field is not allowed to be what it is.
    """
    if len(config.instructions) > LONGEST_TEXT:
        raise InvalidArgument(
            "config.instructions",
            f"has {len(config.instructions)} characters",
            f"at most {LONGEST_TEXT}",
        )
    if config.voice and abilities.tts:
        _one_of(
            "config.voice", config.voice, [voice.name for voice in abilities.tts.voices]
        )
    if config.language and abilities.stt:
        _one_of("config.language", config.language, list(abilities.stt.languages))
    if config.model and abilities.llm:
        _one_of(
            "config.model", config.model, [model.name for model in abilities.llm.models]
        )
    if config.speed and not 0.5 <= config.speed <= 2.0:
        raise InvalidArgument("config.speed", f"is {config.speed:g}", "0.5 to 2.0")
    return Options(
        instructions=config.instructions or settings.instructions,
        voice=config.voice,
        language=config.language,
        model=config.model,
        input_rate=sample_rate("config.input_format", config.input_format, INPUT_RATE),
        output_rate=sample_rate(
            "config.output_format", config.output_format, OUTPUT_RATE
        ),
        tools=_tools(config, abilities),
        tool_choice=_tool_choice(config),
        sampling=_sampling(config.sampling, settings),
        policy=_policy(config.turn_taking, settings.policy()),
        interim=config.interim_transcripts,
        speed=config.speed or 1.0,
    )


def to_turn_taking(policy: Policy) -> pb.TurnTaking:
    """A policy in the words of the contract."""
    turn_taking = pb.TurnTaking()
    if policy.silence is None:
        turn_taking.manual.SetInParent()
    else:
        turn_taking.silence.silence.CopyFrom(to_duration(policy.silence))
    turn_taking.interrupt = (
        pb.INTERRUPT_POLICY_NEVER
        if policy.interrupt is Interrupt.NEVER
        else pb.INTERRUPT_POLICY_SPEECH
    )
    return turn_taking


def _one_of(field: str, value: str, allowed: list[str]) -> None:
    if value not in allowed:
        raise InvalidArgument(field, f"{value!r} is not known", allowed)


def _sampling(asked: llm_pb2.Sampling, settings: GatewaySettings) -> llm_pb2.Sampling:
    sampling = llm_pb2.Sampling(
        max_tokens=settings.max_tokens, temperature=settings.temperature
    )
    sampling.MergeFrom(asked)
    if sampling.HasField("temperature") and not 0 <= sampling.temperature <= 2:
        raise InvalidArgument(
            "config.sampling.temperature", f"is {sampling.temperature:g}", "0 to 2"
        )
    if sampling.HasField("top_p") and not 0 < sampling.top_p <= 1:
        raise InvalidArgument(
            "config.sampling.top_p", f"is {sampling.top_p:g}", "above 0, up to 1"
        )
    if not 1 <= sampling.max_tokens <= MOST_TOKENS:
        raise InvalidArgument(
            "config.sampling.max_tokens",
            f"is {sampling.max_tokens}",
            f"1 to {MOST_TOKENS}",
        )
    if not all(sampling.stop):
        raise InvalidArgument(
            "config.sampling.stop",
            "holds an empty text",
            "texts of at least one character",
        )
    if len(sampling.stop) > 4:
        raise InvalidArgument(
            "config.sampling.stop", f"has {len(sampling.stop)} texts", "at most 4"
        )
    return sampling


def seconds(field: str, duration: Duration) -> float:
    """A duration that is none of before.

    Raises:
        InvalidArgument: it is negative, or no duration at all.
    """
    value = to_seconds(duration)
    if not 0 <= duration.nanos < 10**9 or not 0 <= value <= LONGEST_DURATION:
        raise InvalidArgument(
            field, f"is {value:g} s", f"0 s to {LONGEST_DURATION:g} s"
        )
    return value


def _tools(
    config: pb.ConversationConfig, abilities: Abilities
) -> tuple[llm_pb2.Tool, ...]:
    """Checked here as the model's stage will, because there it would be noticed at the first turn only."""
    tools = tuple(config.tools)
    if len(tools) > MOST_TOOLS:
        raise InvalidArgument(
            "config.tools", f"are {len(tools)}", f"at most {MOST_TOOLS}"
        )
    names: set[str] = set()
    for index, tool in enumerate(tools):
        field = f"config.tools[{index}]"
        if not _TOOL_NAME.fullmatch(tool.name):
            raise InvalidArgument(
                f"{field}.name",
                f"is {tool.name!r}",
                "1 to 64 letters, digits, '_' and '-'",
            )
        if tool.name in names:
            raise InvalidArgument(
                f"{field}.name", f"{tool.name!r} comes twice", "distinct names"
            )
        names.add(tool.name)
        try:
            schema = json.loads(tool.parameters_json or "{}")
        except (ValueError, RecursionError):
            schema = None
        if not isinstance(schema, dict):
            raise InvalidArgument(
                f"{field}.parameters_json",
                "is no JSON object",
                "a JSON schema, or nothing",
            )
    model = config.model or "default"
    for alias in abilities.llm.models if abilities.llm and tools else ():
        if alias.name == model and not alias.tools:
            raise InvalidArgument(
                "config.tools",
                f"model {model!r} calls no tools",
                "none, or another model",
            )
    return tools


def _tool_choice(config: pb.ConversationConfig) -> llm_pb2.ToolChoice | None:
    if not config.HasField("tool_choice"):
        return None
    choice, names = config.tool_choice, [tool.name for tool in config.tools]
    if choice.mode not in llm_pb2.ToolChoiceMode.values():
        raise InvalidArgument(
            "config.tool_choice.mode", f"is {choice.mode}", "AUTO, NONE, REQUIRED"
        )
    if choice.WhichOneof("choice") == "tool":
        _one_of("config.tool_choice.tool", choice.tool, names)
    if choice.mode == llm_pb2.TOOL_CHOICE_MODE_REQUIRED and not names:
        raise InvalidArgument(
            "config.tool_choice.mode",
            "is REQUIRED, and there are no tools",
            "AUTO, NONE",
        )
    return choice


def _policy(asked: pb.TurnTaking, default: Policy) -> Policy:
    if asked.interrupt not in _INTERRUPTS:
        raise InvalidArgument(
            "config.turn_taking.interrupt", f"is {asked.interrupt}", "SPEECH, NEVER"
        )
    policy = replace(default, interrupt=_INTERRUPTS[asked.interrupt])
    if asked.WhichOneof("endpointing") == "manual":
        return replace(policy, silence=None)
    if asked.silence.HasField("silence"):
        silence = seconds("config.turn_taking.silence.silence", asked.silence.silence)
        if not 0.1 <= silence <= 5:
            raise InvalidArgument(
                "config.turn_taking.silence.silence",
                f"is {silence:g} s",
                "0.1 s to 5 s",
            )
        return replace(policy, silence=silence, soft_end=min(policy.soft_end, silence))
    return policy
