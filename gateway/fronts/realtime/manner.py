"""How a client of the Realtime protocol wants its conversation held, as the gateway's own options."""

import json
import re
from dataclasses import replace

from antiphon.v1 import conversation_pb2 as pb
from antiphon.v1 import llm_pb2
from antiphon.v1.audio_pb2 import AudioFormat
from gateway.conversation.endpointing import WAITS
from gateway.conversation.values import (
    Eagerness,
    Endpointing,
    Idle,
    Initiative,
    Interrupt,
    Policy,
    TurnTaking,
)
from gateway.fronts import config
from gateway.fronts.openai import names
from gateway.fronts.realtime.audio_fields import (
    Format,
    SemanticVad,
    ServerVad,
    Transcription,
    VoiceId,
)
from gateway.fronts.realtime.errors import NOT_SUPPORTED, from_antiphon, refused
from gateway.fronts.realtime.fields import FunctionChoice, RealtimeSession
from gateway.fronts.realtime.formats import (
    G711_RATE,
    HEARING_RATE,
    PCM,
    AudioFormatSpec,
)
from gateway.options import Options
from gateway.settings import GatewaySettings
from gateway.stages.directory import Abilities
from services.runtime.errors import AntiphonError

DEFAULT_RATE = 24_000
"""Hz, where a client names none; the protocol's own."""

INFINITE_TOKENS = 4_096
"""What "inf" allows: OpenAI's own models write no more in one response."""

MOST_OF_CONTEXT = 4
"""And no more than one in so many of the model's tokens: the rest is for what was said."""

PROMPT = "(The user says nothing. Prompt them to go on, in a few words.)"
"""What the model is told when the user has been silent for ``idle_timeout_ms``."""

MOST_PROMPTS = 10
"""In a row; a user who says nothing to so many of them is not there."""

MOST_HINTS, LONGEST_HINT = 64, 100
"""Phrases, and characters of one, as stt.proto has it."""

THRESHOLD, SILENCE_MS, PREFIX_MS = 0.5, 500, 300
"""The protocol's defaults of ``server_vad``."""

_CHOICES = {
    "auto": llm_pb2.TOOL_CHOICE_MODE_AUTO,
    "none": llm_pb2.TOOL_CHOICE_MODE_NONE,
    "required": llm_pb2.TOOL_CHOICE_MODE_REQUIRED,
}


def input_format(session: RealtimeSession, rate: int = DEFAULT_RATE) -> AudioFormatSpec:
    """How the client's audio comes; for an `Inlet`. ``rate``: in Hz, where the client names none."""
    return _format(session.audio.input.format, rate)


def output_format(
    session: RealtimeSession, rate: int = DEFAULT_RATE
) -> AudioFormatSpec:
    """How the client wants audio; for an `Outlet`. ``rate``: in Hz, where the client names none."""
    return _format(session.audio.output.format, rate)


def to_options(
    session: RealtimeSession,
    settings: GatewaySettings,
    abilities: Abilities,
    rate: int = DEFAULT_RATE,
    within: str = "session",
) -> Options:
    """How the conversation is to be held, with every default filled in.

    The input rate is that of an `Inlet`, whatever the wire's; the output rate is the wire's.

    Args:
        session: what the client asked for.
        settings: of the gateway.
        abilities: of the stages; one that could not be asked is trusted to refuse what it cannot do.
        rate: of PCM where the client names none, in Hz: a setting, or one of the key.
        within: path of the session in the event, for errors.

    Raises:
        WireError: a stage cannot do what is asked for; names what it can.
    """
    try:
        asked = _config(session, abilities, rate)
        options = config.to_options(asked, settings, abilities)
    except AntiphonError as error:
        raise from_antiphon(error, within=within) from None
    if session.instructions == "":
        # The contract's empty instructions are the gateway's; the protocol's are none.
        options = replace(options, instructions="")
    if session.max_output_tokens == "inf":
        sampling = llm_pb2.Sampling()
        sampling.CopyFrom(options.sampling)
        most = options.context // MOST_OF_CONTEXT
        sampling.max_tokens = max(1, min(INFINITE_TOKENS, most))
        options = replace(options, sampling=sampling)
    detection = session.audio.input.turn_detection
    threshold = detection.threshold if isinstance(detection, ServerVad) else None
    return replace(
        options,
        policy=_policy(session, options.policy),
        # As it was said: on its way through the contract it has lost half of its digits.
        speed=session.audio.output.speed or options.speed,
        hints=_hints(session.audio.input.transcription, abilities, within),
        voice_threshold=THRESHOLD if threshold is None else threshold,
    )


# --- what the contract says in its own words --------------------------------------------------------------


def _format(asked: Format | None, rate: int) -> AudioFormatSpec:
    asked = asked or Format()
    own = G711_RATE if asked.type != PCM else rate
    return AudioFormatSpec(asked.type, asked.rate or own)


