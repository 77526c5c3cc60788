"""Writes protocol/vectors/privacy.json from the Python side: what passes under which policy, for the browser twin to
agree with. What is expected in the main is written out in tests/control/test_privacy.py. Run it after
control/privacy.py changed, and read the diff."""

from __future__ import annotations

import json
from pathlib import Path

from slidewire.control.privacy import Filter, IceServer, Privacy, kind_of, permit_servers, read_privacy, stricter

TARGET = Path(__file__).parent.parent / "protocol" / "vectors" / "privacy.json"

ADDRESSES = (
    "198.51.100.7",
    "8.8.8.8",
    "0.0.0.0",  # noqa: S104
    "10.1.2.3",
    "127.0.0.1",
    "169.254.169.254",
    "172.15.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "172.32.0.1",
    "192.168.1.7",
    "192.167.1.7",
    "100.63.0.1",
    "100.64.0.1",
    "100.127.0.1",
    "100.128.0.1",
    "192.0.0.1",
    "192.0.1.1",
    "224.0.0.1",
    "255.255.255.255",
    "010.0.0.1",
    "0x0a.0.0.1",
    "10.1",
    "167772161",
    "1.2.3.4.5",
    "256.1.1.1",
    "2600::1",
    "2a00:1450:4001:810::200e",
    "3fff::1",
    "::1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fd00::2",
    "fc00::2",
    "ff02::1",
    "::ffff:10.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::a00:1",
    "2002:a00:1::1",
    "2001:0:a00:1::1",
    "2001::1",
    "2001:1::1",
    "2001:db8::7",
    "2001:db80:0:0:0:0:0:1",
    "2001:DB8::7",
    "4000::1",
    "0:0:0:0:0:0:0:1",
    "1::2::3",
    "[2600::1]",
    "00000::1",
    "6ba7b810-9dad-11d1-80b4-00c04fd430c8.local",
    "printer.local",
    "a.b.local",
    "printer.local",
    "6ba7b810-9dad-11d1-80b4-00c04fd430c8x.local",
    "6BA7B810-9DAD-11D1-80B4-00C04FD430C8.local",
    ".local",
    "local",
    "clicker.example",
)

