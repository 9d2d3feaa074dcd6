"""What a client asked for, checked and with every default filled in."""

from dataclasses import dataclass

from antiphon.v1 import llm_pb2, tts_pb2
from gateway.conversation.values import Policy


@dataclass(frozen=True, slots=True)
class Options:
    """How to hold one conversation.

    Attributes:
        instructions: said to the model first.
        voice: name; empty for the stage's default.
        language: BCP 47 tag of what is heard; empty for the stage's default.
        reply_language: BCP 47 tag of what is spoken; empty for the voice's own.
        model: alias; empty for the default.
        input_rate: of the client's audio, in Hz.
        output_rate: of the audio that the client wants, in Hz.
        tools: functions on offer.
        tool_choice: None for the model's own choice.
        sampling: how to choose tokens.
        context: tokens that the model's prompt and reply may have together.
        policy: how it is held.
        speed: of the voice, relative.
        voice_instructions: how the voice speaks, or what it is like; empty for as it comes.
        voice_reference: a voice to imitate, if any.
        hints: phrases that the user is likely to say, for the recognizer.
        voice_threshold: probability at which the user's voice begins, 0 to 1.
    """

    instructions: str
    voice: str
    language: str
    reply_language: str
    model: str
    input_rate: int
    output_rate: int
    tools: tuple[llm_pb2.Tool, ...]
    tool_choice: llm_pb2.ToolChoice | None
    sampling: llm_pb2.Sampling
    context: int
    policy: Policy
    speed: float
    voice_instructions: str
    voice_reference: tts_pb2.ReferenceAudio | None
    hints: tuple[str, ...] = ()
    voice_threshold: float = 0.5
