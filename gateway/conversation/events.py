"""What a conversation is told: by its hearing, by its stages, by its client."""

from dataclasses import dataclass

from gateway.conversation.values import (
    Ending,
    Failure,
    Finish,
    Image,
    Item,
    Policy,
    Ref,
    ToolCall,
    Transcript,
    TurnTaking,
    Usage,
    Wish,
)

# --- from hearing: positions on the input's audio clock ---------------------------------------------------


@dataclass(frozen=True, slots=True)
class SpeechBegan:
    """Voice at ``at``, after silence."""

    at: float


@dataclass(frozen=True, slots=True)
class SpeechPaused:
    """No voice since ``at``."""

    at: float


@dataclass(frozen=True, slots=True)
class Heard:
    """All audio up to ``until`` has been listened to; it ``arrived`` then, on the driver's clock."""

    until: float
    arrived: float


@dataclass(frozen=True, slots=True)
class EndPredicted:
    """How likely the user was done at the checkpoint ``id``, 0 to 1; None where nobody could tell."""

    ref: Ref
    id: int
    probability: float | None


# --- from the stages: each carries the revision that it works for -----------------------------------------


@dataclass(frozen=True, slots=True)
class PartialHeard:
    """What the user seems to be saying; the first ``stable`` characters are not expected to change."""

    ref: Ref
    text: str
    stable: int


@dataclass(frozen=True, slots=True)
class CheckpointHeard:
    """The transcript up to the checkpoint ``id``."""

    ref: Ref
    id: int
    transcript: Transcript


@dataclass(frozen=True, slots=True)
class FinalHeard:
    """The transcript of the utterance."""

    ref: Ref
    transcript: Transcript


@dataclass(frozen=True, slots=True)
class TextWritten:
    """The next piece of the reply."""

    ref: Ref
    text: str


@dataclass(frozen=True, slots=True)
class ToolCalled:
    """The model asks for a function to be called."""

    ref: Ref
    call: ToolCall


@dataclass(frozen=True, slots=True)
class ReplyWritten:
    """The model is done."""

    ref: Ref
    usage: Usage
    finish: Finish = Finish.COMPLETE


@dataclass(frozen=True, slots=True)
class ClauseTaken:
    """The voice has begun to speak another stretch of the reply, up to its character ``end``."""

    ref: Ref
    end: int


@dataclass(frozen=True, slots=True)
class AudioSpoken:
    """The next samples of the reply, ``seconds`` long, at ``position`` of its audio clock."""

    ref: Ref
    position: float
    seconds: float
    samples: bytes


@dataclass(frozen=True, slots=True)
class MarkSpoken:
    """The first ``characters`` of the reply are spoken by ``at`` of its audio clock."""

    ref: Ref
    characters: int
    at: float


@dataclass(frozen=True, slots=True)
class ReplySpoken:
    """The voice is done."""

    ref: Ref


@dataclass(frozen=True, slots=True)
class StageFailed:
    """A stage gave up."""

    ref: Ref
    failure: Failure


# --- from the client --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TextSaid:
    """The user wrote something; ``respond``: answer now."""

    text: str
    respond: bool


@dataclass(frozen=True, slots=True)
class ImageShown:
    """The user shows a picture."""

    image: Image


@dataclass(frozen=True, slots=True)
class ToolReturned:
    """A called function gave something back."""

    call_id: str
    content: str


@dataclass(frozen=True, slots=True)
class ItemCreated:
    """The client puts an item behind the one named ``after``: `ROOT` for the beginning, None for the end."""

    item: Item
    after: str | None = None


@dataclass(frozen=True, slots=True)
class ItemDeleted:
    """The client wants an item forgotten."""

    id: str


@dataclass(frozen=True, slots=True)
class ItemTruncated:
    """The listener heard the assistant's item only up to ``heard`` of its audio clock."""

    id: str
    heard: float


@dataclass(frozen=True, slots=True)
class Respond:
    """The client wants an answer to what the history ends with, or to what the user is just saying."""

    wish: Wish


@dataclass(frozen=True, slots=True)
class MannerChanged:
    """From now on the conversation is held like this. Its turn-taking is part of the policy."""

    policy: Policy
    instructions: str


@dataclass(frozen=True, slots=True)
class Committed:
    """The user is done speaking, says the client."""


@dataclass(frozen=True, slots=True)
class Cleared:
    """The client wants the speech since the last turn forgotten."""


@dataclass(frozen=True, slots=True)
class ReplyCancelled:
    """The client wants the answer stopped."""


@dataclass(frozen=True, slots=True)
class ReplyTruncated:
    """The listener heard turn ``turn``'s answer only up to ``heard`` of its audio clock."""

    turn: int
    heard: float


@dataclass(frozen=True, slots=True)
class TurnTakingChanged:
    """The client wants turns to be taken otherwise from now on."""

    turns: TurnTaking


@dataclass(frozen=True, slots=True)
class InputEnded:
    """Nothing more will come from the client, or nothing more is wanted: finish the turn in progress."""

    why: Ending = Ending.CLIENT


Event = (
    SpeechBegan
    | SpeechPaused
    | Heard
    | EndPredicted
    | PartialHeard
    | CheckpointHeard
    | FinalHeard
    | TextWritten
    | ToolCalled
    | ReplyWritten
    | ClauseTaken
    | AudioSpoken
    | MarkSpoken
    | ReplySpoken
    | StageFailed
    | TextSaid
    | ImageShown
    | ItemCreated
    | ItemDeleted
    | ItemTruncated
    | Respond
    | MannerChanged
    | ToolReturned
    | Committed
    | Cleared
    | ReplyCancelled
    | ReplyTruncated
    | TurnTakingChanged
    | InputEnded
)
