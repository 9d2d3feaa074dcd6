"""The gateway against its contract, with scripted stages behind it."""

import asyncio

import grpc
import pytest

from antiphon.v1 import conversation_pb2 as pb
from antiphon.v1 import llm_pb2
from antiphon.v1.conversation_pb2_grpc import ConversationStub
from gateway.fronts import outbox
from services.runtime.errors import (
    AntiphonError,
    EngineError,
    FailedPrecondition,
    Full,
    InvalidArgument,
    Unavailable,
)
from tests.fakes.hearing import silence, speech
from tests.fakes.running_gateway import Client, RunningGateway, ask, running
from tests.fakes.stages import Script, serving, spoken_text


async def test_a_spoken_question_gets_a_spoken_answer(
    gateway: RunningGateway, script: Script
) -> None:
    client = await Client.open(gateway)
    ended = await ask(client)
    assert ended.outcome == pb.TURN_OUTCOME_ANSWERED
    assert ended.heard_text == "You said: question 1."
    assert spoken_text(client.audio(turn=1)) == "You said: question 1."
    order = list(dict.fromkeys(client.kinds()))
    assert order == [
        "ready", "speech_started", "speech_stopped", "user_transcript", "reply_started", "reply_text",
        "reply_audio", "turn_ended",
    ]  # fmt: skip


async def test_the_waterfall_adds_up(gateway: RunningGateway) -> None:
    client = await Client.open(gateway)
    waterfall = (await ask(client)).waterfall
    shares = [
        getattr(waterfall, name)
        for name in ("endpointing", "stt", "llm", "tts", "gateway")
    ]
    total = (
        sum(share.ToNanoseconds() for share in shares) - waterfall.saved.ToNanoseconds()
    )
    assert abs(total - waterfall.total.ToNanoseconds()) <= len(shares)


async def test_half_close_finishes_the_turn_in_progress(
    gateway: RunningGateway,
) -> None:
    client = await Client.open(gateway)
    await client.say(speech(0.5))
    await client.call.done_writing()
    ended = await client.until("ended")
    assert "turn_ended" in client.kinds()
    assert ended.ended.turns == 1
    assert ended.ended.ending == pb.CONVERSATION_ENDING_CLIENT
    assert await client.next() is None


@pytest.mark.parametrize(
    ("settings", "ending"),
    [
        ({"longest_silence": 0.2}, pb.CONVERSATION_ENDING_IDLE),
        ({"longest_conversation": 0.2}, pb.CONVERSATION_ENDING_TOO_LONG),
    ],
)
async def test_a_conversation_that_nobody_ends_says_why_it_ended(
    script: Script,
    settings: dict[str, float],
    ending: pb.ConversationEnding,
) -> None:
    async with serving(script) as stages, running(stages, **settings) as gateway:
        client = await Client.open(gateway)
        assert (await client.until("ended")).ended.ending == ending
        assert await client.next() is None


async def test_a_conversation_that_lasts_too_long_is_answered_to_its_end(
    script: Script,
) -> None:
    async with (
        serving(script) as stages,
        running(stages, longest_conversation=0.4) as gateway,
    ):
        client = await Client.open(gateway)
        ended = await ask(client)
        assert ended.outcome == pb.TURN_OUTCOME_ANSWERED
        closed = (await client.until("ended")).ended
    assert closed.ending == pb.CONVERSATION_ENDING_TOO_LONG


async def test_history_reaches_the_model_whole(
    gateway: RunningGateway, script: Script
) -> None:
    client = await Client.open(gateway)
    for _ in range(3):
        await ask(client)
    said = [message.content[0].text for message in script.requests[-1].messages[1:]]
    assert said == [
        "question 1", "You said: question 1.", "question 2", "You said: question 2.", "question 3",
    ]  # fmt: skip


async def test_audio_before_config_is_refused(gateway: RunningGateway) -> None:
    client = Client(gateway.stub.Converse())
    await client.send(audio={"samples": speech(0.1)})
    with pytest.raises(grpc.aio.AioRpcError, match="config") as error:
        await client.next()
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({"audio": {"samples": b"odd"}}, "audio.samples"),
        ({"audio": {"samples": bytes(11 * 32_000)}}, "audio.samples"),
        ({"text": {"text": "  "}}, "text.text"),
        ({"image": {"image": {"data": b"x", "media_type": "image/png"}}}, "image"),
        ({"tool_result": {"tool_call_id": "none"}}, "tool_result.tool_call_id"),
        ({"truncate": {"turn": 9}}, "truncate.turn"),
        ({"truncate": {"turn": 1, "heard": {"seconds": -5}}}, "truncate.heard"),
        (
            {"tool_result": {"tool_call_id": "x", "content": "y" * 70_000}},
            "tool_result.content",
        ),
        ({"config": {}}, "config"),
        ({}, "message"),
    ],
)
async def test_bad_messages_name_the_field_and_the_next_client_is_served(
    gateway: RunningGateway, message: dict[str, object], field: str
) -> None:
    client = await Client.open(gateway)
    await client.send(**message)
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await client.until("ended")
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert field in str(error.value.details())
    assert (await ask(await Client.open(gateway))).outcome == pb.TURN_OUTCOME_ANSWERED


