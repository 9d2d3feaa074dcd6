"""The time of an answer, drawn and told."""

import json

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.chromium import needs_chromium
from tests.browser.page.scripted import ScriptedGateway, waterfall

pytestmark = [needs_chromium, pytest.mark.asyncio(loop_scope="session")]

FALL = waterfall(412, 104, 148, 61, saved=291)
LATE = waterfall(620, 140, 1480, 90, 4, saved=410)


async def answered(page: Page, gateway: ScriptedGateway, *falls: dict) -> None:
    await page.fill("#type", "Hello.")
    await page.press("#type", "Enter")
    talk = await gateway.conversation()
    await talk.began()
    for fall in falls:
        await talk.answers("An answer.", fall, 0.05)
    await expect(page.locator(".waterfall")).to_have_count(len(falls))


async def extent(track: Locator, bar: Locator) -> tuple[float, float]:
    """Where a bar begins and ends, as parts of its line."""
    line, box = await track.bounding_box(), await bar.bounding_box()
    assert line and box
    begin = (box["x"] - line["x"]) / line["width"]
    return begin, begin + box["width"] / line["width"]


async def test_bars_lie_where_their_time_was(
    page: Page, gateway: ScriptedGateway
) -> None:
    await answered(page, gateway, FALL)
    # Within the budget of 1200 ms that is what a line is long.
    expected = {
        "endpointing": [(0, 412, False)],
        "stt": [(121, 225, True)],
        "llm": [(225, 373, True)],
        "tts": [(373, 412, True), (412, 434, False)],
    }
    for stage, pieces in expected.items():
        track = page.locator(f".line.{stage} .track")
        bars = track.locator(".bar")
        await expect(bars).to_have_count(len(pieces))
        for index, (begin, end, ahead) in enumerate(pieces):
            bar = bars.nth(index)
            drawn = await extent(track, bar)
            assert drawn == pytest.approx((begin / 1200, end / 1200), abs=0.004)
            assert ("ahead" in (await bar.get_attribute("class") or "")) is ahead
    await expect(page.locator("figure .total")).to_have_text("436ms")
    await expect(page.locator(".readout")).to_contain_text("291 ms of work ran ahead")


async def test_an_overrun_is_told_in_color_and_words(
    page: Page, gateway: ScriptedGateway
) -> None:
    await answered(page, gateway, FALL, LATE)
    first, last = await page.locator(".waterfall").all()
    await expect(first.locator(".line.over")).to_have_count(0)
    assert await last.locator(".line.over").get_attribute("data-stage") == "llm"
    await expect(last.locator(".readout")).to_have_text(
        "724 ms over the budget of 1,200 ms"
    )


async def test_numbers_are_there_for_whoever_does_not_see_the_drawing(
    page: Page, gateway: ScriptedGateway
) -> None:
    await answered(page, gateway, LATE)
    label = await page.locator(".staff").get_attribute("aria-label")
    assert label and "thinking: 1,480 ms" in label
    assert "over the budget of 750 ms" in label
    await page.click("summary")
    rows = await page.locator(".waterfall tbody tr").all_inner_texts()
    assert [row.split("\t")[:2] for row in rows] == [
        ["endpointing", "620 ms"],
        ["hearing", "140 ms"],
        ["thinking", "1,480 ms"],
        ["voice", "90 ms"],
        ["gateway", "4 ms"],
    ]


async def test_pointer_and_arrow_keys_read_one_stage(
    page: Page, gateway: ScriptedGateway
) -> None:
    await answered(page, gateway, FALL)
    readout = page.locator(".readout")
    await page.hover(".line.tts")
    await expect(readout).to_have_text(
        "voice: 61 ms, to the first sound; 39 ms of it ran ahead; budget 300 ms"
    )
    await page.hover("#state")
    await expect(readout).to_contain_text("291 ms of work")
    await page.focus(".staff")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowDown")
    await expect(readout).to_contain_text("thinking: 148 ms")
    await page.keyboard.press("ArrowUp")
    await expect(readout).to_contain_text("hearing: 104 ms")


async def test_p50_and_p95_run_over_the_answers(
    page: Page, gateway: ScriptedGateway
) -> None:
    totals = [500, 400, 600, 2000]
    falls = [waterfall(total - 2, 0, 0, 0) for total in totals]
    await answered(page, gateway, *falls)
    await expect(page.locator("#p50")).to_have_text("500")
    await expect(page.locator("#p95")).to_have_text("2,000")
    await expect(page.locator("#count")).to_have_text("4 answers")
    label = await page.locator("#spark svg").get_attribute("aria-label")
    assert label and "500, 400, 600, 2,000 milliseconds" in label


async def test_the_session_can_be_taken_along(
    page: Page, gateway: ScriptedGateway
) -> None:
    await answered(page, gateway, FALL)
    async with page.expect_download() as download:
        await page.click("#export")
    path = await (await download.value).path()
    told = json.loads(path.read_text())
    assert told["latency"] == {"answers": 1, "p50_ms": 436, "p95_ms": 436}
    assert [entry["text"] for entry in told["entries"]] == ["Hello.", "An answer."]
    assert told["entries"][1]["waterfall"]["saved_ms"] == 291
