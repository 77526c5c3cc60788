"""Offers as Chromium 156 makes them, for tests without a browser."""

from __future__ import annotations

from collections.abc import Sequence

from slidewire.media.frames import Line

FINGERPRINT = ":".join(["AB"] * 32)
AUDIO = """m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0
a=rtpmap:111 opus/48000/2
a=rtcp-fb:111 transport-cc
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:63 red/48000/2
a=fmtp:63 111/111
a=rtpmap:9 G722/8000
a=rtpmap:0 PCMU/8000
"""
VIDEO = """m=video 9 UDP/TLS/RTP/SAVPF 96 97 102 103 104 107 108 109 45 46 98 99 118 119 120{flex}
a=extmap:14 urn:ietf:params:rtp-hdrext:toffset
a=rtpmap:96 VP8/90000
a=rtcp-fb:96 goog-remb
a=rtcp-fb:96 transport-cc
a=rtcp-fb:96 ccm fir
a=rtcp-fb:96 nack
a=rtcp-fb:96 nack pli
a=rtpmap:97 rtx/90000
a=fmtp:97 apt=96
a=rtpmap:102 H264/90000
a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f
a=rtpmap:103 rtx/90000
a=fmtp:103 apt=102
a=rtpmap:104 H264/90000
a=fmtp:104 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42001f
a=rtpmap:107 rtx/90000
a=fmtp:107 apt=104
a=rtpmap:108 H264/90000
a=fmtp:108 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f
a=rtpmap:109 rtx/90000
a=fmtp:109 apt=108
a=rtpmap:45 AV1/90000
a=rtpmap:46 rtx/90000
a=fmtp:46 apt=45
a=rtpmap:98 VP9/90000
a=rtpmap:99 rtx/90000
a=fmtp:99 apt=98
a=rtpmap:118 red/90000
a=rtpmap:119 rtx/90000
a=fmtp:119 apt=118
a=rtpmap:120 ulpfec/90000
"""
FLEX = """a=rtpmap:49 flexfec-03/90000
a=fmtp:49 repair-window=10000000
"""
COMMON = f"""c=IN IP4 0.0.0.0
a=rtcp:9 IN IP4 0.0.0.0
a=ice-ufrag:2Qk+
a=ice-pwd:tjKVTLEsBQZeliFPVNsRIJO4
a=ice-options:trickle
a=fingerprint:sha-256 {FINGERPRINT}
a=setup:actpass
a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
a=rtcp-mux
a=rtcp-rsize
"""


def offer(lines: Sequence[Line]) -> str:
    mids = " ".join(str(number) for number in range(len(lines)))
    said = f"v=0\no=- 46511 2 IN IP4 127.0.0.1\ns=-\nt=0 0\na=group:BUNDLE {mids}\na=msid-semantic: WMS\n"
    for number, line in enumerate(lines):
        if line.is_video:
            said += VIDEO.format(flex="" if line.from_page else " 49") + ("" if line.from_page else FLEX)
        else:
            said += AUDIO
        said += COMMON + f"a=mid:{number}\na={'sendonly' if line.from_page else 'recvonly'}\n"
        if line.from_page:
            ssrc = 1000 * (number + 1)
            said += f"a=ssrc-group:FID {ssrc} {ssrc + 1}\n" if line.is_video else ""
            said += f"a=ssrc:{ssrc} cname:x\n" + (f"a=ssrc:{ssrc + 1} cname:x\n" if line.is_video else "")
    return said.replace("\n", "\r\n")