def _config(
    session: RealtimeSession, abilities: Abilities, rate: int
) -> pb.ConversationConfig:
    voice = session.audio.output.voice
    return pb.ConversationConfig(
        instructions=session.instructions or "",
        voice=names.voice(_name(voice), abilities),
        language=_language(session.audio.input.transcription, abilities),
        model=names.model(session.model or "", abilities),
        input_format=AudioFormat(sample_rate=HEARING_RATE),
        output_format=AudioFormat(sample_rate=output_format(session, rate).rate),
        tools=_tools(session),
        tool_choice=_tool_choice(session),
        sampling=_sampling(session),
        speed=session.audio.output.speed or 0.0,
    )


def _name(voice: str | VoiceId | None) -> str:
    return voice.id if isinstance(voice, VoiceId) else voice or ""


def _language(transcription: Transcription | None, abilities: Abilities) -> str:
    """A tag of the recognizer's; empty for what it does by itself, which is to find out, or to know one language only."""
    asked = transcription.language if transcription else None
    known = list(abilities.stt.languages) if abilities.stt else []
    if not asked or (asked.lower() == "auto" and "auto" not in known):
        return ""
    return names.language(asked, known)


def _tools(session: RealtimeSession) -> list[llm_pb2.Tool]:
    return [
        llm_pb2.Tool(
            name=tool.name,
            description=tool.description or "",
            parameters_json=json.dumps(tool.parameters) if tool.parameters else "",
        )
        for tool in session.tools or ()
    ]


def _tool_choice(session: RealtimeSession) -> llm_pb2.ToolChoice | None:
    choice = session.tool_choice
    if choice is None:
        return None
    if isinstance(choice, FunctionChoice):
        return llm_pb2.ToolChoice(tool=choice.name)
    return llm_pb2.ToolChoice(mode=_CHOICES[choice])


def _sampling(session: RealtimeSession) -> llm_pb2.Sampling:
    most = session.max_output_tokens
    return llm_pb2.Sampling(
        max_tokens=most if isinstance(most, int) else None,
        temperature=session.temperature,
    )


def _hints(
    transcription: Transcription | None, abilities: Abilities, within: str
) -> tuple[str, ...]:
    """Phrases for the recognizer: the keywords, and the prompt's, which stand between commas or on lines."""
    if transcription is None:
        return ()
    said = re.split(r"[,\n]", transcription.prompt or "")
    phrases = [phrase.strip() for phrase in (*(transcription.keywords or ()), *said)]
    hints = tuple(dict.fromkeys(phrase for phrase in phrases if phrase))
    field = "keywords" if transcription.keywords else "prompt"
    param = f"{within}.audio.input.transcription.{field}"
    if hints and abilities.stt and not abilities.stt.hint_phrases:
        problem = "is not supported: the recognizer takes no hints"
        raise refused(param, problem, "null", NOT_SUPPORTED)
    if len(hints) > MOST_HINTS or any(len(hint) > LONGEST_HINT for hint in hints):
        raise refused(
            param,
            "has too many phrases, or too long ones",
            f"{MOST_HINTS} of {LONGEST_HINT} characters, with commas or line breaks between",
        )
    return hints


# --- turns ------------------------------------------------------------------------------------------------


def _policy(session: RealtimeSession, policy: Policy) -> Policy:
    listening = session.audio.input
    detection = listening.turn_detection
    policy = replace(
        policy,
        go_on=False,
        spoken=session.spoken,
        partials=listening.transcription is not None or session.antiphon.partials,
    )
    if detection is None:
        turns = replace(
            policy.turns, endpointing=Endpointing.MANUAL, interrupt=Interrupt.NEVER
        )
        return replace(policy, turns=turns, respond=False, buffered=True)
    turns = replace(
        policy.turns,
        interrupt=_interrupt(detection.interrupt_response, policy.turns.interrupt),
    )
    policy = replace(policy, respond=detection.create_response is not False)
    if isinstance(detection, SemanticVad):
        return replace(policy, turns=_predicted(detection, turns))
    silence = (detection.silence_duration_ms or SILENCE_MS) / 1000
    turns = replace(turns, endpointing=Endpointing.SILENCE, silence=silence)
    return replace(
        policy, turns=turns, preroll=_preroll(detection), idle=_idle(detection)
    )


def _interrupt(wanted: bool | None, usual: Interrupt) -> Interrupt:
    if wanted is False:
        return Interrupt.LISTEN
    # A gateway that lets nobody interrupt would not do what was asked for.
    listens = usual in (Interrupt.NEVER, Interrupt.LISTEN)
    return Interrupt.SPEECH if wanted and listens else usual


def _predicted(detection: SemanticVad, turns: TurnTaking) -> TurnTaking:
    turns = replace(turns, endpointing=Endpointing.PREDICTED)
    if detection.eagerness is None:
        return turns
    eagerness = Eagerness(detection.eagerness)
    shortest, longest = WAITS[eagerness]
    return replace(turns, eagerness=eagerness, min_wait=shortest, max_wait=longest)


def _preroll(detection: ServerVad) -> float:
    padding = detection.prefix_padding_ms
    return (PREFIX_MS if padding is None else padding) / 1000


def _idle(detection: ServerVad) -> Idle | None:
    if detection.idle_timeout_ms is None:
        return None
    after = detection.idle_timeout_ms / 1000
    return Idle(after, Initiative(prompt=PROMPT), MOST_PROMPTS)