CANDIDATES = (
    "candidate:1 1 udp 2113937151 10.1.2.3 50000 typ host",
    "candidate:1 1 udp 2113937151 6ba7b810-9dad-11d1-80b4-00c04fd430c8.local 50000 typ host ufrag Ab1+ network-cost 9",
    "candidate:2 1 UDP 2113937151 198.51.100.7 50000 typ host generation 0 network-id 1 network-cost 10",
    "candidate:2 1 tcp 1518280447 198.51.100.7 9 typ host tcptype active generation 0",
    "candidate:9 1 udp 2113939711 2600::1 50001 typ host",
    "candidate:9 1 udp 2113939711 fd00::2 50001 typ host",
    "candidate:1f0a9 1 udp 1677729535 198.51.100.9 50002 typ srflx raddr 10.1.2.3 rport 50000 generation 0",
    "candidate:1f0a9 1 udp 1677729535 192.168.1.9 50002 typ srflx raddr 10.1.2.3 rport 50000",
    "candidate:3 1 udp 1677729535 198.51.100.9 50002 typ prflx raddr 10.1.2.3 rport 50000",
    "candidate:3 1 udp 1677729535 192.168.1.9 50002 typ prflx",
    "candidate:4 1 udp 33562367 203.0.113.1 50003 typ relay raddr 198.51.100.9 rport 50002 generation 0 network-id 1",
    "candidate:4 1 udp 33562367 192.168.1.1 50003 typ relay raddr 198.51.100.9 rport 50002",
    "candidate:5 1 udp 33562367 2600::9 50003 typ relay raddr 2600::1 rport 50002",
    "candidate:4 1 udp 33562367 turn.example 50003 typ relay raddr 198.51.100.9 rport 50002",
    "candidate:4 1 udp 33562367 a.local 50003 typ relay raddr 198.51.100.9 rport 50002",
    "candidate:6 1 udp 2113937151 clicker.example 50000 typ host",
    "candidate:6 1 udp 2113937151 010.0.0.1 50000 typ host",
    "candidate:7 1 udp 2113937151 198.51.100.7 50000 typ host x-where 10.1.2.3",
    "candidate:7 1 udp 2113937151 198.51.100.7 50000 typ relayed",
    "candidate:7 1 udp 2113937151 198.51.100.7 50000 typ host raddr",
    "candidate:7 1 udp 2113937151  198.51.100.7 50000 typ host",
    "a=candidate:7 1 udp 2113937151 198.51.100.7 50000 typ host",
    "candidate:",
    # What another parser might take for a candidate, or for another one.
    "candidate:7 1 udp 2113937151 198.51.100.7 50000 typ host\u000b",
    "candidate:7 1 udp 2113937151 198.51.100.7 50000 typ host\r\na=candidate:8 1 udp 1 10.1.2.3 9 typ host",
    "candidate:7 1 udp 2113937151 198.51.100.7\u00a050000 typ host",
    "candidate:7 1 udp 2113937151 198.51.100.7 50_000 typ host",
    "candidate:7 1 udp 2113937151 198.51.100.7 \u0665\u0660\u0660\u0660 typ host",
    "candidate:7 1 udp 2113937151 198.51.100.\uff17 50000 typ host",
    "candidate:7 1 udp 2113937151 198.51.100.7 050000 typ host",
    "candidate:7 01 udp 2113937151 198.51.100.7 50000 typ host",
    "candidate:7 0 udp 2113937151 198.51.100.7 50000 typ host",
    "candidate:7 256 udp 2113937151 198.51.100.7 50000 typ host",
    "candidate:7 257 udp 2113937151 198.51.100.7 50000 typ host",
    "candidate:7 1 udp 2147483647 198.51.100.7 65535 typ host",
    "candidate:7 1 udp 2147483648 198.51.100.7 50000 typ host",
    "candidate:7 1 udp 0 198.51.100.7 1 typ host",
    "candidate:7 1 udp 1 198.51.100.7 0 typ host",
    "candidate:7 1 udp 1 198.51.100.7 65536 typ host",
    "candidate:7 1 ssltcp 1 198.51.100.7 443 typ host",
    "candidate:7 1 uDp 1 198.51.100.7 443 typ host",
    "candidate:7 1 TCP 1518280447 198.51.100.7 9 typ host tcptype passive",
    "candidate:7 1 tcp 1518280447 198.51.100.7 9 typ host tcptype passiv tcptyp active",
    "candidate:7 1 udp 1 198.51.100.7 50000 typ host generation 0 generation 1",
    "candidate:7 1 udp 1 198.51.100.7 50000 typ srflx raddr 10.0.0.1 rport 9 raddr 10.0.0.2 rport 9",
    "candidate:7 1 udp 1 198.51.100.7 50000 typ host ufrag Ab1+ generation 00000 x-y z",
    "candidate:7 1 udp 1 198.51.100.7 50000 typ host ufrag \u00e4bcd",
    "candidate:7 1 udp 1 2001:DB8:0:0::7 50000 typ host",
    "candidate:7 1 udp 1 2600::%25eth0 50000 typ host",
    "candidate:7 1 udp 1 fe80::1%eth0 50000 typ host",
    "candidate:7 1 udp 1 ::ffff:10.1.2.3 50000 typ host",
    "candidate:7 1 udp 1 ::FFFF:0a01:0203 50000 typ host",
    "candidate:7 1 udp 1 A-1.LOCAL 50000 typ host",
    "candidate:7 1 udp 1 a-1.local. 50000 typ host",
    "candidate:7/+ 1 udp 1 198.51.100.7 50000 typ host",
    "candidate:7- 1 udp 1 198.51.100.7 50000 typ host",
    "candidate:7 1 udp 1 198.51.100.7 50000 typ HOST",
    "candidate:7 1 udp 1 198.51.100.7 50000 typ host " + " ".join(f"x{n} {96 * 'y'}" for n in range(10)) + " x y",
    "candidate:7 1 udp 1 198.51.100.7 50000 typ host " + " ".join(f"x{n} {96 * 'y'}" for n in range(9)) + " x y",
)

