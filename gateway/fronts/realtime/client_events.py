"""A client's events as the conversation's own, and what comes of them; a table, with no logic of its own."""

import itertools
import secrets
from dataclasses import replace
from typing import Any

from gateway.conversation import events as e
from gateway.conversation.values import Item, Refusal
from gateway.fronts.realtime import schema
from gateway.fronts.realtime.beside import Beside
from gateway.fronts.realtime.errors import (
    INVALID_ITEM,
    NOT_SUPPORTED,
    NOTHING_TO_CANCEL,
    OPENINGS,
    REFUSALS,
    WireError,
)
from gateway.fronts.realtime.holding import Holding
from gateway.fronts.realtime.items import to_item, to_wire
from gateway.fronts.realtime.new_items import InputItem, ItemReference
from gateway.fronts.realtime.noise import PIECE
from gateway.fronts.realtime.outbox import Outbox
from gateway.fronts.realtime.responses import Manner, Response
from gateway.fronts.realtime.server_events import Teller
from gateway.fronts.realtime.sound import Sound
from gateway.fronts.realtime.wishes import response_session, to_wish
from gateway.session import Session

Event = dict[str, Any]


class Clerk:
    """Does what a client asks of a conversation.

    Args:
        session: that is held.
        holding: how.
        outbox: takes server events.
        beside: gives responses beside it.
        sound: what is played, where audio does not go in events.
    """

    def __init__(
        self,
        session: Session,
        holding: Holding,
        outbox: Outbox,
        beside: Beside,
        sound: Sound | None,
    ) -> None:
        self._session = session
        self._holding = holding
        self._outbox = outbox
        self._beside = beside
        self._sound = sound
        self._keys = itertools.count(1)
        self._wished: dict[int, Manner] = {}
        self._refused = False
        self._manner = holding.manner(session.id)
        self.teller = Teller(holding.session, self._manner_of, holding.rate_limits)

    async def hear(self, event: schema.AudioAppend, arrived: float) -> None:
        """The client's audio, where it comes in events.

        Raises:
            WireError: it is half a sample too long, or does not belong here.
        """
        if self._sound is not None:
            raise WireError(
                "audio comes by the track here; allowed: the track",
                code=NOT_SUPPORTED,
                param="type",
            )
        for samples in self._holding.inlet.pieces(event.audio):
            await self.listen(samples, arrived)

    async def listen(self, samples: bytes, arrived: float) -> None:
        """The client's audio, however it came: PCM16 mono at 16,000 Hz, at ``arrived`` on the loop's clock."""
        noise = self._holding.noise
        if noise is None:
            await self._session.hear(samples, arrived)
            return
        for start in range(0, len(samples), PIECE):
            piece = noise.push(samples[start : start + PIECE])
            await self._session.hear(piece, arrived)

    def obey(self, event: schema.ClientEvent) -> None:
        """Anything else.

        What the conversation refuses is told by a `Refuse` before this returns.

        Raises:
            WireError: it cannot be.
            AntiphonError: likewise.
        """
        session = self._session
        self._refused = False
        match event:
            case schema.SessionUpdate(session=update):
                self._update(update)
            case schema.AudioCommit():
                self._commit()
            case schema.AudioClear():
                session.tell(e.Cleared())
                self.teller.forget_speech()
                self._outbox.put({"type": "input_audio_buffer.cleared"})
            case schema.OutputAudioClear():
                self._clear_output()
            case schema.ItemCreate(item=new, previous_item_id=after):
                item = to_item(new, self._holding.images)
                session.tell(e.ItemCreated(item, after))
            case schema.ItemRetrieve(item_id=id):
                code = INVALID_ITEM["conversation.item.retrieve"]
                whole = to_wire(self._item(id, "item_id", code), whole=True)
                self._outbox.put({"type": "conversation.item.retrieved", "item": whole})
            case schema.ItemDelete(item_id=id):
                session.tell(e.ItemDeleted(id))
            case schema.ItemTruncate(item_id=id, audio_end_ms=end):
                session.tell(e.ItemTruncated(id, end / 1000))
            case schema.ResponseCreate():
                self._respond(event)
            case schema.ResponseCancel(response_id=response_id):
                self._cancel(response_id)
            case schema.AudioAppend():
                raise AssertionError("audio is heard, not obeyed")

    def refused(self) -> None:
        """The conversation has refused what it is just being asked."""
        self._refused = True

    def tell_session(self, what: str) -> None:
        """The session ``created``, or ``updated``."""
        told = self._holding.told(self._session.id)
        self._outbox.put({"type": f"session.{what}", "session": told})

    def _commit(self) -> None:
        before = self.teller.committed
        self._session.tell(e.Committed())
        if self.teller.committed == before and not self._refused:
            # Where voice ends turns, a commit in a silence has nothing to end.
            raise WireError(
                f"{OPENINGS[Refusal.NOTHING_HEARD]}nothing is being said; allowed: a commit while the user speaks",
                code=REFUSALS[Refusal.NOTHING_HEARD],
            )

    # --- the session --------------------------------------------------------------------------------------

    def _update(self, update: Event) -> None:
        wanted = self._holding.session.merged(update)
        options = self._holding.to_options(wanted)
        self._session.update(options)
        self._holding.change(wanted, options)
        self.teller.session = wanted
        self._manner = self._holding.manner(self._session.id)
        self.tell_session("updated")

    # --- responses ----------------------------------------------------------------------------------------

    def _respond(self, event: schema.ResponseCreate) -> None:
        holding, session = self._holding, self._session
        key = next(self._keys)
        wish, options = to_wish(
            event,
            key,
            holding.session,
            holding.settings,
            holding.abilities,
            self._input,
            holding.rate,
        )
        if options is not None:
            options = holding.carried(options)
        params = event.response or schema.ResponseParams()
        wanted = response_session(event, holding.session)
        manner = holding.manner(session.id, wanted, params.metadata)
        if params.conversation != "none":
            self._wished[key] = manner
            session.respond(wish, options)
            if self._refused:
                self._wished.pop(key, None)
            return
        if self._sound is not None and wanted.spoken:
            # The track has one voice, which may be speaking.
            raise WireError(
                "response.output_modalities: beside the conversation nothing is spoken over WebRTC; "
                'allowed: ["text"]',
                code=NOT_SUPPORTED,
                param="response.output_modalities",
            )
        if wish.items is None:
            wish = replace(wish, items=session.items)
        response = Response(_response_id(), replace(manner, conversation_id=None))
        self._beside.respond(
            session, options or holding.options, wish, response, event.event_id
        )

    def _manner_of(self, wish: int) -> tuple[str, Manner]:
        return _response_id(), self._wished.pop(wish, self._manner)

    def _cancel(self, id: str | None) -> None:
        response = self.teller.response
        if response is not None and id in (None, response.id):
            self._session.tell(e.ReplyCancelled())
        elif id is None or not self._beside.cancel(id):
            raise WireError(
                f"{NOTHING_TO_CANCEL} of the id {id!r}" if id else NOTHING_TO_CANCEL,
                code="response_cancel_not_active",
                param="response_id" if id else None,
            )

    def _clear_output(self) -> None:
        if self._sound is None:
            raise WireError(
                "over a WebSocket the client plays audio itself; allowed: response.cancel, conversation.item.truncate",
                code=NOT_SUPPORTED,
                param="type",
            )
        if self.teller.response is not None:
            self._session.tell(e.ReplyCancelled())
        self._sound.stop()

    # --- items --------------------------------------------------------------------------------------------

    def _item(
        self, id: str, param: str, code: str = REFUSALS[Refusal.NO_SUCH_ITEM]
    ) -> Item:
        item = self._session.item(id)
        if item is None:
            raise WireError(
                f"{param}: there is no item {id!r}",
                code=code,
                param=param,
            )
        return item

    def _input(self, new: InputItem, param: str) -> Item:
        """One of the items that a response is to read."""
        if isinstance(new, ItemReference):
            return self._item(new.id, f"{param}.id")
        return to_item(new, self._holding.images, param)


def _response_id() -> str:
    return f"resp_{secrets.token_hex(12)}"
