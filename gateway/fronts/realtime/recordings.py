"""Recordings that come as items: put into words before they count, since the model reads and does not hear."""

from dataclasses import dataclass

from antiphon.v1.stage_pb2 import TurnRef
from gateway.conversation.events import FinalHeard
from gateway.conversation.values import Stage
from gateway.fronts.realtime.formats import Inlet
from gateway.fronts.realtime.holding import Holding
from gateway.fronts.realtime.new_items import (
    InputAudio,
    InputImage,
    InputItem,
    InputText,
    UserMessage,
)
from gateway.fronts.realtime.schema import (
    ClientEvent,
    ItemCreate,
    ResponseCreate,
    decoded,
)
from gateway.hearing.tape import BYTES_PER_SECOND, Tape
from gateway.stages.asking import NO_TURN, Dictation, asked
from gateway.stages.directory import Stages
from services.runtime.errors import EngineError


@dataclass(frozen=True, slots=True)
class Recordings:
    """Has them transcribed.

    Attributes:
        stages: the recognizer is one of.
        conversation: id of the one that they come in.
    """

    stages: Stages
    conversation: str

    async def heard(self, event: ClientEvent, holding: Holding) -> ClientEvent:
        """The event, each of its recordings with a transcript.

        Args:
            event: of the client.
            holding: how the conversation is held: format and language are its.

        Raises:
            WireError: one is not audio in that format.
            AntiphonError: the recognizer failed.
        """
        match event:
            case ItemCreate(item=item) if _unheard(item):
                heard = await self._item(item, holding, "item")
                return event.model_copy(update={"item": heard})
            case ResponseCreate(response=params) if params and params.input:
                if not any(_unheard(item) for item in params.input):
                    return event
                items = [
                    await self._item(item, holding, f"response.input[{number}]")
                    for number, item in enumerate(params.input)
                ]
                params = params.model_copy(update={"input": tuple(items)})
                return event.model_copy(update={"response": params})
            case _:
                return event

    async def _item(self, item: InputItem, holding: Holding, param: str) -> InputItem:
        if not isinstance(item, UserMessage):
            return item
        parts: list[InputText | InputAudio | InputImage] = []
        for number, part in enumerate(item.content):
            if isinstance(part, InputAudio) and part.audio and not part.transcript:
                where = f"{param}.content[{number}].audio"
                said = await self._said(part.audio, holding, where)
                parts.append(part.model_copy(update={"transcript": said}))
            else:
                parts.append(part)
        return item.model_copy(update={"content": tuple(parts)})

    async def _said(self, audio: str, holding: Holding, param: str) -> str:
        samples = Inlet(holding.inlet.format).push(decoded(param, audio))
        tape = Tape()
        tape.append(samples)
        seconds = len(samples) / BYTES_PER_SECOND
        patience = holding.settings.stt_timeout + seconds
        options = holding.options
        async with asked(
            Stage.STT,
            lambda inbox, span: Dictation(
                stub=self.stages.stt,
                turn=TurnRef(conversation_id=self.conversation),
                ref=NO_TURN,
                sink=inbox.put,
                tape=tape,
                start=0.0,
                language=options.language,
                interim=False,
                hints=options.hints,
                timeout=patience,
                watch=span,
            ),
        ) as (dictation, heard):
            dictation.feed()
            dictation.finish()
            while (event := await heard.next(patience)) is not None:
                if isinstance(event, FinalHeard):
                    return event.transcript.text
        raise EngineError("stt: the stream ended without a transcript")


def _unheard(item: InputItem) -> bool:
    return isinstance(item, UserMessage) and any(map(_is_unheard, item.content))


def _is_unheard(part: object) -> bool:
    return isinstance(part, InputAudio) and bool(part.audio) and part.transcript is None
