"""What the page says when something is in the way, and that nothing is lost by it."""

import pytest
from aiohttp import WSCloseCode
from playwright.async_api import Browser, Page, expect

from tests.browser.chromium import needs_chromium
from tests.browser.page.scripted import FULL, RATE, ScriptedGateway

pytestmark = [needs_chromium, pytest.mark.asyncio(loop_scope="session")]


async def refuses(page: Page, error: str) -> None:
    """The browser does not give the microphone away."""
    await page.add_init_script(
        "navigator.mediaDevices.getUserMedia = () => "
        f"Promise.reject(new DOMException('', '{error}'));"
    )
    await page.reload()


@pytest.mark.parametrize(
    ("error", "state"),
    [
        ("NotAllowedError", "No microphone permission"),
        ("NotFoundError", "No microphone"),
    ],
)
async def test_says_what_keeps_the_microphone_away_and_lets_type(
    page: Page, gateway: ScriptedGateway, error: str, state: str
) -> None:
    await refuses(page, error)
    await page.click("#talk")
    await expect(page.locator("#state")).to_have_text(state)
    await expect(page.locator("#talk")).to_be_enabled()
    await page.fill("#type", "Hello.")
    await page.press("#type", "Enter")
    talk = await gateway.conversation()
    await talk.began()
    await talk.until("response.create")


async def test_a_lost_connection_comes_back_with_what_was_said(
    page: Page, gateway: ScriptedGateway
) -> None:
    await page.click("#talk")
    talk = await gateway.conversation()
    await talk.began()
    await talk.said("My name is Peter.")
    await talk.answers("Hello, Peter.", seconds=0.1)
    await talk.calls("roll_dice", "{}")
    await talk.until("response.create")
    await page.fill("#type", "And I live")
    await gateway.cut()
    await expect(page.locator("#state")).to_have_text("Reconnecting")
    talk = await gateway.conversation()
    await talk.began()
    told = [await talk.until("conversation.item.create") for _ in range(4)]
    said = [
        (item["role"], item["content"][0]["text"])
        for item in (event["item"] for event in told[:2])
    ]
    assert said == [("user", "My name is Peter."), ("assistant", "Hello, Peter.")]
    assert [event["item"]["type"] for event in told[2:]] == [
        "function_call",
        "function_call_output",
    ]
    await expect(page.locator(".entry.notice")).to_contain_text("picked up again")
    await expect(page.locator("#state")).to_have_text("Listening")
    await expect(page.locator("#type")).to_have_value("And I live")
    await talk.heard(0.2)


async def test_what_is_typed_while_nobody_is_there_is_sent_later(
    page: Page, gateway: ScriptedGateway
) -> None:
    await page.click("#talk")
    talk = await gateway.conversation()
    await talk.began()
    gateway.full = True
    await gateway.cut()
    await expect(page.locator("#state")).to_have_text("Everyone is talking")
    await expect(page.locator("#hint")).to_contain_text(FULL[1:])
    await page.fill("#type", "Are you there?")
    await page.press("#type", "Enter")
    await expect(page.locator(".entry.user")).to_contain_text("waiting to be sent")
    gateway.full = False
    talk = await gateway.conversation()
    await talk.began()
    item = (await talk.until("conversation.item.create"))["item"]
    assert item["content"][0]["text"] == "Are you there?"
    await talk.until("response.create")
    await talk.added(item)
    await expect(page.locator(".entry.user .said")).to_have_text("Are you there?")


async def test_a_draft_outlives_a_reload(page: Page) -> None:
    await page.fill("#type", "I was about to say")
    await page.reload()
    await expect(page.locator("#type")).to_have_value("I was about to say")


async def test_asks_for_a_key_where_there_are_keys(
    page: Page, gateway: ScriptedGateway
) -> None:
    gateway.key = "ak_right"
    await page.click("#talk")
    await expect(page.locator("#state")).to_have_text("A key is needed")
    await expect(page.locator("#key")).to_be_focused()
    await page.fill("#key", "ak_wrong")
    await page.press("#key", "Enter")
    await expect(page.locator("#hint")).to_contain_text("not accepted")
    await page.fill("#key", "ak_right")
    await page.press("#key", "Enter")
    talk = await gateway.conversation()
    assert talk.protocols == ["realtime", "openai-insecure-api-key.ak_right"]
    await talk.began()
    await expect(page.locator("#state")).to_have_text("Listening")
    kept = await page.evaluate("[JSON.stringify(localStorage), document.cookie]")
    assert "ak_right" not in "".join(kept)


async def test_a_conversation_that_the_gateway_ends_says_why(
    page: Page, gateway: ScriptedGateway
) -> None:
    await page.click("#talk")
    talk = await gateway.conversation()
    await talk.began()
    await talk.said("Goodbye.")
    why = "the conversation lasted 3600 s, which is the longest"
    await talk.send("error", error={"code": "session_expired", "message": why})
    await talk.socket.close(code=WSCloseCode.POLICY_VIOLATION)
    await expect(page.locator("#state")).to_have_text("The conversation is over")
    await expect(page.locator("#hint")).to_have_text(f"T{why[1:]}.")
    await expect(page.locator(".entry.notice")).to_have_count(1)
    await page.click("#talk")
    talk = await gateway.conversation()
    await talk.began()
    await talk.heard(0.1)
    assert talk.sent("conversation.item.create") == []


