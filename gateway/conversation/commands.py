"""What a conversation asks for: of the stages, and to be told to the client."""

from dataclasses import dataclass

from gateway.conversation.prompt import Message
from gateway.conversation.values import (
    Ending,
    Failure,
    Finish,
    Item,
    Outcome,
    Ref,
    Refusal,
    Speculated,
    ToolCall,
    Transcript,
    TurnTaking,
    Usage,
)
from gateway.conversation.waterfall import Waterfall

# --- to the stages ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Prepare:
    """Warm the model's cache with the beginning of the prompts to come.

    ``opening``: every prompt of the conversation begins so; a model that refuses it refuses the conversation.
    """

    messages: tuple[Message, ...]
    opening: bool


@dataclass(frozen=True, slots=True)
class Transcribe:
    """Open an utterance and stream the input's audio into it from position ``start`` on.

    ``partials``: what the user seems to be saying is wanted meanwhile. ``began_at``: they began to say it, on the
    driver's clock.
    """

    ref: Ref
    start: float
    partials: bool
    began_at: float


@dataclass(frozen=True, slots=True)
class TakeCheckpoint:
    """Ask for a transcript of what has been heard, and hold audio back until `ResumeTranscribe`."""

    ref: Ref
    id: int


@dataclass(frozen=True, slots=True)
class PredictEnd:
    """Ask how likely the user is done, by the sound of the input's audio from ``start`` to ``end``."""

    ref: Ref
    id: int
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class ResumeTranscribe:
    """The user goes on: stream what was held back and what comes."""

    ref: Ref


@dataclass(frozen=True, slots=True)
class FinishTranscribe:
    """The utterance is over; held audio is dropped, other audio is streamed to its end."""

    ref: Ref


@dataclass(frozen=True, slots=True)
class CancelTranscribe:
    """Nobody needs this utterance any more."""

    ref: Ref


@dataclass(frozen=True, slots=True)
class Generate:
    """Open a reply to the prompt; ``wish`` is the key of the `Wish` that it fulfils, 0 for none."""

    ref: Ref
    messages: tuple[Message, ...]
    wish: int = 0


@dataclass(frozen=True, slots=True)
class Speak:
    """Hand text to the voice; the first piece opens it."""

    ref: Ref
    text: str


@dataclass(frozen=True, slots=True)
class FinishSpeaking:
    """All text has been handed over."""

    ref: Ref


@dataclass(frozen=True, slots=True)
class CancelReply:
    """Stop writing and speaking the reply."""

    ref: Ref


# --- to whoever watches -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NoteSpeculation:
    """What became of an answer that was begun before its turn was decided, and what it cost.

    Attributes:
        ref: of the answer.
        outcome: what became of it.
        tokens: of the answer; pieces of text where the upstream has not counted them yet, about a token each.
        audio: seconds that were synthesised.
    """

    ref: Ref
    outcome: Speculated
    tokens: int
    audio: float


@dataclass(frozen=True, slots=True)
class NoteEndpointing:
    """Speech became a turn, or an answer to earlier speech was asked for. Instants are on the driver's clock.

    Attributes:
        turn: that answers it.
        spoke_until: the user's last sound was made.
        due_at: the silence had been long enough.
        awaited_from: the transcript was waited for since then.
    """

    turn: int
    spoke_until: float
    due_at: float
    awaited_from: float


# --- to the client ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TellSpeechStarted:
    """The user began to speak at ``at`` of the input's audio clock, which will become ``item``."""

    at: float
    item: str = ""


@dataclass(frozen=True, slots=True)
class TellSpeechStopped:
    """The user stopped speaking at ``at`` of the input's audio clock."""

    at: float


@dataclass(frozen=True, slots=True)
class TellPartial:
    """What the user seems to be saying."""

    text: str
    stable: int
    item: str = ""


@dataclass(frozen=True, slots=True)
class TellCommitted:
    """The user is done: what they said from ``start`` to ``end`` of the input's audio clock is an item of the history.

    It stands behind ``after`` (None: first), and its text follows, with `TellTranscript` or `TellUnheard`.
    """

    item: str
    after: str | None
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class TellUnheard:
    """Nobody could tell what the user said."""

    item: str
    failure: Failure


