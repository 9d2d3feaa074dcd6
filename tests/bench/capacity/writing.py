"""The language model: people who ask, and ask again as soon as they have heard the answer."""

import asyncio
import re
from typing import Any

from antiphon.v1 import llm_pb2
from antiphon.v1.llm_pb2_grpc import LanguageModelStub
from antiphon.v1.stage_pb2 import TurnRef
from services.runtime.channel import open_channel
from services.runtime.streams import read
from tests.bench.capacity.load import Load
from tests.bench.latency import TURNS_IN_A_CONVERSATION

INSTRUCTIONS = "You are a helpful voice assistant. Keep your answers short."
QUESTIONS = (
    "My name is Peter.",
    "I live in Paris and I like the sea.",
    "What is the capital of France?",
    "How many days are there in a week?",
    "What color is the sky?",
    "What do bees make?",
    "Where do I live?",
)
MOST_TOKENS = 40
"""Of an answer, as in the other benchmarks; it takes about eight seconds to say."""

CHARACTERS_PER_SECOND = 15.0
"""At which the default voice speaks English."""

ARRIVING = 8.0

_CLAUSE = re.compile(r"\S+\s+\S+.*?[,.;:!?]|(\S+\s+){10}", re.DOTALL)
"""What the voice takes for a first clause: two words and a mark, or ten words (services/tts/settings.py)."""


class Readers:
    """People who are answered by one model.

    Args:
        address: of the stage.
    """

    def __init__(self, address: str) -> None:
        self._channel = open_channel(address)
        self._stub = LanguageModelStub(self._channel)
        self._conversations = 0

    async def close(self) -> None:
        await self._channel.close()

    async def claimed(self) -> int:
        described: Any = await self._stub.Describe(
            llm_pb2.LanguageModelDescribeRequest()
        )
        return int(described.capacity.streams)

    async def person(self, index: int, load: Load) -> None:
        loop = asyncio.get_running_loop()
        # Everybody is somewhere else in their conversation.
        turns = index % TURNS_IN_A_CONVERSATION
        while not load.over:
            self._conversations += 1
            said = [_message(llm_pb2.ROLE_SYSTEM, INSTRUCTIONS)]
            turn = TurnRef(conversation_id=f"capacity-{self._conversations}")
            await self._stub.Prepare(llm_pb2.PrepareRequest(turn=turn, messages=said))
            for number in range(turns, TURNS_IN_A_CONVERSATION):
                if load.over:
                    return
                said.append(_message(llm_pb2.ROLE_USER, QUESTIONS[number]))
                asked, answer = loop.time(), ""
                with load.stream():
                    answer = await self._answer(turn, said, load)
                said.append(_message(llm_pb2.ROLE_ASSISTANT, answer or "Yes."))
                heard = asked + max(1.0, len(answer) / CHARACTERS_PER_SECOND)
                await asyncio.sleep(heard - loop.time())
            turns = 0

    async def _answer(
        self, turn: TurnRef, said: list[llm_pb2.Message], load: Load
    ) -> str:
        loop = asyncio.get_running_loop()
        request = llm_pb2.GenerateRequest(turn=turn, messages=said)
        request.sampling.max_tokens = MOST_TOKENS
        asked, text, waiting = loop.time(), "", True
        call: Any = self._stub.Generate(request, timeout=60)
        try:
            while (response := await read(call)) is not None:
                text += response.text
                if waiting and (_CLAUSE.match(text) or response.HasField("summary")):
                    waiting = False
                    load.waited(loop.time() - asked)
        finally:
            call.cancel()
        return text


def _message(role: Any, text: str) -> llm_pb2.Message:
    return llm_pb2.Message(role=role, content=[llm_pb2.ContentPart(text=text)])
