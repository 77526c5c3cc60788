"""Captures what Chromium sends under loss: RED with ULPFEC, and FlexFEC where its field trial is on.

    python tools/capture_fec.py           writes tests/fec/vectors/chromium_{ulpfec,flexfec}.json

Chromium sends a canvas as VP8 to aiortc, whose transport drops a tenth of what comes, so that reports tell of loss.
Retransmission is not negotiated: else Chromium would rely on it at this round trip. What is kept are the decrypted
packets in the order in which they were sent, from the start of one repair block to the end of another.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
import sys
from pathlib import Path
from typing import Any

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription, codecs, rtcdtlstransport
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from playwright.async_api import async_playwright

from slidewire.fec import red
from slidewire.rtp.packet import parse

ROOT = Path(__file__).parents[1]
CHROMIUM = "/usr/bin/chromium"
RED, ULPFEC, FLEXFEC = 118, 120, 49
KEPT = 36

PAGE = """
async (wanted) => {
  const canvas = document.createElement('canvas');
  canvas.width = 640; canvas.height = 480;
  const context = canvas.getContext('2d');
  let n = 0;
  setInterval(() => {
    n++;
    context.fillStyle = 'white'; context.fillRect(0, 0, 640, 480);
    for (let i = 0; i < 60; i++) {
      context.fillStyle = `hsl(${(i * 31 + n * 3) % 360} 90% 50%)`;
      context.fillRect((i * 97 + n * (3 + i % 5)) % 640, (i * 53 + n * (1 + i % 3)) % 480, 40, 30);
    }
  }, 33);
  const pc = globalThis.pc = new RTCPeerConnection();
  const transceiver = pc.addTransceiver(canvas.captureStream(30).getVideoTracks()[0], {direction: 'sendonly'});
  const all = RTCRtpSender.getCapabilities('video').codecs;
  transceiver.setCodecPreferences(all.filter(codec => wanted.includes(codec.mimeType)));
  await pc.setLocalDescription(await pc.createOffer());
  await new Promise(done => {
    if (pc.iceGatheringState === 'complete') done();
    pc.onicegatheringstatechange = () => pc.iceGatheringState === 'complete' && done();
  });
  return {sdp: pc.localDescription.sdp, agent: navigator.userAgent};
}
"""


def payload_type(sdp: str, codec: str) -> int:
    line = next(line for line in sdp.splitlines() if line.startswith("a=rtpmap:") and f" {codec}/90000" in line)
    return int(line.removeprefix("a=rtpmap:").split()[0])


def without_retransmission(sdp: str) -> str:
    unwanted = ("nack", "transport-cc")
    lines = [
        line
        for line in sdp.splitlines()
        if not (line.startswith("a=rtcp-fb:") and line.split()[1].startswith(unwanted))
    ]
    return "\r\n".join(lines) + "\r\n"


async def capture(kind: str) -> dict[str, Any]:
    wanted = {"ulpfec": ["video/VP8", "video/red", "video/ulpfec"], "flexfec": ["video/VP8", "video/flexfec-03"]}[kind]
    for name, number in {"video/red": RED, "video/ulpfec": ULPFEC, "video/flexfec-03": FLEXFEC}.items():
        if name in wanted:
            codecs.CODECS["video"].append(RTCRtpCodecParameters(mimeType=name, clockRate=90000, payloadType=number))
    dice = random.Random(1)
    packets: list[bytes] = []
    receive = rtcdtlstransport.RTCDtlsTransport._handle_rtp_data

    async def hook(self: Any, data: bytes, arrival_time_ms: int) -> None:
        packets.append(data)
        packet = parse(data)
        if packet is not None and packet.payload_type == RED:
            packet = red.unwrap(packet)
        if packet is not None and packet.payload_type not in (ULPFEC, FLEXFEC) and dice.random() >= 0.1:
            await receive(self, packet.build(), arrival_time_ms)

    rtcdtlstransport.RTCDtlsTransport._handle_rtp_data = hook  # type: ignore[method-assign]
    trials = "--force-fieldtrials=WebRTC-FlexFEC-03/Enabled/WebRTC-FlexFEC-03-Advertised/Enabled/"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-features=WebRtcHideLocalIpsWithMdns", *([trials] * (kind == "flexfec"))],
        )
        page = await browser.new_page()
        await page.goto("about:blank")
        offer = await page.evaluate(PAGE, wanted)
        pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        await pc.setRemoteDescription(RTCSessionDescription(without_retransmission(offer["sdp"]), "offer"))
        await pc.setLocalDescription(await pc.createAnswer())
        answer = without_retransmission(pc.localDescription.sdp)
        await page.evaluate("sdp => pc.setRemoteDescription({type: 'answer', sdp})", answer)
        await asyncio.sleep(15)
        await pc.close()
        await browser.close()
    rtcdtlstransport.RTCDtlsTransport._handle_rtp_data = receive  # type: ignore[method-assign]
    numbers = {codec.partition("/")[2]: payload_type(offer["sdp"], codec.partition("/")[2]) for codec in wanted}
    kept = cut(packets, numbers)
    return {
        "comment": f"What {offer['agent'].split()[-2]} sent (tools/capture_fec.py), base64, in the order of sending.",
        "payload_types": numbers,
        "extensions": extensions(offer["sdp"]),
        "packets": [base64.b64encode(packet).decode() for packet in kept],
    }


def extensions(sdp: str) -> dict[str, int]:
    lines = (line.removeprefix("a=extmap:").split() for line in sdp.splitlines() if line.startswith("a=extmap:"))
    return {uri: int(number.partition("/")[0]) for number, uri in lines}


def cut(packets: list[bytes], numbers: dict[str, int]) -> list[bytes]:
    """The latest piece that begins after a repair packet and ends with one."""

    def is_repair(packet: bytes) -> bool:
        number = packet[1] & 0x7F
        if "red" in numbers:
            extension = 16 + 4 * int.from_bytes(packet[14:16], "big") if packet[0] & 0x10 else 12
            return number == numbers["red"] and packet[extension] == numbers["ulpfec"]
        return number == numbers["flexfec-03"]

    repairs = [index for index, packet in enumerate(packets) if is_repair(packet)]
    print(f"{len(packets)} packets, {len(repairs)} of them repair packets", file=sys.stderr)
    end = repairs[-1] + 1
    start = next(index for index in reversed(repairs) if end - index > KEPT) + 1
    while is_repair(packets[start]):
        start += 1
    return packets[start:end]


def main() -> None:
    folder = ROOT / "tests/fec/vectors"
    folder.mkdir(exist_ok=True)
    for kind in sys.argv[1:] or ["ulpfec", "flexfec"]:
        found = asyncio.run(capture(kind))
        (folder / f"chromium_{kind}.json").write_text(json.dumps(found, indent=1) + "\n")
        print(kind, len(found["packets"]), found["payload_types"], file=sys.stderr)


if __name__ == "__main__":
    main()
