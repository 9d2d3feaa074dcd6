"""How a person wants to talk, in the words of the contract."""

from dataclasses import dataclass, field

from antiphon.cli import audio
from antiphon.cli.turns import PREDICTED, PUSH_TO_TALK, SILENCE, Turns
from antiphon.v1.audio_pb2 import AUDIO_ENCODING_PCM_S16LE, AudioFormat
from antiphon.v1.conversation_pb2 import (
    ConversationConfig,
    Eagerness,
    IdlePrompts,
    Initiative,
    InterruptPolicy,
    TurnTaking,
)
from services.runtime.units import to_duration

IDLE_PROMPT = "Are you still there?"
"""Said to a user who says nothing."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """How the user wants to talk; what is None is left to the gateway.

    Attributes:
        voice: a voice from Describe.
        language: BCP 47 tag of what is spoken, or ``auto``.
        instructions: standing instructions for the model.
        model: an alias from Describe.
        speed: of the voice, 1.0 is its own.
        max_tokens: of an answer.
        turns: when it is whose turn.
        greeting: spoken before the user has said anything.
        idle: seconds of silence after which `IDLE_PROMPT` is spoken.
        voice_instructions: how the voice speaks, or what it is like.
        imitate: a recording of a voice to imitate, 16-bit mono PCM at `audio.REFERENCE_RATE`.
        imitate_says: what is said in it.
    """

    voice: str | None = None
    language: str | None = None
    instructions: str | None = None
    model: str | None = None
    speed: float | None = None
    max_tokens: int | None = None
    turns: Turns = field(default_factory=Turns)
    greeting: str | None = None
    idle: float | None = None
    voice_instructions: str | None = None
    imitate: bytes | None = None
    imitate_says: str | None = None

    def config(self) -> ConversationConfig:
        """The first message of the conversation."""
        config = ConversationConfig(
            voice=self.voice or "",
            language=self.language or "",
            instructions=self.instructions or "",
            model=self.model or "",
            speed=self.speed or 0.0,
            interim_transcripts=True,
            voice_instructions=self.voice_instructions or "",
            input_format=AudioFormat(
                encoding=AUDIO_ENCODING_PCM_S16LE, sample_rate=audio.INPUT_RATE
            ),
        )
        if self.turns != Turns():
            config.turn_taking.CopyFrom(to_turn_taking(self.turns))
        if self.max_tokens is not None:
            config.sampling.max_tokens = self.max_tokens
        if self.imitate is not None:
            reference = config.voice_reference
            reference.format.sample_rate = audio.REFERENCE_RATE
            reference.samples = self.imitate
            reference.transcript = self.imitate_says or ""
        if self.greeting:
            config.greeting.say = self.greeting
        if self.idle is not None:
            config.idle.CopyFrom(
                IdlePrompts(
                    after=to_duration(self.idle), what=Initiative(say=IDLE_PROMPT)
                )
            )
        return config


def to_turn_taking(turns: Turns) -> TurnTaking:
    """The same, in the words of the contract; what is None is unset."""
    turn_taking = TurnTaking()
    if turns.mode == SILENCE:
        turn_taking.silence.SetInParent()
        if turns.silence is not None:
            turn_taking.silence.silence.CopyFrom(to_duration(turns.silence))
    elif turns.mode == PUSH_TO_TALK:
        turn_taking.manual.SetInParent()
    elif turns.mode == PREDICTED:
        predicted = turn_taking.predicted
        predicted.SetInParent()
        if turns.eagerness:
            predicted.eagerness = Eagerness.Value(
                f"EAGERNESS_{turns.eagerness.upper()}"
            )
        if turns.min_wait is not None:
            predicted.min_wait.CopyFrom(to_duration(turns.min_wait))
        if turns.max_wait is not None:
            predicted.max_wait.CopyFrom(to_duration(turns.max_wait))
    if turns.interrupt:
        turn_taking.interrupt = InterruptPolicy.Value(
            f"INTERRUPT_POLICY_{turns.interrupt.upper()}"
        )
    return turn_taking
