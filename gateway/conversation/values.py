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


class Speaker(Enum):
    """Who says a message."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


class Outcome(Enum):
    """How a turn went."""

    ANSWERED = "answered"
    INTERRUPTED = "interrupted"
    CANCELLED = "cancelled"
    FAILED = "failed"
    EMPTY = "empty"
    TOOL_CALLS = "tool_calls"
    HEARD = "heard"


class Finish(Enum):
    """Why the model stopped writing."""

    COMPLETE = "complete"
    TOOL_CALLS = "tool_calls"
    LENGTH = "length"
    FILTERED = "filtered"


class Refusal(Enum):
    """What a client wanted that cannot be."""

    INVALID = "invalid"
    NO_SUCH_ITEM = "no_such_item"
    ITEM_EXISTS = "item_exists"
    ANSWERING = "answering"
    NOTHING_HEARD = "nothing_heard"
    TOO_MANY = "too_many"


class Ending(Enum):
    """Why a conversation ended."""

    CLIENT = "client"
    DRAINING = "draining"
    IDLE = "idle"
    TOO_LONG = "too_long"


class Interrupt(Enum):
    """What speech during an answer does (conversation.proto, `InterruptPolicy`)."""

    ALWAYS = "always"
    SPEECH = "speech"
    WORDS = "words"
    NEVER = "never"
    LISTEN = "listen"


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


ROOT = "root"
"""Stands for the place before the first item."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing of a conversation that a client can name: a message, a call of a function, or what that gave back.

    Attributes:
        id: within the conversation; the core makes one up for what no client named.
        speaker: who says it. A call is the assistant's, its result a tool's.
        text: of a message; of a result, its content. What was heard, where it was spoken.
        images: shown with it.
        call: that is asked for; then there is no text.
        call_id: on a tool's item, the call that it answers.
        spoken: whether it was said, and not written.
        complete: whether all of it is there, and all of what was written was heard.
    """

    id: str
    speaker: Speaker
    text: str = ""
    images: tuple[Image, ...] = ()
    call: ToolCall | None = None
    call_id: str = ""
    spoken: bool = False
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Wish:
    """How one answer is to be made, where that differs from the conversation's own way.

    Attributes:
        key: names it, and what the driver keeps of it (tools, sampling, voice); 0 for an answer that nobody wished for.
        instructions: instead of the conversation's; None for those.
        spoken: whether it is spoken; None for as the conversation's answers are.
        items: are all that the model reads besides the instructions; None for the history.
    """

    key: int
    instructions: str | None = None
    spoken: bool | None = None
    items: tuple[Item, ...] | None = None


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
        respond: whether the end of the user's turn is answered; no: an answer has to be asked for.
        go_on: whether the last result of the tools that were called is answered; no: likewise.
        spoken: whether answers are spoken; no: they are text alone.
        buffered: whether `Committed` takes all audio since the last turn, voice or not, where turns end by it alone.
        partials: whether the client wants partial transcripts.
        prefill: whether the model reads the words that will not change any more while the user still speaks.
        longest_utterance: after which the turn is taken to have ended; where `buffered`, so much audio is kept instead.
        lead: how far ahead of real time audio is sent.
        stt_timeout: wait for the final transcript.
        llm_timeout: wait for the first clause, and from clause to clause.
        tts_timeout: wait for a clause's audio.
        tool_timeout: wait for a tool's result.
        longest_silence: after which the conversation ends, since nobody has said anything; None for never.
        longest: after which it ends anyhow; None for never.
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
    respond: bool = True
    go_on: bool = True
    spoken: bool = True
    buffered: bool = False
    partials: bool = False
    prefill: bool = False
    longest_utterance: float = 60.0
    lead: float = 0.3
    stt_timeout: float = 15.0
    llm_timeout: float = 30.0
    tts_timeout: float = 15.0
    tool_timeout: float = 60.0
    longest_silence: float | None = None
    longest: float | None = None
    greeting: Initiative | None = None
    idle: Idle | None = None
