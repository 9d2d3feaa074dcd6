"""Responses that a client asks for: in the conversation, and beside it."""

import asyncio

import pytest

from services.runtime.errors import EngineError
from tests.fakes.running_realtime import FORMAT, Client
from tests.fakes.stages import FRAME, Script, spoken_text


async def asked_for(client: Client, **response: object) -> dict[str, object]:
    await client.send("response.create", response=response)
    return (await client.until("response.done"))["response"]


def prompt(script: Script) -> list[str]:
    return [message.content[0].text for message in script.requests[-1].messages]


async def test_a_response_says_what_it_was_asked_for(
    client: Client, script: Script
) -> None:
    script.write = lambda _request: ["Hi."]
    await client.write("hello")
    response = await asked_for(
        client,
        instructions="Be kind.",
        output_modalities=["text"],
        max_output_tokens=50,
        metadata={"topic": "greeting"},
    )
    created = client.one("response.created")["response"]
    for told in (created, response):
        assert told["metadata"] == {"topic": "greeting"}
        assert told["output_modalities"] == ["text"]
        assert told["max_output_tokens"] == 50
        assert told["conversation_id"].startswith("conv_")
    assert prompt(script) == ["Be kind.", "hello"]
    assert script.requests[-1].sampling.max_tokens == 50


async def test_a_wish_is_for_one_response_alone(client: Client, script: Script) -> None:
    script.write = lambda _request: ["Hi."]
    await client.write("hello")
    await asked_for(client, instructions="Be kind.", output_modalities=["text"])
    await client.write("again")
    response = await asked_for(client)
    assert response["output_modalities"] == ["audio"] and response["metadata"] is None
    assert prompt(script)[0] != "Be kind."


async def test_one_response_may_sound_otherwise(client: Client, script: Script) -> None:
    script.write = lambda _request: ["Hi."]
    await client.write("hello")
    pcmu = {"format": {"type": "audio/pcmu"}}
    response = await asked_for(client, audio={"output": pcmu})
    assert response["audio"]["output"]["format"]["type"] == "audio/pcmu"
    assert script.voiced[-1].format.sample_rate == 8_000
    assert len(client.audio()) == 3 * FRAME
    client.got.clear()
    await client.write("again")
    response = await asked_for(client)
    assert response["audio"]["output"]["format"] == FORMAT
    assert len(client.audio()) == 2 * 3 * FRAME


async def test_a_second_response_is_refused_while_one_is_active(
    client: Client, script: Script
) -> None:
    script.behind_piece = asyncio.Future
    await client.write("hello")
    await client.send("response.create")
    await client.until("response.created")
    await client.send("response.create", event_id="second")
    error = await client.error()
    assert error["code"] == "conversation_already_has_active_response"
    assert error["event_id"] == "second"


@pytest.mark.parametrize("stage", ["writing", "speaking"])
async def test_a_response_whose_stage_fails_says_which(
    client: Client, script: Script, stage: str
) -> None:
    def fail() -> None:
        raise EngineError("out of order")

    setattr(script, f"before_{stage}", fail)
    await client.write("hello")
    response = await asked_for(client)
    assert response["status"] == "failed"
    error = response["status_details"]["error"]
    assert error["type"] == "server_error"
    assert error["code"] == {"writing": "llm_failed", "speaking": "tts_failed"}[stage]
    opened = client.all("response.output_item.added")
    assert len(opened) == len(client.all("response.output_item.done"))
    assert len(opened) == (stage == "speaking")


async def test_the_next_response_after_a_failed_one_is_given(
    client: Client, script: Script
) -> None:
    def fail() -> None:
        raise EngineError("out of order")

    script.before_writing = fail
    await client.write("hello")
    assert (await asked_for(client))["status"] == "failed"
    script.before_writing = lambda: None
    script.write = lambda _request: ["Hi."]
    assert (await asked_for(client))["status"] == "completed"


# --- beside the conversation ------------------------------------------------------------------------------


async def beside(client: Client, **response: object) -> None:
    await client.send(
        "response.create",
        response={"conversation": "none", "output_modalities": ["text"], **response},
    )


def text(value: str) -> dict[str, object]:
    content = [{"type": "input_text", "text": value}]
    return {"type": "message", "role": "user", "content": content}


