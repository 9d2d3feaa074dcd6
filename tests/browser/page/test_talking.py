"""The page holds a conversation."""

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest
from playwright.async_api import Page, expect

from tests.browser.chromium import chromium, needs_chromium
from tests.browser.page.scripted import (
    PATIENCE,
    RATE,
    Conversation,
    ScriptedGateway,
    waterfall,
)
from tests.browser.recordings import pcm, wav

pytestmark = [needs_chromium, pytest.mark.asyncio(loop_scope="session")]

FALL = waterfall(412, 104, 148, 61, saved=291)


async def begin(page: Page, gateway: ScriptedGateway) -> Conversation:
    """Press the button and be listened to."""
    await page.click("#talk")
    talk = await gateway.conversation()
    await talk.began()
    await expect(page.locator("#state")).to_have_text("Listening")
    return talk


async def loud(page: Page, least: float, most: float = 1.0) -> None:
    """Wait until what goes to the loudspeaker is so loud."""
    async with asyncio.timeout(PATIENCE):
        await page.evaluate(
            """([least, most]) => new Promise((resolve) => {
                const look = () => {
                    const now = window.loudness();
                    if (now >= least && now <= most) resolve();
                    else requestAnimationFrame(look);
                };
                look();
            })""",
            [least, most],
        )


async def sounds(page: Page) -> None:
    await loud(page, 0.05)


async def silent(page: Page) -> None:
    await loud(page, 0.0, 0.001)


async def test_asks_for_pcm_at_24_khz_and_for_the_extension(
    page: Page, gateway: ScriptedGateway
) -> None:
    await page.click("#talk")
    talk = await gateway.conversation()
    session = await talk.began()
    assert talk.protocols == ["realtime"]
    pcm24 = {"type": "audio/pcm", "rate": RATE}
    assert session["audio"]["input"]["format"] == pcm24
    assert session["audio"]["output"]["format"] == pcm24
    assert session["audio"]["input"]["turn_detection"]["type"] == "semantic_vad"
    assert session["antiphon"] == {
        "waterfall": True,
        "ducking": True,
        "partials": True,
    }
    await talk.heard(0.2)


async def test_the_microphone_arrives_as_it_was_recorded(
    gateway: ScriptedGateway, tmp_path: Path
) -> None:
    name = "03-what-is-the-capital-of-france.flac"
    recording = tmp_path / "question.wav"
    recording.write_bytes(wav(pcm(name, 48_000), 48_000))
    async with chromium(recording) as browser:
        page = await browser.new_page()
        await page.goto(gateway.url)
        talk = await begin(page, gateway)
        spoken = loudness(np.frombuffer(pcm(name, RATE), "<i2"))
        await talk.heard(len(spoken) * 0.02 * 2)
    heard = loudness(np.frombuffer(bytes(talk.audio), "<i2"))
    # Noise suppression and gain change how loud it is, but not when.
    likeness = max(
        np.corrcoef(spoken, heard[at : at + len(spoken)])[0, 1]
        for at in range(len(heard) - len(spoken))
    )
    assert likeness > 0.7