DESCRIPTION_LINES = (
    "v=0",
    "o=ada 4611731400430051336 2 IN IP4 10.1.2.3",
    "s=-",
    "t=0 0",
    "a=group:BUNDLE 0",
    "m=application 50002 UDP/DTLS/SCTP webrtc-datachannel",
    "c=IN IP4 198.51.100.9",
    "a=rtcp:50002 IN IP4 198.51.100.9",
    "a=candidate:1 1 udp 2113937151 10.1.2.3 50000 typ host",
    "a=candidate:1f0a9 1 udp 1677729535 198.51.100.9 50002 typ srflx raddr 10.1.2.3 rport 50000",
    "a=candidate:4 1 udp 33562367 203.0.113.1 50003 typ relay raddr 198.51.100.9 rport 50002",
    "a=remote-candidates:1 10.1.2.9 50000",
    "a=ice-ufrag:Ab1+",
    "a=mid:0",
    "m=audio 0 UDP/TLS/RTP/SAVPF 0",
    "c=IN IP6 2600::1",
    "",
)
SMUGGLED = "a=candidate:9 1 udp 2130706431 192.168.1.1 5000 typ host"
BREAKS = (
    "\r",
    "\v",
    "\f",
    "\x00",
    "\x1c",
    "\x1d",
    "\x1e",
    "\x7f",
    "\x85",
    "\u00a0",
    "\u2028",
    "\u2029",
    "\ufeff",
    "\r\r",
)
"""Characters that end a line for one parser or another, or that one of them strips."""
HEAD = "\r\n".join(DESCRIPTION_LINES[:6])
DESCRIPTIONS = (
    "\r\n".join(DESCRIPTION_LINES),
    "\n".join(DESCRIPTION_LINES),
    "",
    HEAD,
    *(f"{HEAD}\r\na=x{character}{SMUGGLED}\r\na=mid:0\r\n" for character in BREAKS),
    *(f"{HEAD}{character}{SMUGGLED}\r\na=mid:0\r\n" for character in BREAKS),
    *(f"s=-{character}{DESCRIPTION_LINES[5]}{character}{SMUGGLED}\n" for character in BREAKS),
    # Where no candidate belongs.
    f"v=0\r\n{SMUGGLED}\r\n{DESCRIPTION_LINES[5]}\r\na=mid:0\r\n",
    f"{HEAD}\r\n{SMUGGLED}\r\nm=image 9 UDP/DTLS/SCTP x\r\n{SMUGGLED}\r\na=mid:1\r\n",
    f"{HEAD}\r\nm=audio 9/2 UDP/TLS/RTP/SAVPF 0\r\n{SMUGGLED}\r\nm=audio 70000 RTP/AVP 0\r\n{SMUGGLED}\r\n",
    # What a browser says of media, and what says an address in another place.
    "\r\n".join(
        (
            "v=0",
            "s=10.1.2.3",
            "i=10.1.2.3",
            "b=AS:10",
            "a=msid-semantic: WMS",
            "a=extmap-allow-mixed",
            "a=ice-options:trickle",
            "a=setup:actpass",
            "a=fingerprint:sha-256 " + ":".join(["AB"] * 32),
            "m=video 9 UDP/TLS/RTP/SAVPF 96 97",
            "c=IN IP6 fd00::1",
            "b=AS:10",
            "a=rtcp:50002 IN IP4 10.1.2.3",
            "a=rtcp-xr:10.1.2.3",
            "a=source-filter: incl IN IP4 * 10.1.2.3",
            "a=x-address:10.1.2.3",
            "a=candidates:10.1.2.3",
            "a=ice-ufrag:Ab1+",
            "a=ice-pwd:abcdefghijklmnopqrstuv",
            "a=mid:0",
            "a=extmap:3/sendonly urn:ietf:params:rtp-hdrext:sdes:mid",
            "a=sendonly",
            "a=msid:- 6ba7b810",
            "a=rtcp-mux",
            "a=rtcp-rsize",
            "a=rtpmap:96 VP8/90000",
            "a=rtcp-fb:96 nack pli",
            "a=rtcp-fb:* transport-cc",
            "a=rtpmap:97 rtx/90000",
            "a=fmtp:97 apt=96",
            "a=ssrc-group:FID 1 4294967295",
            "a=ssrc:1 cname:{a b}",
            "a=ssrc:1 msid:- 6ba7b810",
            "a=end-of-candidates",
            "a=sendonly:x",
            "",
            "z=0 0",
            " a=mid:1",
            "A=mid:1",
        )
    ),
)

