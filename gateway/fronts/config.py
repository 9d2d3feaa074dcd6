"""A client's `ConversationConfig`, checked against what the stages can do, as `Options`."""

import json
import re
from dataclasses import replace

from antiphon.v1 import conversation_pb2 as pb
from antiphon.v1 import llm_pb2, tts_pb2
from gateway.conversation.values import Idle, Initiative, Policy
from gateway.fronts.turns import seconds, to_turns
from gateway.options import Options
from gateway.settings import MOST_TOKENS, UNKNOWN_CONTEXT, GatewaySettings
from gateway.stages.directory import Abilities
from services.runtime.contract import (
    LONGEST_VOICE_INSTRUCTIONS,
    WANTED_REFERENCE,
    check_length,
    check_reference,
    sample_rate,
)
from services.runtime.errors import InvalidArgument

INPUT_RATE = 16_000
OUTPUT_RATE = 24_000
MOST_TOOLS = 128
LONGEST_TEXT = 32_768
"""Characters of instructions, or of one text from the user."""

LONGEST_NAME = 256
"""Characters of a model's name, which traces and the last turns keep; where its stage cannot be asked nobody else looks."""

LONGEST_INITIATIVE = 4_096
"""Characters of what the assistant says of its own accord."""

MOST_IDLE_PROMPTS = 100

_FOUND_OUT = {"auto": "und"}
"""What a language that is found out is called where it is spoken: BCP 47 for "undetermined"."""

_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def to_options(
    config: pb.ConversationConfig, settings: GatewaySettings, abilities: Abilities
) -> Options:
    """What the client asked for, with every default filled in.

    A stage that could not be asked what it can do is trusted to refuse what it cannot.

    Raises:
        InvalidArgument: a field is not allowed to be what it is.
    """
    check_length("config.instructions", config.instructions, LONGEST_TEXT)
    check_length("config.model", config.model, LONGEST_NAME)
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
    _check_voice(config, abilities.tts)
    return Options(
        instructions=config.instructions or settings.instructions,
        voice=config.voice,
        language=config.language,
        reply_language=_reply_language(config, abilities),
        model=config.model,
        input_rate=sample_rate("config.input_format", config.input_format, INPUT_RATE),
        output_rate=sample_rate(
            "config.output_format", config.output_format, OUTPUT_RATE
        ),
        tools=_tools(config, abilities),
        tool_choice=_tool_choice(config),
        sampling=_sampling(config.sampling, settings),
        context=_context(config.model, settings, abilities),
        policy=_policy(config, settings, abilities),
        speed=config.speed or 1.0,
        voice_instructions=config.voice_instructions,
        voice_reference=config.voice_reference
        if config.HasField("voice_reference")
        else None,
    )


def _check_voice(
    config: pb.ConversationConfig, can: tts_pb2.TextToSpeechDescribeResponse | None
) -> None:
    if config.speed and not 0.5 <= config.speed <= 2.0:
        raise InvalidArgument("config.speed", f"is {config.speed:g}", "0.5 to 2.0")
    check_length(
        "config.voice_instructions",
        config.voice_instructions,
        LONGEST_VOICE_INSTRUCTIONS,
    )
    if config.HasField("voice_reference"):
        check_reference("config.voice_reference", config.voice_reference)
    if can is None:
        return
    if config.speed not in (0.0, 1.0) and not can.speed:
        raise InvalidArgument(
            "config.speed", "this voice has a speed of its own only", "1.0, or 0"
        )
    if config.voice_instructions and not can.instructions:
        raise InvalidArgument(
            "config.voice_instructions", "this voice takes none", "leave it empty"
        )
    if config.HasField("voice_reference") and not can.cloning:
        raise InvalidArgument(
            "config.voice_reference", "this voice imitates nobody", "leave it out"
        )
    if can.reference_required and not config.HasField("voice_reference"):
        raise InvalidArgument(
            "config.voice_reference",
            "is missing, and the model has no voice of its own",
            WANTED_REFERENCE,
        )


def _one_of(field: str, value: str, allowed: list[str]) -> None:
    if value not in allowed:
        raise InvalidArgument(field, f"{value!r} is not known", allowed)


def _reply_language(config: pb.ConversationConfig, abilities: Abilities) -> str:
    """The conversation's language if the voice speaks it, or what it is a kind of (RFC 4647, section 3.4); else empty."""
    voices = abilities.tts.voices if abilities.tts else ()
    spoken = next(
        (voice.languages for voice in voices if config.voice in ("", voice.name)), ()
    )
    known = {tag.lower() for tag in spoken}
    tag = _FOUND_OUT.get(config.language, config.language)
    parts = tag.lower().split("-")
    kinds = ("-".join(parts[:count]) for count in range(len(parts), 0, -1))
    return tag if any(kind in known for kind in kinds) else ""


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


def _context(asked: str, settings: GatewaySettings, abilities: Abilities) -> int:
    """Tokens of prompt and reply together; the first model is the default."""
    if settings.context_tokens is not None:
        return settings.context_tokens
    models = abilities.llm.models if abilities.llm else ()
    said = [m.context_tokens for m in models if not asked or m.name == asked]
    return (said[0] if said else 0) or UNKNOWN_CONTEXT


def _policy(
    config: pb.ConversationConfig, settings: GatewaySettings, abilities: Abilities
) -> Policy:
    policy = settings.policy()
    # A stage that could not be asked has its say in vain: preparing is a no-op where it is not offered.
    prepares = abilities.llm is None or abilities.llm.prepare
    return replace(
        policy,
        turns=to_turns("config.turn_taking", config.turn_taking, policy.turns),
        partials=config.interim_transcripts,
        prefill=policy.prefill and prepares,
        greeting=_initiative("config.greeting", config.greeting)
        if config.HasField("greeting")
        else None,
        idle=_idle(config.idle) if config.HasField("idle") else None,
    )


def _initiative(field: str, asked: pb.Initiative) -> Initiative:
    which = asked.WhichOneof("what")
    text = getattr(asked, which).strip() if which else ""
    if not 0 < len(text) <= LONGEST_INITIATIVE:
        raise InvalidArgument(
            f"{field}.{which or 'what'}",
            "is empty or too long",
            f"1 to {LONGEST_INITIATIVE} characters, as say or prompt",
        )
    return Initiative(say=text) if which == "say" else Initiative(prompt=text)


def _idle(asked: pb.IdlePrompts) -> Idle:
    after = seconds("config.idle.after", asked.after, least=1.0, most=3600.0)
    if asked.most > MOST_IDLE_PROMPTS:
        raise InvalidArgument(
            "config.idle.most", f"is {asked.most}", f"at most {MOST_IDLE_PROMPTS}"
        )
    return Idle(after, _initiative("config.idle.what", asked.what), asked.most or 1)
