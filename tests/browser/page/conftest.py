"""A page in Chromium before a scripted gateway."""

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.browser.chromium import chromium
from tests.browser.page.scripted import ScriptedGateway, scripted_gateway

# What goes to the loudspeaker passes a meter first.
METER = """
const connect = AudioNode.prototype.connect;
AudioNode.prototype.connect = function (to, ...more) {
  if (to instanceof AudioDestinationNode) {
    const meter = new AnalyserNode(this.context, {fftSize: 2048});
    connect.call(this, meter);
    window.loudness = () => {
      const samples = new Float32Array(2048);
      meter.getFloatTimeDomainData(samples);
      return Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / samples.length);
    };
  }
  return connect.call(this, to, ...more);
};
"""


@pytest_asyncio.fixture(loop_scope="session")
async def gateway() -> AsyncIterator[ScriptedGateway]:
    async with scripted_gateway() as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One for all: starting it takes longer than most tests."""
    async with chromium() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, gateway: ScriptedGateway) -> AsyncIterator[Page]:
    """The page as it is when it is opened; what it throws or complains of fails the test."""
    complaints: list[str] = []
    context = await browser.new_context(
        reduced_motion="reduce", permissions=["microphone"]
    )
    opened = await context.new_page()
    opened.set_default_timeout(10_000)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on(
        "console",
        lambda message: (
            complaints.append(message.text)
            if "Content Security Policy" in message.text
            else None
        ),
    )
    await opened.add_init_script(METER)
    await opened.goto(gateway.url)
    yield opened
    await context.close()
    assert complaints == []
