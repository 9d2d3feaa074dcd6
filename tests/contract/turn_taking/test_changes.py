"""A conversation changes when it is whose turn, over the wire."""

import grpc
import pytest

from antiphon.v1 import conversation_pb2 as pb
from services.runtime.units import to_duration
from tests.fakes.endings import MEDIUM, ScriptedEnding, take_turn
from tests.fakes.running_gateway import Client, RunningGateway

# A turn that is never decided hangs its test.
pytestmark = pytest.mark.timeout(30)


MODES = {
    "predicted": {"predicted": {}},
    "silence": {"silence": {"silence": to_duration(0.5)}},
    "manual": {"manual": {}},
}


@pytest.mark.parametrize("before", MODES)
@pytest.mark.parametrize("after", MODES)
async def test_a_change_is_confirmed_and_is_in_force_from_then_on(
    gateway: RunningGateway, ending: ScriptedEnding, before: str, after: str
) -> None:
    client = await Client.open(gateway, turn_taking=MODES[before])
    assert client.got[0].ready.turn_taking.WhichOneof("endpointing") == before
    assert await take_turn(client, ending, before) == "1."
    await client.send(turn_taking=MODES[after])
    told = (await client.until("turn_taking")).turn_taking
    assert told.WhichOneof("endpointing") == after
    assert told.interrupt == pb.INTERRUPT_POLICY_SPEECH
    assert await take_turn(client, ending, after) == "2."
    assert [r.turn_ended.turn for r in client.got if r.HasField("turn_ended")] == [1, 2]


async def test_ready_says_when_it_is_whose_turn(gateway: RunningGateway) -> None:
    client = await Client.open(gateway)
    assert client.got[0].ready.turn_taking == pb.TurnTaking(
        predicted={
            "eagerness": pb.EAGERNESS_MEDIUM,
            "min_wait": to_duration(MEDIUM.min_wait),
            "max_wait": to_duration(MEDIUM.max_wait),
        },
        interrupt=pb.INTERRUPT_POLICY_SPEECH,
    )


@pytest.mark.parametrize(
    ("turn_taking", "field"),
    [
        ({"interrupt": 77}, "turn_taking.interrupt"),
        ({"predicted": {"eagerness": 77}}, "turn_taking.predicted.eagerness"),
        (
            {"silence": {"silence": to_duration(0.01)}},
            "turn_taking.silence.silence",
        ),
    ],
)
async def test_a_change_that_is_not_allowed_is_named(
    gateway: RunningGateway, turn_taking: dict[str, object], field: str
) -> None:
    client = await Client.open(gateway)
    await client.send(turn_taking=turn_taking)
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await client.until("ended")
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert str(error.value.details()).startswith(field)
