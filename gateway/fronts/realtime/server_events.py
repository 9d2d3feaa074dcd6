"""The conversation's notices as server events; a table, with what it has to remember between two of them."""

from collections.abc import Callable
from typing import Any

from gateway.conversation import commands as c
from gateway.conversation.values import Outcome, Transcript
from gateway.fronts.realtime.errors import (
    OPENINGS,
    REFUSALS,
    SERVER,
    WireError,
    from_antiphon,
)
from gateway.fronts.realtime.items import spoken_message, to_wire
from gateway.fronts.realtime.responses import Manner, Response, error
from gateway.fronts.realtime.schema import RealtimeSession
from services.runtime.errors import InvalidArgument

Event = dict[str, Any]

SHARES = ("total", "endpointing", "stt", "llm", "tts", "gateway", "saved")
"""Of a waterfall, as its event names them."""


_PARAMS = {"commit": "", "respond": "", "heard": "audio_end_ms"}
"""What the conversation calls otherwise than the protocol; empty where no field is wrong, but all of the event."""


class Teller:
    """Tells one conversation.

    Args:
        session: how it is held; whoever changes it says so by setting `session`.
        manner: how the answer to the wish with a key is told; 0 where nobody wished for it.
        rate_limits: what the client has left; empty where nothing is limited.

    Attributes:
        session: how it is held.
        response: the one that is under way; None for none.
        committed: the item that was committed last; empty for none.
    """

    def __init__(
        self,
        session: RealtimeSession,
        manner: Callable[[int], tuple[str, Manner]],
        rate_limits: Callable[[], list[Event]],
    ) -> None:
        self.session = session
        self.response: Response | None = None
        self.committed = ""
        self._manner = manner
        self._rate_limits = rate_limits
        self._utterance = ""
        self._started = False
        self._told: dict[str, str] = {}
        self._seconds: dict[str, float] = {}
        self._unheard = False

    def tell(self, notice: c.Notice, by_client: bool = False) -> list[Event]:
        """The events that stand for a notice, in order.

        Args:
            notice: from the conversation.
            by_client: whether the client is why, where an answer was stopped.
        """
        match notice:
            case c.TellSpeechStarted(at, item):
                return self._speech_started(at, item)
            case c.TellPartial():
                return self._partial(notice)
            case c.TellCommitted():
                return self._committed(notice)
            case c.TellTranscript(_, transcript, item):
                return self._transcribed(item, transcript)
            case c.TellUnheard():
                return self._not_transcribed(notice)
            case c.TellIdle():
                return _idle(notice)
            case c.TellResponding(_, wish):
                return self._responding(wish)
            case c.TellReplyStarted() | c.TellText() | c.TellAudio() | c.TellToolCall():
                return self.response.tell(notice) if self.response else []
            case c.TellTurnEnded():
                return self._turn_ended(notice, by_client)
            case c.TellDucked(_, ducked):
                return self._ducked(ducked)
            case c.TellItem(item, after):
                return added(to_wire(item), after)
            case c.TellItemDeleted(id):
                if self.response is not None:
                    self.response.forget(id)
                return [{"type": "conversation.item.deleted", "item_id": id}]
            case c.TellItemTruncated(id, heard):
                return [truncated(id, heard)]
            case c.Refuse():
                return [refusal(notice).to_event("")]
            case (
                c.TellSpeechStopped()
                | c.TellTurnTaking()
                | c.TellInterrupted()
                | c.Close()
            ):
                return []

    def forget_speech(self) -> None:
        """The client has had the speech since the last turn forgotten."""
        self._started = False
        self._utterance = ""

    # --- the user speaks ----------------------------------------------------------------------------------

    def _speech_started(self, at: float, item: str) -> list[Event]:
        if item == self._utterance:
            # After a pause that turned out to be one within the utterance.
            return []
        events = self._speech_stopped(at) if self._started else []
        if self._utterance not in self._seconds:
            # It came to nothing, and nobody will say what it was.
            self._told.pop(self._utterance, None)
        self._utterance = item
        self._started = self.session.audio.input.turn_detection is not None
        if self._started:
            events.append(
                {
                    "type": "input_audio_buffer.speech_started",
                    "audio_start_ms": _ms(at),
                    "item_id": item,
                }
            )
        return events

    def _speech_stopped(self, at: float) -> list[Event]:
        self._started = False
        return [
            {
                "type": "input_audio_buffer.speech_stopped",
                "audio_end_ms": _ms(at),
                "item_id": self._utterance,
            }
        ]

    def _committed(self, notice: c.TellCommitted) -> list[Event]:
        item, after = notice.item, notice.after
        events: list[Event] = []
        if item == self._utterance and self._started:
            events += self._speech_stopped(notice.end)
        self.committed = item
        self._seconds[item] = notice.end - notice.start
        return [
            *events,
            {
                "type": "input_audio_buffer.committed",
                "previous_item_id": after,
                "item_id": item,
            },
            *added(spoken_message(item), after),
        ]

    def _partial(self, notice: c.TellPartial) -> list[Event]:
        """Deltas add up to a transcript, so they hold what will not change any more."""
        if notice.item != self._utterance or not notice.item:
            return []
        events: list[Event] = []
        stable = notice.text[: notice.stable]
        if self._transcribing:
            events = _delta(notice.item, self._told.get(notice.item, ""), stable)
            if events:
                self._told[notice.item] = stable
        if self.session.antiphon.partials:
            events.append(
                {
                    "type": "antiphon.input.partial",
                    "item_id": notice.item,
                    "text": notice.text,
                    "stable": notice.stable,
                }
            )
        return events

    def _transcribed(self, item: str, transcript: Transcript) -> list[Event]:
        seconds = self._seconds.pop(item, None)
        told = self._told.pop(item, "")
        if seconds is None or not self._transcribing:
            return []
        text = transcript.text
        events = _delta(item, told, text)
        return [
            *events,
            {
                "type": "conversation.item.input_audio_transcription.completed",
                "item_id": item,
                "content_index": 0,
                "transcript": text,
                "usage": {"type": "duration", "seconds": round(seconds, 3)},
            },
        ]

    def _not_transcribed(self, notice: c.TellUnheard) -> list[Event]:
        self._seconds.pop(notice.item, None)
        self._told.pop(notice.item, None)
        if not self._transcribing:
            return []
        self._unheard = True
        return [
            {
                "type": "conversation.item.input_audio_transcription.failed",
                "item_id": notice.item,
                "content_index": 0,
                "error": error(notice.failure),
            }
        ]

    @property
    def _transcribing(self) -> bool:
        return self.session.audio.input.transcription is not None

    # --- the assistant answers ----------------------------------------------------------------------------

    def _responding(self, wish: int) -> list[Event]:
        self.response = Response(*self._manner(wish))
        events = self.response.created()
        if limits := self._rate_limits():
            events.append({"type": "rate_limits.updated", "rate_limits": limits})
        return events

    def _turn_ended(self, notice: c.TellTurnEnded, by_client: bool) -> list[Event]:
        response, self.response = self.response, None
        unheard, self._unheard = self._unheard, False
        if response is not None:
            events = response.tell(notice, by_client)
            return [*events, *self._waterfall(notice, response)]
        if notice.outcome is Outcome.FAILED and notice.failure and not unheard:
            # There is no response that could say so.
            told = error(notice.failure)
            failed = WireError(told["message"], type=SERVER, code=told["code"])
            return [failed.to_event("")]
        return []

    def _waterfall(self, notice: c.TellTurnEnded, response: Response) -> list[Event]:
        waterfall = notice.waterfall
        if waterfall is None or not self.session.antiphon.waterfall:
            return []
        return [
            {
                "type": "antiphon.turn.waterfall",
                "turn": notice.turn,
                "response_id": response.id,
                "outcome": notice.outcome.value,
                "heard_text": notice.heard_text,
                **{f"{share}_ms": _ms(getattr(waterfall, share)) for share in SHARES},
                "overruns": list(waterfall.overruns),
                "budgets_ms": {
                    share: _ms(seconds) for share, seconds in waterfall.budgets.items()
                },
            }
        ]

    def _ducked(self, ducked: bool) -> list[Event]:
        if self.response is None or not self.session.antiphon.ducking:
            return []
        return [
            {
                "type": "antiphon.response.ducked",
                "response_id": self.response.id,
                "ducked": ducked,
            }
        ]


