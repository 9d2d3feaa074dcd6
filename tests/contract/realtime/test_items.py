"""Items that a client puts into a conversation, looks at, and takes out."""

import base64

import pytest

from antiphon.v1 import llm_pb2
from services.runtime.errors import EngineError
from tests.fakes.running_realtime import (
    Client,
    RunningRealtime,
    connected,
    running_realtime,
)
from tests.fakes.saying import said_in, saying
from tests.fakes.stages import Script, serving

PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
DATA_URL = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"


def message(role: str, text: str, **fields: object) -> dict[str, object]:
    kind = "output_text" if role == "assistant" else "input_text"
    content = [{"type": kind, "text": text}]
    return {"type": "message", "role": role, "content": content, **fields}


async def create(client: Client, item: object, **fields: object) -> dict[str, object]:
    await client.send("conversation.item.create", item=item, **fields)
    return await client.until("conversation.item.done")


async def answered(client: Client) -> dict[str, object]:
    await client.send("response.create")
    return (await client.until("response.done"))["response"]


def read(script: Script) -> list[tuple[str, str]]:
    """Who said what, as the model read it last, after its instructions."""
    names = {1: "system", 2: "user", 3: "assistant", 4: "tool"}
    return [
        (names[message.role], message.content[0].text if message.content else "")
        for message in script.requests[-1].messages[1:]
    ]


@pytest.fixture(autouse=True)
def short_answers(script: Script) -> None:
    script.write = lambda _request: ["Hi."]


async def test_a_written_item_is_added_and_answered_when_that_is_asked_for(
    client: Client, script: Script
) -> None:
    done = await create(client, message("user", "hello", id="mine"))
    assert client.types() == ["conversation.item.added", "conversation.item.done"]
    assert done["item"]["id"] == "mine" and done["previous_item_id"] is None
    assert done["item"]["content"] == [{"type": "input_text", "text": "hello"}]
    assert not script.requests
    response = await answered(client)
    assert response["status"] == "completed"
    assert read(script) == [("user", "hello")]


async def test_items_stand_where_they_were_put(client: Client, script: Script) -> None:
    await create(client, message("user", "two", id="second"))
    await create(client, message("assistant", "three", id="third"))
    first = await create(client, message("user", "one"), previous_item_id="root")
    assert first["previous_item_id"] is None
    last = await create(client, message("user", "four"), previous_item_id="third")
    assert last["previous_item_id"] == "third"
    await answered(client)
    assert read(script) == [
        ("user", "one two"),
        ("assistant", "three"),
        ("user", "four"),
    ]


async def test_an_item_can_be_retrieved_and_deleted(
    client: Client, script: Script
) -> None:
    await create(client, message("user", "forget this", id="gone"))
    await create(client, message("user", "keep this", id="kept"))
    await client.send("conversation.item.retrieve", item_id="gone")
    retrieved = await client.until("conversation.item.retrieved")
    assert retrieved["item"]["content"][0]["text"] == "forget this"
    await client.send("conversation.item.delete", item_id="gone")
    assert (await client.until("conversation.item.deleted"))["item_id"] == "gone"
    await client.send("conversation.item.retrieve", item_id="gone", event_id="late")
    error = await client.error()
    assert error["code"] == "item_retrieve_invalid_item_id"
    assert error["event_id"] == "late"
    await answered(client)
    assert read(script) == [("user", "keep this")]


@pytest.mark.parametrize(
    ("type", "fields", "code"),
    [
        (
            "conversation.item.delete",
            {"item_id": "none"},
            "item_delete_invalid_item_id",
        ),
        (
            "conversation.item.truncate",
            {"item_id": "none", "content_index": 0, "audio_end_ms": 0},
            "item_truncate_invalid_item_id",
        ),
        (
            "conversation.item.create",
            {"item": message("user", "hi"), "previous_item_id": "none"},
            "item_create_invalid_previous_item_id",
        ),
        (
            "conversation.item.create",
            {"item": message("user", "hi", id="there")},
            "item_create_duplicate_item_id",
        ),
        (
            "conversation.item.create",
            {"item": {"type": "function_call_output", "call_id": "x", "output": ""}},
            "invalid_value",
        ),
    ],
)
async def test_what_cannot_be_is_refused_by_the_events_own_name(
    client: Client, type: str, fields: dict[str, object], code: str
) -> None:
    await create(client, message("user", "hi", id="there"))
    await client.send(type, event_id="mine", **fields)
    error = await client.error()
    assert (error["code"], error["event_id"]) == (code, "mine")
    assert error["type"] == "invalid_request_error"


