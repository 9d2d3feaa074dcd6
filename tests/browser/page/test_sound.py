"""The page's change of sample rate keeps what can be kept, and folds nothing back."""

import numpy as np
import pytest
from playwright.async_api import Page

from tests.browser.chromium import needs_chromium

pytestmark = [needs_chromium, pytest.mark.asyncio(loop_scope="session")]

RESAMPLED = """async ([from, to, hz, pieces]) => {
  const {Resampler} = await import("/js/resample.js");
  const resampler = new Resampler(from, to);
  const out = [];
  let at = 0;
  for (let i = 0; at < from / 2; i += 1) {
    const piece = new Float32Array(pieces[i % pieces.length]);
    for (let j = 0; j < piece.length; j += 1) piece[j] = Math.sin(2 * Math.PI * hz * (at + j) / from);
    at += piece.length;
    out.push(...resampler.push(piece));
  }
  out.push(...resampler.flush());
  return [at, out];
}"""


async def resampled(page: Page, rates: tuple[int, int], hz: float) -> np.ndarray:
    given, made = await page.evaluate(RESAMPLED, [*rates, hz, [1, 128, 7, 333]])
    assert len(made) == pytest.approx(given * rates[1] / rates[0], abs=2)
    return np.array(made)


@pytest.mark.parametrize(
    "rates", [(48_000, 24_000), (44_100, 24_000), (24_000, 48_000), (24_000, 44_100)]
)
async def test_a_tone_stays_what_it_is_without_a_click(
    page: Page, rates: tuple[int, int]
) -> None:
    heard = await resampled(page, rates, 1_000)
    wanted = np.sin(2 * np.pi * 1_000 * np.arange(len(heard)) / rates[1])
    assert np.abs(heard - wanted)[100:-100].max() < 0.003


@pytest.mark.parametrize("rate", [48_000, 44_100])
async def test_what_24_khz_cannot_hold_is_taken_away(page: Page, rate: int) -> None:
    heard = await resampled(page, (rate, 24_000), 15_000)
    assert np.abs(heard[100:-100]).max() < 0.003