@pytest.mark.parametrize(
    ("image", "field"),
    [
        ({"data": b"GIF89a", "media_type": "image/gif"}, "image.image.media_type"),
        ({"data": b"", "media_type": "image/png"}, "image.image.data"),
    ],
)
async def test_a_picture_that_no_model_takes_is_refused_before_it_spoils_the_history(
    script: Script, image: dict[str, object], field: str
) -> None:
    script.images = True
    async with serving(script) as stages, running(stages) as gateway:
        client = await Client.open(gateway)
        await client.send(image={"image": image})
        with pytest.raises(grpc.aio.AioRpcError, match=field):
            await client.until("ended")


async def test_an_utterance_within_one_message_is_heard(
    gateway: RunningGateway,
) -> None:
    client = await Client.open(gateway)
    await client.send(
        audio={
            "samples": silence(0.5)
            + speech(0.5)
            + silence(1.0)
            + speech(0.5)
            + silence(1.0)
        }
    )
    assert (
        await client.until("turn_ended")
    ).turn_ended.outcome == pb.TURN_OUTCOME_INTERRUPTED
    assert (
        await client.until("turn_ended")
    ).turn_ended.outcome == pb.TURN_OUTCOME_ANSWERED


@pytest.mark.parametrize(
    "gate", ["before_hearing", "before_writing", "before_speaking"]
)
@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Full("full"), 8),
        (Unavailable("gone"), 14),
        (EngineError("broken"), 13),
        (FailedPrecondition("no key"), 9),
    ],
)
async def test_a_stage_that_fails_fails_the_turn_by_name_and_code(
    gateway: RunningGateway, script: Script, gate: str, error: AntiphonError, code: int
) -> None:
    def fail() -> None:
        raise error

    setattr(script, gate, fail)
    client = await Client.open(gateway)
    failure = (await ask(client)).error
    stages = {
        "before_hearing": "stt",
        "before_writing": "llm",
        "before_speaking": "tts",
    }
    assert (failure.stage, failure.code) == (stages[gate], code)
    assert error.message in failure.message
    setattr(script, gate, lambda: None)
    assert (await ask(client)).outcome == pb.TURN_OUTCOME_ANSWERED


@pytest.mark.parametrize(
    "gate", ["before_hearing", "before_writing", "before_speaking"]
)
async def test_a_stage_that_hangs_is_given_up_and_cancelled(
    script: Script, gate: str
) -> None:
    patience = {"stt_timeout": 0.2, "llm_timeout": 0.2, "tts_timeout": 0.2}
    async with serving(script) as stages, running(stages, **patience) as gateway:
        setattr(script, gate, asyncio.Future)
        client = await Client.open(gateway)
        assert (
            await ask(client)
        ).error.code == grpc.StatusCode.DEADLINE_EXCEEDED.value[0]
        assert await script.cancelled.get() in ("Transcribe", "Generate", "Synthesize")
        setattr(script, gate, lambda: None)
        assert (await ask(client)).outcome == pb.TURN_OUTCOME_ANSWERED