async def test_a_picture_reaches_the_model(script: Script) -> None:
    script.images = True
    async with (
        serving(script) as stages,
        running_realtime(stages) as gateway,
        connected(gateway) as client,
    ):
        content = [
            {"type": "input_text", "text": "What is this?"},
            {"type": "input_image", "image_url": DATA_URL},
        ]
        item = {"type": "message", "role": "user", "content": content, "id": "shown"}
        done = await create(client, item)
        assert [part["type"] for part in done["item"]["content"]] == [
            "input_text",
            "input_image",
        ]
        await client.send("conversation.item.retrieve", item_id="shown")
        kept = (await client.until("conversation.item.retrieved"))["item"]
        assert kept["content"][1]["image_url"] == DATA_URL
        await answered(client)
        (said,) = script.requests[-1].messages[1:]
        images = [part.image.data for part in said.content if part.HasField("image")]
        assert images == [PNG]


async def test_a_picture_that_the_model_does_not_take_is_refused(
    client: Client,
) -> None:
    content = [{"type": "input_image", "image_url": DATA_URL}]
    item = {"type": "message", "role": "user", "content": content}
    await client.send("conversation.item.create", item=item)
    error = await client.error()
    assert error["param"] == "item.content[0]" and error["code"] == "not_supported"


async def test_a_function_call_of_the_clients_own_and_its_result_are_history(
    client: Client, script: Script
) -> None:
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    result = {"type": "function_call_output", "call_id": "c", "output": "nine"}
    await create(client, message("user", "count"))
    await create(client, call)
    await create(client, result)
    assert not script.requests
    await answered(client)
    asked = script.requests[-1].messages[1:]
    assert [m.role for m in asked] == [
        llm_pb2.ROLE_USER,
        llm_pb2.ROLE_ASSISTANT,
        llm_pb2.ROLE_TOOL,
    ]
    assert asked[1].tool_calls[0].name == "f"


async def test_spoken_items_come_back_by_their_transcripts(
    client: Client, script: Script
) -> None:
    user = {"type": "input_audio", "transcript": "hello"}
    reply = {"type": "output_audio", "transcript": "Hello yourself."}
    await create(client, {"type": "message", "role": "user", "content": [user]})
    done = await create(
        client, {"type": "message", "role": "assistant", "content": [reply]}
    )
    assert done["item"]["content"] == [reply]
    await create(client, message("user", "and then?"))
    await answered(client)
    assert read(script) == [
        ("user", "hello"),
        ("assistant", "Hello yourself."),
        ("user", "and then?"),
    ]


async def test_a_recording_is_put_into_words_before_it_counts(
    client: Client, script: Script
) -> None:
    script.understand = said_in
    audio = base64.b64encode(saying("good evening")).decode()
    content = [{"type": "input_audio", "audio": audio}]
    done = await create(client, {"type": "message", "role": "user", "content": content})
    assert done["item"]["content"] == [
        {"type": "input_audio", "transcript": "good evening"}
    ]
    await answered(client)
    assert read(script) == [("user", "good evening")]


async def test_a_recording_that_cannot_be_put_into_words_is_refused(
    client: Client, script: Script
) -> None:
    def fail() -> None:
        raise EngineError("out of order")

    script.before_hearing = fail
    audio = base64.b64encode(saying("good evening")).decode()
    content = [{"type": "input_audio", "audio": audio}]
    item = {"type": "message", "role": "user", "content": content, "id": "unheard"}
    await client.send("conversation.item.create", item=item, event_id="mine")
    error = await client.error()
    assert error["event_id"] == "mine" and error["type"] == "server_error"
    await client.send("conversation.item.retrieve", item_id="unheard")
    assert (await client.error())["code"] == "item_retrieve_invalid_item_id"


async def test_two_clients_do_not_see_each_other(
    gateway: RunningRealtime, script: Script
) -> None:
    async with connected(gateway) as one, connected(gateway) as two:
        await create(one, message("user", "mine alone", id="same"))
        await two.send("conversation.item.retrieve", item_id="same")
        assert (await two.error())["code"] == "item_retrieve_invalid_item_id"
        await create(two, message("user", "mine too", id="same"))
        await answered(two)
        assert read(script) == [("user", "mine too")]
        assert one.types() == ["conversation.item.added", "conversation.item.done"]