def loudness(samples: np.ndarray) -> np.ndarray:
    """Of every 20 ms, on a scale like the ear's."""
    frame = RATE // 50
    frames = samples[: len(samples) // frame * frame].reshape(-1, frame).astype(float)
    return np.log1p(np.sqrt((frames**2).mean(axis=1)))


async def test_words_appear_while_they_are_spoken_and_settle(
    page: Page, gateway: ScriptedGateway
) -> None:
    talk = await begin(page, gateway)
    item = await talk.hears("What is", "What is the captial")
    said = page.locator(".entry.user .said")
    await expect(said).to_have_text("What is the captial")
    await expect(said.locator(".provisional")).to_have_text("captial")
    await expect(page.locator("#state")).to_have_text("Hearing you")
    await talk.understood(item, "What is the capital of France?")
    await expect(said).to_have_text("What is the capital of France?")
    await expect(said.locator(".provisional")).to_have_count(0)
    await expect(page.locator("#state")).to_have_text("Thinking")
    await expect(page.locator("#live")).to_contain_text("You: What is the capital")


async def test_what_came_to_nothing_leaves_nothing(
    page: Page, gateway: ScriptedGateway
) -> None:
    talk = await begin(page, gateway)
    await talk.hears()
    await expect(page.locator(".entry.user")).to_have_count(1)
    await talk.said("Hello.")
    await expect(page.locator(".entry.user .said")).to_have_text(["Hello."])


async def test_the_answer_is_heard_and_read(
    page: Page, gateway: ScriptedGateway
) -> None:
    talk = await begin(page, gateway)
    await talk.said("What is the capital of France?")
    response, item = await talk.begins("It is Paris.", 1.0)
    await sounds(page)
    await expect(page.locator("#state")).to_have_text("Speaking")
    await talk.ends(response, item)
    await silent(page)
    await expect(page.locator("#state")).to_have_text("Listening")
    await expect(page.locator(".entry.assistant .said")).to_have_text("It is Paris.")
    assert talk.sent("conversation.item.truncate") == []


async def test_an_interruption_silences_and_says_how_much_was_heard(
    page: Page, gateway: ScriptedGateway
) -> None:
    talk = await begin(page, gateway)
    await talk.said("Tell me about bees.")
    text = "Bees gather nectar from flowers and carry it home."
    response, item = await talk.begins(text, 6.0)
    await sounds(page)
    await talk.send("response.output_audio.done", response_id=response, item_id=item)
    await talk.done(response, "cancelled")
    await talk.fell(response, FALL, heard_text="Bees gather nectar from")
    await talk.hears("Wait")
    told = await talk.until("conversation.item.truncate")
    assert told["item_id"] == item
    assert told["content_index"] == 0
    assert 0 <= told["audio_end_ms"] < 6000
    await silent(page)
    answer = page.locator(".entry.assistant .said")
    await expect(answer.locator("del")).to_have_text("flowers and carry it home.")
    await expect(answer).to_contain_text("interrupted")
    # The gateway cuts its history where the sound ended here.
    talk.kept[item] = "Bees gather nectar"
    await talk.send("conversation.item.truncated", item_id=item)
    await expect(answer.locator("del")).to_have_text("from flowers and carry it home.")
    assert len(talk.sent("conversation.item.truncate")) == 1


async def test_an_answer_is_ducked_and_comes_back(
    page: Page, gateway: ScriptedGateway
) -> None:
    talk = await begin(page, gateway)
    await talk.said("Tell me about bees.")
    response, _ = await talk.begins("Bees gather nectar.", 8.0)
    await sounds(page)
    ducked = "antiphon.response.ducked"
    await talk.send(ducked, response_id=response, ducked=True)
    await loud(page, 0.01, 0.06)
    await talk.send(ducked, response_id=response, ducked=False)
    await loud(page, 0.1)


async def test_push_to_talk_sends_what_is_said_while_the_bar_is_held(
    page: Page, gateway: ScriptedGateway
) -> None:
    await page.click("text=Push to talk")
    await page.click("#talk")
    talk = await gateway.conversation()
    session = await talk.began()
    assert session["audio"]["input"]["turn_detection"] is None
    await expect(page.locator("#talk-label")).to_have_text("Hold to talk")
    assert not talk.audio
    await page.focus("#talk")
    await page.keyboard.down("Space")
    await talk.until("input_audio_buffer.clear")
    await talk.heard(0.4)
    await page.keyboard.up("Space")
    await talk.until("input_audio_buffer.commit")
    await talk.until("response.create")
    await talk.committed("item_held", "Hello.")
    await talk.answers("Hello to you.", seconds=0.2)
    await expect(page.locator(".entry.assistant .said")).to_have_text("Hello to you.")


async def test_a_touch_of_the_button_is_no_turn(
    page: Page, gateway: ScriptedGateway
) -> None:
    await page.click("text=Push to talk")
    await page.click("#talk")
    talk = await gateway.conversation()
    await talk.began()
    await expect(page.locator("#talk-label")).to_have_text("Hold to talk")
    await page.click("#talk")
    await expect(page.locator(".entry.notice")).to_contain_text("Hold it while")
    await talk.until("input_audio_buffer.clear")
    await talk.until("input_audio_buffer.clear")
    assert talk.sent("input_audio_buffer.commit") == []


async def test_typing_needs_no_microphone(page: Page, gateway: ScriptedGateway) -> None:
    await page.fill("#type", "What is the capital of France?")
    await page.press("#type", "Enter")
    await expect(page.locator(".entry.user")).to_contain_text("waiting to be sent")
    talk = await gateway.conversation()
    await talk.began()
    item = (await talk.until("conversation.item.create"))["item"]
    content = [{"type": "input_text", "text": "What is the capital of France?"}]
    assert (item["role"], item["content"]) == ("user", content)
    await talk.until("response.create")
    await talk.added(item)
    await expect(page.locator(".entry.user")).not_to_contain_text("waiting")
    await talk.writes("Paris.")
    await expect(page.locator(".entry.assistant .said")).to_have_text("Paris.")
    await expect(page.locator("#state")).to_have_text("Ready")
    assert not talk.audio


async def test_typing_into_an_answer_stops_it_before_it_asks_for_another(
    page: Page, gateway: ScriptedGateway
) -> None:
    talk = await begin(page, gateway)
    await talk.said("Tell me about bees.")
    response, item = await talk.begins("Bees gather nectar.", 5.0)
    await sounds(page)
    await page.fill("#type", "Shorter, please.")
    await page.click("#send")
    assert (await talk.until("response.cancel"))["response_id"] == response
    await talk.until("conversation.item.create")
    await silent(page)
    assert talk.sent("response.create") == []
    await talk.done(response, "cancelled")
    await talk.until("response.create")
    assert [cut["item_id"] for cut in talk.sent("conversation.item.truncate")] == [item]


async def test_a_tool_of_the_page_runs_and_its_result_is_spoken(
    page: Page, gateway: ScriptedGateway
) -> None:
    talk = await begin(page, gateway)
    await talk.said("Make this page teal.")
    call = await talk.calls("set_page_color", '{"color": "teal"}')
    result = (await talk.until("conversation.item.create"))["item"]
    assert (result["type"], result["call_id"]) == ("function_call_output", call)
    assert json.loads(result["output"]) == {"color": "teal", "done": True}
    await talk.until("response.create")
    tint = "getComputedStyle(document.documentElement).getPropertyValue('--tint')"
    assert await page.evaluate(tint) == "teal"
    await talk.answers("It is teal now.")
    await sounds(page)
    await expect(page.locator(".entry.tool .said")).to_contain_text("set_page_color")


async def test_a_call_that_makes_no_sense_is_answered_with_an_error(
    page: Page, gateway: ScriptedGateway
) -> None:
    talk = await begin(page, gateway)
    for name, arguments in (("fly", "{}"), ("get_time", "{"), ("roll_dice", "[]")):
        await talk.calls(name, arguments)
        output = (await talk.until("conversation.item.create"))["item"]["output"]
        assert isinstance(json.loads(output), dict)
        await talk.until("response.create")


async def test_a_failed_answer_says_why(page: Page, gateway: ScriptedGateway) -> None:
    talk = await begin(page, gateway)
    await talk.said("Hello.")
    await talk.fails("text to speech cannot be reached")
    await expect(page.locator(".entry.assistant")).to_contain_text(
        "The answer failed: text to speech cannot be reached"
    )
    await expect(page.locator("#state")).to_have_text("Listening")