async def test_moves_on_where_the_gateway_asks_for_it(
    page: Page, gateway: ScriptedGateway
) -> None:
    await page.click("#talk")
    talk = await gateway.conversation()
    await talk.began()
    await talk.said("My name is Peter.")
    await expect(page.locator(".entry.user .said")).to_have_text("My name is Peter.")
    await talk.socket.close(code=WSCloseCode.GOING_AWAY)
    talk = await gateway.conversation()
    await talk.began()
    await talk.until("conversation.item.create")
    await expect(page.locator(".entry.notice")).to_contain_text("asked to move on")


async def test_ending_gives_the_microphone_back(
    page: Page, gateway: ScriptedGateway
) -> None:
    await page.click("#talk")
    talk = await gateway.conversation()
    await talk.began()
    await page.click("#end")
    await talk.left()
    await expect(page.locator("#state")).to_have_text("Press and talk")
    await expect(page.locator("#talk")).to_be_focused()


async def test_ending_leaves_nothing_half_said(
    page: Page, gateway: ScriptedGateway
) -> None:
    await page.click("#talk")
    talk = await gateway.conversation()
    await talk.began()
    await talk.said("What do bees make?")
    await talk.begins("Honey, and wax for the cells.", 3.0)
    await talk.hears("And")
    await expect(page.locator(".entry.user").last).to_contain_text("And")
    await page.click("#end")
    await expect(page.locator(".entry.assistant")).to_contain_text("interrupted")
    await expect(page.locator(".provisional")).to_have_count(0)


async def test_a_muted_microphone_sends_silence(
    page: Page, gateway: ScriptedGateway
) -> None:
    """An utterance that is under way ends by it."""
    await page.click("#talk")
    talk = await gateway.conversation()
    await talk.began()
    await talk.heard(2.0)
    assert any(talk.audio)
    await page.click("#talk")
    await expect(page.locator("#hint")).to_contain_text("microphone is off")
    await talk.heard(len(talk.audio) / RATE / 2 + 0.3)
    talk.audio.clear()
    await talk.heard(2.0)
    assert not any(talk.audio)


async def test_choices_apply_at_once_and_are_kept(
    page: Page, gateway: ScriptedGateway
) -> None:
    await page.click("#talk")
    talk = await gateway.conversation()
    await talk.began()
    await page.click("#open-settings")
    await page.select_option("#voice", "amy")
    session = (await talk.until("session.update"))["session"]
    assert session["audio"]["output"]["voice"] == "amy"
    await page.fill("#instructions", "Answer in rhymes.")
    await page.uncheck("#tools")
    await talk.until("session.update")
    session = (await talk.until("session.update"))["session"]
    assert session["instructions"] == "Answer in rhymes."
    assert session["tools"] == []
    await page.reload()
    await page.click("#open-settings")
    await expect(page.locator("#voice")).to_have_value("amy")
    await expect(page.locator("#instructions")).to_have_value("Answer in rhymes.")


async def test_a_choice_that_is_refused_says_so_and_is_undone(
    page: Page, gateway: ScriptedGateway
) -> None:
    await page.click("#talk")
    talk = await gateway.conversation()
    await talk.began()
    await page.click("#open-settings")
    await page.fill("#language", "tlh")
    await page.press("#language", "Tab")
    update = await talk.until("session.update")
    assert update["session"]["audio"]["input"]["transcription"]["language"] == "tlh"
    error = {
        "type": "invalid_request_error",
        "code": "invalid_value",
        "message": "session.audio.input.transcription.language: 'tlh' is not known; allowed: en, de",
        "param": "session.audio.input.transcription.language",
        "event_id": update["event_id"],
    }
    await talk.send("error", error=error)
    again = await talk.until("session.update")
    assert again["session"]["audio"]["input"]["transcription"]["language"] is None
    problem = "'tlh' is not known; allowed: en, de"
    await expect(page.locator("#language-problem")).to_have_text(
        f"Not possible: {problem}"
    )
    await expect(page.locator(".entry.notice")).to_have_text(
        f"Language you speak: {problem}."
    )
    await expect(page.locator("#language")).to_have_value("")


async def test_push_to_talk_says_that_the_first_press_begins(page: Page) -> None:
    await page.click("[data-mode=push-to-talk]")
    await expect(page.locator("#hint")).to_contain_text("Press once to begin")


async def test_two_pages_do_not_meet(
    page: Page, browser: Browser, gateway: ScriptedGateway
) -> None:
    other = await browser.new_page()
    await other.goto(gateway.url)
    await page.click("#talk")
    first = await gateway.conversation()
    await first.began()
    await other.click("#talk")
    second = await gateway.conversation()
    await second.began()
    await second.said("Hello from the other one.")
    await expect(other.locator(".entry.user")).to_have_count(1)
    await expect(page.locator(".entry.user")).to_have_count(0)
    await other.close()
