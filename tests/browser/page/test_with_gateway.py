"""The page and the gateway: recorded speech into the microphone, an answer out of the loudspeaker, and its time."""

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import expect

from antiphon.v1 import llm_pb2
from tests.browser.chromium import chromium, needs_chromium
from tests.browser.page.conftest import METER
from tests.browser.page.scripted import PATIENCE
from tests.browser.page.test_for_everybody import WIDE
from tests.browser.page.test_talking import sounds
from tests.browser.recordings import pcm, wav
from tests.fakes.doors import doors
from tests.fakes.stages import Script, tone

pytestmark = [needs_chromium, pytest.mark.asyncio(loop_scope="session")]

QUESTION = "06-what-do-bees-make.flac"
RATE = 48_000


# Calls are kept where a test can ask them what came in.
KEEP = """
const Plain = RTCPeerConnection;
window.RTCPeerConnection = class extends Plain {
  constructor(...given) { super(...given); window.peer = this; }
};
"""
ENERGY = """() => new Promise((resolve) => {
  const look = async () => {
    const stats = [...(await peer.getStats()).values()];
    const sound = stats.find(({type, kind}) => type === "inbound-rtp" && kind === "audio");
    if (sound?.totalAudioEnergy > 0.001) resolve(sound.totalAudioEnergy);
    else requestAnimationFrame(look);
  };
  look();
})"""


def paints() -> Script:
    """Answers with honey first, and with a color ever after."""
    honey = iter([["Bees make honey."]])

    def write(request: llm_pb2.GenerateRequest) -> list[str | llm_pb2.ToolCall]:
        last = request.messages[-1]
        if last.role == llm_pb2.ROLE_TOOL:
            return ["It is teal."]
        call = llm_pb2.ToolCall(
            id="call_1", name="set_page_color", arguments_json='{"color": "teal"}'
        )
        return list(next(honey, [call]))

    return Script(hear=lambda *_: "What do bees make?", write=write, sound=tone)


@pytest.mark.parametrize("transport", ["websocket", "webrtc"])
async def test_speech_is_answered_with_speech(tmp_path: Path, transport: str) -> None:
    recording = tmp_path / "question.wav"
    silence = bytes(2 * RATE)
    recording.write_bytes(wav(silence + pcm(QUESTION, RATE) + silence * 2, RATE))
    async with doors(paints(), speculations=0) as gateway:
        async with chromium(recording) as browser:
            page = await browser.new_page(reduced_motion="reduce")
            page.set_default_timeout(20_000)
            expect.set_options(timeout=20_000)
            await page.add_init_script(METER + KEEP)
            await page.goto(gateway.http)
            await page.click("#open-settings")
            await page.select_option("#transport", transport)
            await page.keyboard.press("Escape")
            await page.click("#talk")
            asked = page.locator(".entry.user .said").first
            await expect(asked).to_have_text("What do bees make?")
            await expect(page.locator("#state")).to_have_text("Speaking")
            if transport == "websocket":
                await sounds(page)
            else:
                async with asyncio.timeout(PATIENCE):
                    await page.evaluate(ENERGY)
            answers = page.locator(".entry.assistant .said")
            await expect(answers.first).to_have_text("Bees make honey.")
            await expect(page.locator(".waterfall").first).to_be_visible()
            called = page.locator(".entry.tool .said").first
            await expect(called).to_contain_text('color: "teal", done: true')
            await expect(answers.nth(1)).to_have_text("It is teal.")
            await page.click("#end")
            await expect(page.locator("#state")).to_have_text("Press and talk")
        async with asyncio.timeout(PATIENCE):
            await gateway.admission.idle()


async def test_the_list_of_what_is_offered_is_as_wide_as_its_window() -> None:
    async with doors(Script()) as gateway, chromium() as browser:
        page = await browser.new_page()
        await page.goto(f"{gateway.http}/docs")
        for width in (320, 390, 700, 780, 1280):
            await page.set_viewport_size({"width": width, "height": 800})
            assert await page.evaluate(WIDE) is False, width
