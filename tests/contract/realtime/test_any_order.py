"""Whatever a client does, in any order: what it is told stays in order, and the conversation stays open."""

import random
from collections.abc import Awaitable, Callable

import pytest

from antiphon.v1 import llm_pb2
from services.runtime.errors import EngineError
from tests.fakes.hearing import silence, speech
from tests.fakes.running_realtime import (
    Client,
    RunningRealtime,
    connected,
)
from tests.fakes.stages import Script

STEPS = 50
TOOL = {"type": "function", "name": "look", "parameters": {"type": "object"}}
VAD = {"type": "server_vad", "silence_duration_ms": 200}
UNASKED = {**VAD, "create_response": False, "interrupt_response": False}


def unruly(script: Script, dice: random.Random) -> None:
    """Stages that answer in every way there is, and fail now and then."""

    def write(_request: llm_pb2.GenerateRequest) -> list[str | llm_pb2.ToolCall]:
        call = llm_pb2.ToolCall(
            id=f"call_{dice.random()}", name="look", arguments_json="{}"
        )
        return dice.choice([["Yes."], ["Well. ", call], [call], [], ["No. ", "No."]])

    def fail() -> None:
        if dice.random() < 0.05:
            raise EngineError("out of order")

    script.understand = lambda _samples: dice.choice(["hello there", "mm-hmm", ""])
    script.write = write
    script.before_hearing = script.before_writing = script.before_speaking = fail


class Walk:
    """One client that does whatever comes to its mind."""

    def __init__(self, client: Client, dice: random.Random) -> None:
        self._client = client
        self._dice = dice
        self._marks = 0
        self.steps: list[Callable[[], Awaitable[None]]] = [
            self.speak,
            self.speak,
            self.be_silent,
            self.be_silent,
            self.listen,
            self.listen,
            self.insert,
            self.delete,
            self.truncate,
            self.return_result,
            self.ask,
            self.ask_beside,
            self.change,
            self.send,
        ]

    async def speak(self) -> None:
        await self._client.say(speech(self._dice.choice([0.05, 0.3, 1.0])))

    async def be_silent(self) -> None:
        await self._client.say(silence(self._dice.choice([0.1, 0.4, 0.8])))

    async def listen(self) -> None:
        if self._client.order.responses:
            await self._client.until("response.done")

    async def insert(self) -> None:
        behind = self._dice.choice(["root", *self._client.order.items])
        await self._client.write("hello", previous_item_id=behind)

    async def delete(self) -> None:
        await self._client.send("conversation.item.delete", item_id=self._item())

    async def truncate(self) -> None:
        await self._client.send(
            "conversation.item.truncate",
            item_id=self._item(),
            content_index=0,
            audio_end_ms=self._dice.choice([0, 100, 500]),
        )

    async def return_result(self) -> None:
        items = [event["item"] for event in self._client.all("conversation.item.done")]
        calls = [item["call_id"] for item in items if item["type"] == "function_call"]
        call = self._dice.choice(["none", *calls])
        item = {"type": "function_call_output", "call_id": call, "output": "seen"}
        await self._client.send("conversation.item.create", item=item)

    async def ask(self) -> None:
        await self._client.send("response.create")

    async def ask_beside(self) -> None:
        modality = self._dice.choice(["text", "audio"])
        response = {"conversation": "none", "output_modalities": [modality]}
        await self._client.send("response.create", response=response)

    async def change(self) -> None:
        detection = self._dice.choice([VAD, UNASKED, None])
        session = {"audio": {"input": {"turn_detection": detection}}}
        session["output_modalities"] = [self._dice.choice(["audio", "text"])]
        await self._client.send("session.update", session=session)

    async def send(self) -> None:
        await self._client.send(
            self._dice.choice(
                [
                    "input_audio_buffer.commit",
                    "input_audio_buffer.clear",
                    "response.cancel",
                ]
            )
        )

    async def catch_up(self) -> None:
        """Read what there is: up to the answer to a question that is asked now."""
        self._marks += 1
        mark = f"mark {self._marks}"
        await self._client.send(
            "conversation.item.retrieve", item_id="nobody", event_id=mark
        )
        while (await self._client.error())["event_id"] != mark:
            pass

    def _item(self) -> str:
        return self._dice.choice(["none", *self._client.order.items])


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_whatever_a_client_does_its_events_stay_in_order(
    gateway: RunningRealtime, script: Script, seed: int
) -> None:
    dice = random.Random(seed)
    unruly(script, dice)
    audio = {"input": {"transcription": {"model": "any"}, "turn_detection": VAD}}
    async with connected(gateway, tools=[TOOL], audio=audio) as client:
        walk = Walk(client, dice)
        for _ in range(STEPS):
            await dice.choice(walk.steps)()
            await walk.catch_up()
        assert client.order.ended
        codes = {event["error"]["code"] for event in client.all("error")}
        assert "internal_error" not in codes