@dataclass(frozen=True, slots=True)
class TellTranscript:
    """What the user said; the empty text where no words were understood."""

    turn: int
    transcript: Transcript
    item: str = ""


@dataclass(frozen=True, slots=True)
class TellResponding:
    """It is the assistant's turn; ``wish`` is the key of the `Wish` that it fulfils, 0 for none.

    Each is ended by a `TellTurnEnded`; a turn that ends without it had nothing to answer.
    """

    turn: int
    wish: int = 0


@dataclass(frozen=True, slots=True)
class TellReplyStarted:
    """An answer begins: ``item``, behind ``after`` (None: first).

    The item is in the history as soon as it has text; an answer that is nothing but calls of tools has none.
    """

    turn: int
    item: str = ""
    after: str | None = None


@dataclass(frozen=True, slots=True)
class TellText:
    """The next piece of the answer's text."""

    turn: int
    text: str


@dataclass(frozen=True, slots=True)
class TellAudio:
    """The next piece of the answer's audio, at ``position`` of its audio clock."""

    turn: int
    position: float
    seconds: float
    samples: bytes


@dataclass(frozen=True, slots=True)
class TellToolCall:
    """The model asks for a function to be called: ``item``, behind ``after`` (None: first)."""

    turn: int
    call: ToolCall
    item: str = ""
    after: str | None = None


@dataclass(frozen=True, slots=True)
class TellDucked:
    """Play the answer quietly, or as loud as before: somebody speaks into it."""

    turn: int
    ducked: bool


@dataclass(frozen=True, slots=True)
class TellTurnTaking:
    """This is in force from now on."""

    turns: TurnTaking


@dataclass(frozen=True, slots=True)
class TellInterrupted:
    """Stop playing; what lies past ``at`` of the answer's audio clock was not heard."""

    turn: int
    at: float


@dataclass(frozen=True, slots=True)
class TellIdle:
    """Nobody has spoken from ``start`` to ``end`` of the input's audio clock, and the assistant prompts the user to.

    What it is told instead of the user's words is ``item``, behind ``after`` (None: first); its answer follows.
    """

    item: str
    after: str | None
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class TellItem:
    """The client's item is in the history, behind ``after`` (None: first)."""

    item: Item
    after: str | None


@dataclass(frozen=True, slots=True)
class TellItemDeleted:
    """The item is forgotten, since the client wants it so, or since what was said became part of the next item."""

    id: str


@dataclass(frozen=True, slots=True)
class TellItemTruncated:
    """The history keeps what was heard of the item up to ``heard`` of its audio clock."""

    id: str
    heard: float


@dataclass(frozen=True, slots=True)
class TellTurnEnded:
    """What became of a turn."""

    turn: int
    outcome: Outcome
    heard_text: str
    waterfall: Waterfall | None
    usage: Usage
    failure: Failure | None
    finish: Finish = Finish.COMPLETE


@dataclass(frozen=True, slots=True)
class Refuse:
    """The client did what the contract does not allow. Nothing has changed; whether to go on is the front's to say."""

    field: str
    problem: str
    why: Refusal = Refusal.INVALID


@dataclass(frozen=True, slots=True)
class Close:
    """All is said: end the conversation."""

    turns: int
    why: Ending = Ending.CLIENT


StageCommand = (
    Prepare
    | Transcribe
    | TakeCheckpoint
    | PredictEnd
    | ResumeTranscribe
    | FinishTranscribe
    | CancelTranscribe
    | Generate
    | Speak
    | FinishSpeaking
    | CancelReply
)
Notice = (
    TellSpeechStarted
    | TellSpeechStopped
    | TellPartial
    | TellCommitted
    | TellUnheard
    | TellTranscript
    | TellResponding
    | TellReplyStarted
    | TellText
    | TellAudio
    | TellToolCall
    | TellDucked
    | TellTurnTaking
    | TellInterrupted
    | TellIdle
    | TellItem
    | TellItemDeleted
    | TellItemTruncated
    | TellTurnEnded
    | Refuse
    | Close
)
Command = StageCommand | NoteSpeculation | NoteEndpointing | Notice