SERVERS = [
    {
        "servers": [
            {"urls": ["stun:clicker.example:3478", "stun:stun.example:19302"]},
            {"urls": "turn:TURN.example:3478?transport=udp", "username": "a", "credential": "b"},
            {
                "urls": ["turns:[2600::1]:443?transport=tcp", "turn:evil.example@clicker.example"],
                "username": "a",
                "credential": "b",
            },
            {"urls": "stun:other.example:3478"},
            {"urls": 5},
            "stun:clicker.example",
        ],
        "hosts": hosts,
    }
    for hosts in (
        ["clicker.example"],
        ["clicker.example", "turn.example:3478", "2600::1"],
        ["turn.example:3479", "[2600::1]", "Clicker.Example"],
        ["other.example:3478"],
        [],
    )
]
SERVERS.append(
    {
        "servers": [
            {
                "urls": [
                    "STUN:clicker.example?TRANSPORT=TCP",
                    "stuns:clicker.example",
                    "turn:Clicker.example:65535",
                    "turn:clicker.example:65536",
                    "turn:clicker.example:03478",
                    "turn:clicker.example:0",
                    "turn:clicker.example:",
                    "turn:cl%69cker.example",
                    "turn:clicker.example?transport=sctp",
                    "turn://clicker.example",
                    "turn:clicker_2.example",
                ],
                "username": "a",
                "credential": "b",
            }
        ],
        "hosts": ["clicker.example"],
    }
)


def passed(policy: Privacy, near: bool, what: str) -> str | None:
    filter_ = Filter(policy)
    filter_.is_near = near
    return filter_.candidate(what)


def described(sdp: str, policy: Privacy, near: bool) -> dict[str, object]:
    filter_ = Filter(policy)
    filter_.is_near = near
    return {"passes": filter_.description(sdp), "stopped": filter_.stopped}


def vectors() -> dict[str, object]:
    cases = [(policy, near) for policy in Privacy for near in (False, True)]
    return {
        "stricter": [{"one": a, "other": b, "is": stricter(a, b)} for a in Privacy for b in Privacy],
        "read": [
            {"word": word, "is": read_privacy(word, Privacy.BALANCED)}
            for word in (None, "open", "balanced", "private", "public", "", 3, ["open"])
        ],
        "kinds": [{"address": address, "is": kind_of(address)} for address in ADDRESSES],
        "candidates": [
            {"candidate": text, "passes": [passed(policy, near, text) for policy, near in cases]} for text in CANDIDATES
        ],
        "cases": [{"policy": policy, "near": near} for policy, near in cases],
        "descriptions": [
            {
                "description": sdp,
                "passes": [described(sdp, policy, near) for policy, near in (cases if index == 0 else cases[2:4])],
            }
            for index, sdp in enumerate(DESCRIPTIONS)
        ],
        "servers": [
            {**case, "permitted": [_as_json(server) for server in permitted], "refused": refused}
            for case in SERVERS
            for permitted, refused in [permit_servers(case["servers"], case["hosts"])]  # type: ignore[arg-type]
        ],
    }


def _as_json(server: IceServer) -> dict[str, object]:
    members = {"username": server.username, "credential": server.credential}
    return {"urls": list(server.urls)} | {name: value for name, value in members.items() if value is not None}


def main() -> None:
    TARGET.write_text(json.dumps(vectors(), indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