async def test_a_response_beside_the_conversation_leaves_nothing_behind(
    client: Client, script: Script
) -> None:
    script.write = lambda _request: ["Greeting."]
    await client.write("hello")
    await client.until("conversation.item.done")
    client.got.clear()
    await beside(
        client,
        instructions="Classify.",
        input=[text("good morning")],
        metadata={"kind": "topic"},
    )
    response = (await client.until("response.done"))["response"]
    assert response["conversation_id"] is None
    assert response["metadata"] == {"kind": "topic"}
    assert response["output"][0]["content"][0]["text"] == "Greeting."
    assert prompt(script) == ["Classify.", "good morning"]
    assert not client.all("conversation.item.added")
    await asked_for(client)
    assert prompt(script)[1:] == ["hello"]


async def test_it_may_be_spoken(client: Client, script: Script) -> None:
    script.write = lambda _request: ["Aside."]
    await beside(client, input=[text("?")], output_modalities=["audio"])
    response = (await client.until("response.done"))["response"]
    assert response["output"][0]["content"][0]["transcript"] == "Aside."
    assert spoken_text(client.audio()) == "Aside."


async def test_a_stage_that_fails_it_leaves_the_conversation_as_it_is(
    client: Client, script: Script
) -> None:
    def fail() -> None:
        raise EngineError("out of order")

    script.before_writing = fail
    await beside(client, input=[text("?")])
    response = (await client.until("response.done"))["response"]
    assert response["status"] == "failed"
    script.before_writing = lambda: None
    script.write = lambda _request: ["Hi."]
    await client.write("hello")
    assert (await asked_for(client))["status"] == "completed"


async def test_it_may_read_items_of_the_conversation(
    client: Client, script: Script
) -> None:
    script.write = lambda _request: ["Yes."]
    item = {**text("the sky is blue"), "id": "said"}
    await client.send("conversation.item.create", item=item)
    await client.until("conversation.item.done")
    reference = {"type": "item_reference", "id": "said"}
    await beside(client, input=[reference, text("is that so?")])
    await client.until("response.done")
    assert prompt(script)[1:] == ["the sky is blue is that so?"]


async def test_without_input_it_reads_the_conversation(
    client: Client, script: Script
) -> None:
    script.write = lambda _request: ["Yes."]
    await client.write("the sky is blue")
    await client.until("conversation.item.done")
    await beside(client, instructions="Sum up.")
    await client.until("response.done")
    assert prompt(script) == ["Sum up.", "the sky is blue"]


async def test_an_item_that_is_not_there_cannot_be_read(client: Client) -> None:
    reference = {"type": "item_reference", "id": "never"}
    await beside(client, input=[reference])
    error = await client.error()
    assert error["code"] == "item_not_found"
    assert error["param"] == "response.input[0].id"


async def test_it_is_given_while_the_conversation_answers(
    client: Client, script: Script
) -> None:
    script.write = lambda request: (
        ["Aside."] if "aside" in request.messages[0].content[0].text else ["Hi.", "."]
    )
    held = asyncio.Event()
    script.behind_piece = lambda: held.wait() if len(script.requests) == 1 else None
    await client.write("hello")
    await client.send("response.create")
    main = (await client.until("response.created"))["response"]["id"]
    await beside(client, instructions="An aside.", input=[text("?")])
    done = (await client.until("response.done"))["response"]
    assert done["id"] != main and done["conversation_id"] is None
    held.set()
    done = (await client.until("response.done"))["response"]
    assert done["id"] == main and done["status"] == "completed"


async def test_it_is_cancelled_by_its_id(client: Client, script: Script) -> None:
    script.behind_piece = asyncio.Future
    await beside(client, input=[text("?")])
    created = (await client.until("response.created"))["response"]
    await client.until("response.output_text.delta")
    await client.send("response.cancel", response_id=created["id"])
    done = (await client.until("response.done"))["response"]
    assert done["id"] == created["id"] and done["status"] == "cancelled"
    assert done["status_details"]["reason"] == "client_cancelled"


async def test_there_are_only_so_many_beside_a_conversation(
    client: Client, script: Script
) -> None:
    script.before_writing = asyncio.Future
    for number in range(5):
        await client.send(
            "response.create",
            event_id=f"aside {number}",
            response={"conversation": "none", "input": [text("?")]},
        )
    error = await client.error()
    assert error["event_id"] == "aside 4" and error["type"] == "rate_limit_error"
