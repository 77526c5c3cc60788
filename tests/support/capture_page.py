"""What a presenter's page does with camera and microphone, as a script for `media_page.connected`."""

from __future__ import annotations

from playwright.async_api import Page

SECURE = "https://media.test/"
LINES_SEND = """
const stream = await navigator.mediaDevices.getUserMedia({
  video: {width: %(width)d, height: %(height)d, frameRate: %(rate)d},
  audio: {echoCancellation: false, noiseSuppression: false, autoGainControl: false},
});
for (const transceiver of pc.getTransceivers()) {
  const track = stream.getTracks().find(track => track.kind === transceiver.receiver.track.kind);
  if (transceiver.direction === 'sendonly' && track) await transceiver.sender.replaceTrack(track);
}
"""


def capture(width: int = 640, height: int = 480, rate: int = 30) -> str:
    """Every line from the page sends what `getUserMedia` gives."""
    return LINES_SEND % {"width": width, "height": height, "rate": rate}


async def secure(page: Page) -> None:
    """An empty page that may use camera and microphone."""
    await page.route(
        "https://media.test/", lambda route: route.fulfill(body="<!doctype html>", content_type="text/html")
    )
    await page.goto("https://media.test/")
