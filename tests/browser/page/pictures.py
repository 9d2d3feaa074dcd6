"""Pictures of the page for the documentation: ``python -m tests.browser.page.pictures``."""

import asyncio
from pathlib import Path

from playwright.async_api import Browser, Page, expect

from tests.browser.chromium import chromium
from tests.browser.page import scenes
from tests.browser.page.scripted import Conversation, scripted_gateway, waterfall

FOLDER = Path(__file__).parents[3] / "docs" / "images"


async def speaking(page: Page, talk: Conversation) -> None:
    """An answer sounds below the one before it."""
    await scenes.bees(talk)
    item = await talk.hears("So it is")
    await page.wait_for_timeout(400)
    await talk.understood(item, "So it is dried nectar?")
    await page.wait_for_timeout(400)
    await talk.begins("Yes: nectar, dried and kept for the winter.", 4.0)
    await expect(page.locator("#state")).to_have_text("Speaking")
    # The strings swing up.
    await page.wait_for_timeout(600)


async def late(page: Page, talk: Conversation) -> None:
    """An answer was late, and says by whose fault."""
    await scenes.france(talk)
    await settled(page)
    await talk.said("Why is that its capital?")
    await talk.answers(
        "Because the kings of the Franks lived there, and whoever came after them stayed.",
        waterfall(402, 108, 1130, 64, saved=256),
        0.2,
    )
    await settled(page)


async def phone(page: Page, talk: Conversation) -> None:
    """A question, a tool, an answer."""
    await scenes.dice(talk)
    await settled(page)
    await scenes.france(talk)
    await settled(page)


async def settled(page: Page) -> None:
    await expect(page.locator("#state")).to_have_text("Listening")
    await page.wait_for_timeout(1_500)


PICTURES = (
    ("page.png", (1280, 1010), "light", speaking),
    ("page-dark.png", (1280, 980), "dark", late),
    ("page-phone.png", (390, 844), "light", phone),
)


async def take(browser: Browser, folder: Path) -> None:
    """All pictures."""
    for name, (width, height), scheme, scene in PICTURES:
        async with scripted_gateway() as gateway:
            page = await browser.new_page(
                viewport={"width": width, "height": height},
                color_scheme="dark" if scheme == "dark" else "light",
                device_scale_factor=2 if width < 600 else 1.5,
            )
            await page.goto(gateway.url)
            await page.click("#talk")
            talk = await gateway.conversation()
            await talk.began()
            await scene(page, talk)
            await page.screenshot(path=folder / name)
            await page.close()


async def main() -> None:
    """Take them."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    async with chromium() as browser:
        await take(browser, FOLDER)


if __name__ == "__main__":
    asyncio.run(main())
