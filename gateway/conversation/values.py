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
    """What speech during an answer does (conversation.proto, `InterruptPolicy`)."""

    ALWAYS = "always"
    SPEECH = "speech"
    WORDS = "words"
    NEVER = "never"


class Endpointing(Enum):
    """How the end of the user's turn is found."""

    PREDICTED = "predicted"
    SILENCE = "silence"
    MANUAL = "manual"


class Eagerness(Enum):
    """How soon to answer, where the end is predicted."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    AUTO = "auto"


class Speculated(Enum):
    """What became of an answer that was made before its turn was decided."""

    USED = "used"
    RESUMED = "resumed"
    SUPERSEDED = "superseded"
    FORGOTTEN = "forgotten"
    FAILED = "failed"


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
class Initiative:
    """Something that the assistant says of its own accord.

    Attributes:
        say: spoken as it is; empty where the model is to find the words.
        prompt: told to the model then, as the user's message.
    """

    say: str = ""
    prompt: str = ""


@dataclass(frozen=True, slots=True)
class Idle:
    """What to do about a user who says nothing.

    Attributes:
        after: seconds of silence since anybody last spoke.
        what: is said then.
        most: times in a row.
    """

    after: float
    what: Initiative
    most: int = 1


@dataclass(frozen=True, slots=True)
class TurnTaking:
    """When it is whose turn, as far as a client chooses. Seconds throughout.

    Attributes:
        endpointing: how the end of the user's turn is found.
        silence: after which the turn ends, where it is not predicted.
        eagerness: how soon to answer, where it is.
        min_wait: silence after words that sound finished for sure.
        max_wait: silence after words that sound unfinished for sure; whatever is predicted, the turn ends then.
        interrupt: what speech during an answer does.
    """

    endpointing: Endpointing = Endpointing.SILENCE
    silence: float = 0.4
    eagerness: Eagerness = Eagerness.AUTO
    min_wait: float = 0.5
    max_wait: float = 2.0
    interrupt: Interrupt = Interrupt.SPEECH


@dataclass(frozen=True, slots=True)
class Policy:
    """How a conversation is held, and how long is waited for whom. Seconds throughout.

    Attributes:
        turns: when it is whose turn.
        soft_end: silence after which a checkpoint is taken, in case the user is done.
        preroll: audio before the start of speech that is transcribed too, since voice activity is noticed late.
        listen_after: voice during an answer after which it is ducked and listened to.
        interrupt_after: voice during an answer that interrupts it, whatever is said.
        speculations: answers begun before their turn is decided, at most in one turn; 0 for none.
        draft_text: characters of such an answer that the voice gets to speak before the turn is decided.
        partials: whether the client wants partial transcripts.
        prefill: whether the model reads the words that will not change any more while the user still speaks.
        longest_utterance: after which the turn is taken to have ended.
        lead: how far ahead of real time audio is sent.
        stt_timeout: wait for the final transcript.
        llm_timeout: wait for the first clause, and from clause to clause.
        tts_timeout: wait for a clause's audio.
        tool_timeout: wait for a tool's result.
        greeting: what is said before the user has said anything.
        idle: what is done about a silent user.
    """

    turns: TurnTaking = TurnTaking()
    soft_end: float = 0.16
    preroll: float = 0.3
    listen_after: float = 0.1
    interrupt_after: float = 0.8
    speculations: int = 3
    draft_text: int = 120
    partials: bool = False
    prefill: bool = False
    longest_utterance: float = 60.0
    lead: float = 0.3
    stt_timeout: float = 15.0
    llm_timeout: float = 30.0
    tts_timeout: float = 15.0
    tool_timeout: float = 60.0
    greeting: Initiative | None = None
    idle: Idle | None = None
