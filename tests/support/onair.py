"""A presenter's camera and microphone in pages of Chromium: switched on as a presenter does, and what is seen and heard
of them where they come out."""

from __future__ import annotations

from playwright.async_api import Page, expect

from tests.support.browser import PATIENCE

_ONE_MORE = "video => new Promise(done => video.requestVideoFrameCallback(() => done()))"
_SOUNDS = """
async (video, patience) => {
  const context = new AudioContext()
  const analyser = context.createAnalyser()
  context.createMediaStreamSource(video.srcObject).connect(analyser)
  const samples = new Float32Array(analyser.fftSize)
  const loudest = () => { analyser.getFloatTimeDomainData(samples); return Math.max(...samples.map(Math.abs)) }
  for (const began = performance.now(); performance.now() - began < patience;) {
    if (loudest() > 0.02) return true
    await new Promise((done) => setTimeout(done, 20))
  }
  return false
}
"""


async def turn_on(page: Page, *devices: str) -> None:
    """In the panel, which stays open."""
    await page.get_by_test_id("media").tap()
    for device in devices:
        await page.get_by_test_id(f"send-{device}").tap()


async def plays(page: Page, test_id: str, pictures: int = 2) -> None:
    """There is a picture, and another one after it."""
    video = page.get_by_test_id(test_id)
    await expect(video).to_be_visible()
    for _ in range(pictures):
        await video.evaluate(_ONE_MORE)
    assert await video.evaluate("video => video.videoWidth") > 0


async def hears(page: Page, test_id: str) -> None:
    """Sound comes out: Chromium's microphone beeps once a second."""
    assert await page.get_by_test_id(test_id).evaluate(_SOUNDS, PATIENCE), f"no sound from {test_id}"
