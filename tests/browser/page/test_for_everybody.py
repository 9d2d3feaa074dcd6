"""The page works without a mouse, without eyes, in the dark and on a small screen."""

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.chromium import needs_chromium
from tests.browser.page import scenes
from tests.browser.page.scripted import ScriptedGateway

pytestmark = [needs_chromium, pytest.mark.asyncio(loop_scope="session")]

# Text whose contrast with what lies behind it is below what WCAG 2 asks for at level AA.
PALE = """() => {
  const canvas = Object.assign(document.createElement("canvas"), {width: 1, height: 1});
  const paint = canvas.getContext("2d", {willReadFrequently: true});
  const rgba = (color) => {
    paint.clearRect(0, 0, 1, 1);
    paint.fillStyle = color;
    paint.fillRect(0, 0, 1, 1);
    return [...paint.getImageData(0, 0, 1, 1).data];
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = rgba(getComputedStyle(at).backgroundColor);
      if (color[3] > 200) return color;
    }
    return rgba("white");
  };
  const light = ([r, g, b]) => {
    const part = (value) => value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4;
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const pale = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const text = walk.currentNode.textContent.trim();
    const element = walk.currentNode.parentElement;
    if (!text || !element.checkVisibility({opacityProperty: true, visibilityProperty: true})) continue;
    if (element.closest(":disabled, .hidden, option, noscript, .skip, script")) continue;
    const style = getComputedStyle(element);
    const [one, two] = [light(rgba(style.color)), light(behind(element))].sort((a, b) => b - a);
    const enough = parseFloat(style.fontSize) >= 24 ? 3 : 4.5;
    const ratio = (one + 0.05) / (two + 0.05);
    if (ratio < enough) pale.push(`${text}: ${ratio.toFixed(2)}`);
  }
  return pale;
}"""

# Controls without a name, and those too small for a finger.
NAMELESS = """() => [...document.querySelectorAll("button, input, select, textarea, a, summary, [tabindex]")]
  .filter((each) => each.checkVisibility())
  .filter((each) => !(each.getAttribute("aria-label") || each.labels?.length || each.innerText.trim()))
  .map((each) => each.outerHTML)"""
SMALL = """() => [...document.querySelectorAll("button, input:not([type=checkbox]), select, textarea, summary")]
  .filter((each) => each.checkVisibility())
  .filter((each) => {
    const {width, height} = each.getBoundingClientRect();
    return width < 43.5 || height < 43.5;
  })
  .map((each) => each.outerHTML)"""
DOUBLE = """() => [...document.querySelectorAll("[id]")].map((each) => each.id)
  .filter((id, index, all) => all.indexOf(id) !== index)"""
WIDE = "document.documentElement.scrollWidth > window.innerWidth"


async def filled(page: Page, gateway: ScriptedGateway) -> None:
    await page.click("#talk")
    talk = await gateway.conversation()
    await talk.began()
    await scenes.everything(talk)
    await expect(page.locator(".waterfall")).to_have_count(4)
    await page.locator("summary").first.click()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_everything_has_a_name_contrast_and_size(
    page: Page, gateway: ScriptedGateway, scheme: str
) -> None:
    dark = "dark" if scheme == "dark" else "light"
    await page.emulate_media(color_scheme=dark, reduced_motion="reduce")
    for moment in ("idle", "conversation", "settings"):
        if moment == "conversation":
            await filled(page, gateway)
        elif moment == "settings":
            await page.click("#open-settings")
        for check in (PALE, NAMELESS, SMALL, DOUBLE):
            assert await page.evaluate(check) == [], moment


@pytest.mark.parametrize("width", [320, 390, 768])
async def test_nothing_is_wider_than_the_screen(
    browser: Browser, gateway: ScriptedGateway, width: int
) -> None:
    page = await browser.new_page(
        viewport={"width": width, "height": 700}, reduced_motion="reduce"
    )
    await page.goto(gateway.url)
    assert not await page.evaluate(WIDE)
    await filled(page, gateway)
    assert not await page.evaluate(WIDE)
    for name in ("#talk", "#end", "#type", "#send"):
        box = await page.locator(name).bounding_box()
        assert box and box["x"] >= 0 and box["x"] + box["width"] <= width, name
    await page.click("#open-settings")
    assert not await page.evaluate(WIDE)
    await page.close()


async def test_the_keyboard_is_enough(page: Page, gateway: ScriptedGateway) -> None:
    async def to(target: str) -> None:
        for _ in range(30):
            await page.keyboard.press("Tab")
            if await page.evaluate(
                "(to) => document.activeElement.matches(to)", target
            ):
                outline = "getComputedStyle(document.activeElement).outlineStyle"
                within = "document.activeElement.matches('#type')"
                assert await page.evaluate(f"{within} || {outline} !== 'none'")
                return
        raise AssertionError(f"Tab does not reach {target}")

    await to("#talk")
    await page.keyboard.press("Enter")
    talk = await gateway.conversation()
    await talk.began()
    await to("[data-mode=push-to-talk]")
    await page.keyboard.press("Space")
    await expect(page.locator("#talk-label")).to_have_text("Hold to talk")
    await page.focus("#send")
    await to("#talk")
    await page.keyboard.press("Enter")
    await talk.until("input_audio_buffer.clear")
    await talk.heard(0.3)
    await page.keyboard.press("Enter")
    await talk.until("input_audio_buffer.commit")
    await to("#open-settings")
    await page.keyboard.press("Enter")
    await expect(page.locator("#settings")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.locator("#settings")).to_be_hidden()
    await expect(page.locator("#open-settings")).to_be_focused()


async def test_a_space_that_is_typed_is_no_button(
    page: Page, gateway: ScriptedGateway
) -> None:
    await page.click("text=Push to talk")
    await page.click("#talk")
    talk = await gateway.conversation()
    await talk.began()
    await page.locator("#type").press_sequentially("one two")
    await expect(page.locator("#type")).to_have_value("one two")
    assert talk.sent("input_audio_buffer.clear") == []


async def test_a_screen_reader_is_told_what_is_settled_and_not_what_is_guessed(
    page: Page, gateway: ScriptedGateway
) -> None:
    await page.click("#talk")
    talk = await gateway.conversation()
    await talk.began()
    item = await talk.hears("How are", "How are you to")
    await expect(page.locator(".entry.user .said")).to_have_text("How are you to")
    live = page.locator("#live[aria-live=polite]")
    await expect(live).to_have_text("")
    await talk.understood(item, "How are you today?")
    await talk.answers("Very well.", seconds=0.05)
    await expect(live).to_contain_text("You: How are you today?")
    await expect(live).to_contain_text("Antiphon: Very well.")
    assert await page.locator("#state").get_attribute("role") == "status"