async def test_a_client_that_does_not_read_is_let_go(
    gateway: RunningGateway, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "CAPACITY", 8)
    script.write = lambda _request: ["x" * 500]
    # A client whose side takes as little as it can before somebody reads.
    narrow = (("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 1024))
    async with grpc.aio.insecure_channel(gateway.address, narrow) as channel:
        client = Client(ConversationStub(channel).Converse())
        await client.send(config={})
        await client.say(speech(0.5) + silence(0.6))
        await gateway.front.left.get()


async def test_a_tool_that_gives_nothing_back_is_answered(
    gateway: RunningGateway, script: Script
) -> None:
    script.write = lambda request: (
        ["Done."]
        if request.messages[-1].tool_call_id
        else [llm_pb2.ToolCall(id="call_1", name="bell", arguments_json="{}")]
    )
    client = await Client.open(gateway, tools=[{"name": "bell"}])
    await ask(client)
    await client.send(tool_result={"tool_call_id": "call_1"})
    assert (await client.until("turn_ended")).turn_ended.heard_text == "Done."
    assert script.requests[-1].messages[-1].content[0].text == "null"


async def test_what_waits_for_an_answer_is_bounded(gateway: RunningGateway) -> None:
    client = await Client.open(gateway)
    for _ in range(2):
        await client.send(text={"text": "x" * 20_000})
    with pytest.raises(grpc.aio.AioRpcError, match="wait for an answer"):
        await client.until("ended")


async def test_a_text_that_no_model_can_read_spoils_one_turn_only(
    gateway: RunningGateway, script: Script
) -> None:
    def refuse() -> None:
        raise InvalidArgument("messages", "the context is too small")

    script.before_writing = refuse
    client = await Client.open(gateway)
    await client.send(text={"text": "x" * 30_000, "respond": True})
    assert (await client.until("turn_ended")).turn_ended.error.code == 3
    script.before_writing = lambda: None
    assert (await ask(client)).outcome == pb.TURN_OUTCOME_ANSWERED
    assert len(script.requests[-1].messages) == 2


async def test_ten_minutes_of_silence_are_nothing(
    gateway: RunningGateway, script: Script
) -> None:
    client = await Client.open(gateway)
    for _ in range(60):
        await client.send(audio={"samples": silence(10)})
    assert (await ask(client)).outcome == pb.TURN_OUTCOME_ANSWERED
    assert script.transcribed == [pytest.approx(0.95, abs=0.1)]


async def test_words_that_nobody_understood_end_the_turn_empty(
    gateway: RunningGateway, script: Script
) -> None:
    script.hear = lambda _conversation, _turn: ""
    client = await Client.open(gateway)
    assert (await ask(client)).outcome == pb.TURN_OUTCOME_EMPTY
    assert script.requests == []


async def test_speech_into_an_answer_interrupts_it_and_history_keeps_what_was_heard(
    gateway: RunningGateway, script: Script
) -> None:
    client = await Client.open(gateway)
    script.write = lambda _request: ["a" * 200]
    await client.say(speech(0.5) + silence(0.6))
    for _ in range(10):
        await client.until("reply_audio")
    await client.say(speech(0.5))
    interrupted = (await client.until("reply_interrupted")).reply_interrupted
    ended = (await client.until("turn_ended")).turn_ended
    assert ended.outcome == pb.TURN_OUTCOME_INTERRUPTED
    assert len(ended.heard_text) < 200
    assert len(ended.heard_text) == interrupted.at.ToNanoseconds() // 40_000_000
    assert ended.heard_text
    await client.say(silence(0.6))
    await client.until("reply_started")
    kept = [message.content[0].text for message in script.requests[-1].messages[1:]]
    assert kept == ["question 1", ended.heard_text, "question 2"]


async def test_a_client_that_cancels_hears_no_more_of_the_answer(
    gateway: RunningGateway, script: Script
) -> None:
    client = await Client.open(gateway)
    script.write = lambda _request: ["b" * 200]
    await client.say(speech(0.5) + silence(0.6))
    await client.until("reply_audio")
    await client.send(cancel={})
    assert (
        await client.until("turn_ended")
    ).turn_ended.outcome == pb.TURN_OUTCOME_CANCELLED
    script.write = lambda _request: ["short"]
    assert (await ask(client)).outcome == pb.TURN_OUTCOME_ANSWERED
    assert spoken_text(client.audio(turn=2)) == "short"


async def test_a_client_that_vanishes_leaves_nothing_behind(
    gateway: RunningGateway, script: Script
) -> None:
    # A cancelled call may look half-closed first: the transcript that is then made must not be done before the rest.
    script.before_hearing = asyncio.Future
    client = await Client.open(gateway, interim_transcripts=True)
    await client.say(speech(0.5))
    await client.until("partial_transcript")
    client.call.cancel()
    assert await script.cancelled.get() == "Transcribe"
    await gateway.front.left.get()


async def test_tools_are_called_and_their_results_answered(
    gateway: RunningGateway, script: Script
) -> None:
    def write(request: object) -> list[object]:
        if request.messages[-1].tool_call_id:
            return ["It is ", request.messages[-1].content[0].text]
        return [{"id": "call_1", "name": "clock", "arguments_json": "{}"}]

    script.write = lambda request: [
        piece if isinstance(piece, str) else pb.ConversationToolCall(call=piece).call
        for piece in write(request)
    ]
    client = await Client.open(gateway, tools=[{"name": "clock"}])
    assert (await ask(client)).outcome == pb.TURN_OUTCOME_TOOL_CALLS
    await client.send(tool_result={"tool_call_id": "call_1", "content": "noon"})
    ended = (await client.until("turn_ended")).turn_ended
    assert ended.heard_text == "It is noon"


async def test_push_to_talk_waits_for_the_commit(
    gateway: RunningGateway, script: Script
) -> None:
    client = await Client.open(gateway, turn_taking={"manual": {}})
    await client.say(speech(0.5) + silence(2.0) + speech(0.5))
    assert script.requests == []
    await client.send(commit={})
    assert (
        await client.until("turn_ended")
    ).turn_ended.outcome == pb.TURN_OUTCOME_ANSWERED
    assert len(script.requests) == 1


async def test_fifty_conversations_at_once_get_their_own_answers_only(
    script: Script,
) -> None:
    script.hear = lambda conversation, turn: f"{conversation} {turn}"
    script.write = lambda request: [request.messages[-1].content[0].text]
    async with serving(script) as stages, running(stages) as gateway:

        async def converse() -> None:
            client = await Client.open(gateway)
            mine = client.got[0].ready.conversation_id
            for turn in (1, 2):
                assert (await ask(client)).heard_text == f"{mine} {turn}"
                assert spoken_text(client.audio(turn)) == f"{mine} {turn}"

        async with asyncio.TaskGroup() as group:
            for _ in range(50):
                group.create_task(converse())
