"""The words that everything in the gateway is said in."""

from dataclasses import dataclass
from enum import Enum


class Stage(Enum):
    """Who a turn's time, or its failure, is put down to."""

    STT = "stt"
    LLM = "llm"
    TTS = "tts"
    GATEWAY = "gateway"


class State(Enum):
    """Where a conversation stands (docs/architecture.md, "The life of a turn")."""

    LISTENING = "listening"
    HEARING = "hearing"
    POISED = "poised"
    ANSWERING = "answering"
    INTERRUPTED = "interrupted"


class Outcome(Enum):
    """How a turn went."""

    ANSWERED = "answered"
    INTERRUPTED = "interrupted"
    CANCELLED = "cancelled"
    FAILED = "failed"
    EMPTY = "empty"
    TOOL_CALLS = "tool_calls"


class Interrupt(Enum):
    """What speech during an answer does."""

    SPEECH = "speech"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Ref:
    """Which attempt at which turn something belongs to; anything older than the newest is dropped by it alone.

    Attributes:
        turn: counted from 1; an utterance that is still being heard belongs to the turn it will become.
        revision: attempts at the turn, counted from 1.
    """

    turn: int
    revision: int


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a transcript.

    Attributes:
        text: with its punctuation.
        start: seconds on the input's audio clock.
        end: seconds on the input's audio clock.
        confidence: 0 to 1; 0 where the engine gives none.
    """

    text: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said.

    Attributes:
        text: punctuated; empty where no words were heard.
        words: in order; empty where the engine gives no times.
        language: BCP 47 tag, as detected or as asked for.
        confidence: 0 to 1; 0 where the engine gives none.
    """

    text: str
    words: tuple[Word, ...] = ()
    language: str = ""
    confidence: float = 0.0


@dataclass(frozen=True, slots=True)
class Image:
    """A picture that the user shows.

    Attributes:
        data: encoded picture.
        media_type: such as ``image/png``.
    """

    data: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model asks for a function to be called.

    Attributes:
        id: names the call; its result names it again.
        name: of the function.
        arguments_json: as the model wrote them.
    """

    id: str
    name: str
    arguments_json: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens, as the upstream counted them."""

    prompt: int = 0
    cached: int = 0
    completion: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a turn failed.

    Attributes:
        stage: who failed.
        code: number of the gRPC status code.
        message: what happened and what to do about it.
    """

    stage: Stage
    code: int
    message: str


@dataclass(frozen=True, slots=True)
class Policy:
    """When it is whose turn, and how long to wait for whom. Seconds throughout.

    Attributes:
        silence: after which the turn ends; None where only the client's commit ends it.
        soft_end: silence after which a checkpoint is taken, in case the user is done.
        preroll: audio before the start of speech that is transcribed too, since voice activity is noticed late.
        interrupt: what speech during an answer does.
        interrupt_after: speech needed to interrupt.
        longest_utterance: after which the turn is taken to have ended.
        lead: how far ahead of real time audio is sent.
        stt_timeout: wait for the final transcript.
        llm_timeout: wait for the first clause, and from clause to clause.
        tts_timeout: wait for a clause's audio.
    """

    silence: float | None = 0.4
    soft_end: float = 0.16
    preroll: float = 0.3
    interrupt: Interrupt = Interrupt.SPEECH
    interrupt_after: float = 0.25
    longest_utterance: float = 60.0
    lead: float = 0.3
    stt_timeout: float = 15.0
    llm_timeout: float = 30.0
    tts_timeout: float = 15.0