def _delta(item: str, told: str, text: str) -> list[Event]:
    """What came to a transcript of which ``told`` was; nothing where it has become another one."""
    if not text.startswith(told) or text == told:
        return []
    return [
        {
            "type": "conversation.item.input_audio_transcription.delta",
            "item_id": item,
            "content_index": 0,
            "delta": text[len(told) :],
        }
    ]


def _idle(notice: c.TellIdle) -> list[Event]:
    """The silence is an item, as if it had been said."""
    item, after = notice.item, notice.after
    return [
        {
            "type": "input_audio_buffer.timeout_triggered",
            "audio_start_ms": _ms(notice.start),
            "audio_end_ms": _ms(notice.end),
            "item_id": item,
        },
        {
            "type": "input_audio_buffer.committed",
            "previous_item_id": after,
            "item_id": item,
        },
        *added(spoken_message(item), after),
    ]


def refusal(notice: c.Refuse) -> WireError:
    """What the conversation refuses, as the client is told."""
    field = _PARAMS.get(notice.field, notice.field)
    problem = f"{OPENINGS.get(notice.why, '')}{notice.problem}"
    refused = from_antiphon(InvalidArgument(field, problem))
    refused.code = REFUSALS[notice.why]
    return refused


def added(item: Event, after: str | None) -> list[Event]:
    """An item is in the conversation, and whole."""
    return [
        {"type": f"conversation.item.{what}", "previous_item_id": after, "item": item}
        for what in ("added", "done")
    ]


def truncated(item: str, heard: float) -> Event:
    """The history keeps what was heard of an item up to ``heard`` seconds."""
    return {
        "type": "conversation.item.truncated",
        "item_id": item,
        "content_index": 0,
        "audio_end_ms": _ms(heard),
    }


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
