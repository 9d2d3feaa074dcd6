"""What a client is told when the language model's upstream fails, and that the next question is answered."""

from typing import Any

import grpc
import pytest

from antiphon.v1.conversation_pb2 import (
    TURN_OUTCOME_ANSWERED,
    TURN_OUTCOME_FAILED,
    ConversationConfig,
)
from tests.e2e.house import IMPATIENT, LIMITED, House
from tests.e2e.talking import talking
from tests.fakes.upstream import Answer, Step, chunk, refuses, says

pytestmark = pytest.mark.asyncio(loop_scope="session")

NO_JSON = Answer([chunk(role="assistant", content=None), b"data: {nonsense\n\n"])
SILENT = Answer([chunk(role="assistant", content=None), Step.WAIT])


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (refuses(401, {"message": "who are you?"}), "FAILED_PRECONDITION"),
        (refuses(404, {"message": "no such model"}), "FAILED_PRECONDITION"),
        (refuses(500, {"message": "oh dear"}), "UNAVAILABLE"),
        (NO_JSON, "UNAVAILABLE"),
        (SILENT, "DEADLINE_EXCEEDED"),
    ],
    ids=["401", "404", "500", "no JSON", "silence"],
)
async def test_a_failing_upstream_fails_one_turn_with_its_own_code(
    house: House, answer: Answer, code: str
) -> None:
    def fail_first(body: dict[str, Any]) -> Answer:
        # However often it is asked.
        return says("Yes.") if "now" in body["messages"][-1]["content"] else answer

    house.upstream.answer_to = fail_first
    config = ConversationConfig(model=IMPATIENT)
    async with talking(house.gateway, config) as person:
        failed = (await person.write("Are you there?")).ended
        assert failed.outcome == TURN_OUTCOME_FAILED
        assert failed.error.stage == "llm"
        assert grpc.StatusCode[code].value[0] == failed.error.code, failed.error.message
        assert IMPATIENT in failed.error.message

        answered = await person.write("And now?")
        assert answered.ended.outcome == TURN_OUTCOME_ANSWERED
        assert answered.audio
        assert (await person.finish()).turns == 2


async def test_a_rate_limit_is_told_as_one_and_lasts_as_long_as_it_says(
    house: House,
) -> None:
    house.upstream.answers.append(
        refuses(429, {"message": "slow down"}, Retry_After="60")
    )
    async with talking(house.gateway, ConversationConfig(model=LIMITED)) as person:
        for _ in range(2):
            failed = (await person.write("Are you there?")).ended
            assert failed.error.code == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
            assert "allows no more requests" in failed.error.message
    assert len(house.upstream.exchanges) == 1
