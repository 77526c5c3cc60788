"""What is a candidate, and that nothing is left to interpret in one."""

from __future__ import annotations

import ipaddress

import pytest
from aiortc.sdp import candidate_from_sdp
from hypothesis import given
from hypothesis import strategies as st

from slidewire.sdp.candidate import LONGEST, Candidate, Trickled, usual_notation

MDNS = "6ba7b810-9dad-41d1-80b4-00c04fd430c8.local"
HOST = "candidate:1 1 udp 2130706431 192.168.1.7 50000 typ host"


@pytest.mark.parametrize(
    ("said", "written"),
    [
        (HOST, HOST),
        (HOST + " generation 0 network-id 1 ufrag Ab1+", HOST + " generation 0 ufrag Ab1+"),
        (
            "candidate:a/+ 256 UDP 0 2001:DB8:0::7 1 typ srflx raddr fe80::1 rport 5",
            "candidate:a/+ 256 UDP 0 2001:db8::7 1 typ srflx raddr :: rport 9",
        ),
        (
            "candidate:1 1 tcp 1 ::ffff:10.0.0.1 9 typ prflx tcptype active",
            "candidate:1 1 tcp 1 ::ffff:a00:1 9 typ prflx raddr :: rport 9 tcptype active",
        ),
        (f"candidate:1 1 udp 1 {MDNS} 9 typ host", f"candidate:1 1 udp 1 {MDNS} 9 typ host"),
    ],
)
def test_a_candidate_is_written_anew(said: str, written: str) -> None:
    candidate = Candidate.read(said)
    assert candidate is not None and candidate.text == written
    assert Candidate.read(written) == candidate
    of_library = candidate_from_sdp(written.removeprefix("candidate:"))
    assert (of_library.ip, of_library.port, of_library.type) == (candidate.address, candidate.port, candidate.type)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("candidate:", "Candidate:"),
        ("candidate:", " candidate:"),
        ("candidate:1 1", "candidate:1  1"),
        ("candidate:1 ", "candidate:1\u00a0"),
        ("candidate:1", "candidate:_"),
        ("candidate:1", "candidate:" + 33 * "1"),
        (" 1 udp", " 01 udp"),
        (" 1 udp", " 0 udp"),
        (" 1 udp", " 257 udp"),
        (" 1 udp", " \u0661 udp"),
        (" 1 udp", " +1 udp"),
        ("udp", "uDp"),
        ("udp", "dccp"),
        ("2130706431", "2_130_706_431"),
        ("2130706431", "2147483648"),
        ("2130706431", "-1"),
        ("192.168.1.7", "192.168.1.07"),
        ("192.168.1.7", "3232235783"),
        ("192.168.1.7", "192.168.1.\uff17"),
        ("192.168.1.7", "host.example"),
        ("192.168.1.7", "a.b.local"),
        ("192.168.1.7", "printer.local"),
        ("192.168.1.7", MDNS + "."),
        ("192.168.1.7", "fe80::1%eth0"),
        ("192.168.1.7", "[::1]"),
        ("50000", "0"),
        ("50000", "65536"),
        ("50000", "5e4"),
        ("50000", "50000/2"),
        ("typ host", "TYP host"),
        ("typ host", "typ hos"),
        ("typ host", "typ host "),
        ("typ host", "typ host raddr"),
        ("typ host", "typ host\n"),
        ("typ host", "typ host\x1f"),
        ("typ host", "typ host raddr 1.1.1.1 raddr 2.2.2.2"),
        ("typ host", "typ host x " + "y" * 256),
    ],
)
def test_what_another_reader_might_take_for_one_is_none(old: str, new: str) -> None:
    assert old in HOST and Candidate.read(HOST) is not None
    assert Candidate.read(HOST.replace(old, new)) is None


def test_a_candidate_has_an_end() -> None:
    words = HOST + "".join(f" x{n} {240 * 'y'}" for n in range(3)) + " z "
    room = LONGEST - len(words)
    assert Candidate.read(words + room * "y") is not None
    assert Candidate.read(words + (room + 1) * "y") is None


@given(st.ip_addresses())
def test_an_address_has_one_notation(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    usual = usual_notation(str(address))
    assert usual is not None and ipaddress.ip_address(usual) == address
    assert usual_notation(address.exploded) == usual == usual_notation(usual)


@given(st.text(max_size=50) | st.text(alphabet="0123456789abcdef:.%xXlo\u0661", max_size=50))
def test_no_other_text_is_an_address(text: str) -> None:
    usual = usual_notation(text)
    if usual is not None and not usual.endswith(".local"):
        assert ipaddress.ip_address(text) == ipaddress.ip_address(usual)


def test_a_trickled_candidate_is_four_members() -> None:
    said = {"candidate": HOST, "sdpMid": "0", "sdpMLineIndex": 0, "usernameFragment": "Ab1+"}
    trickled = Trickled.read({**said, "more": {}})
    assert trickled is not None and trickled.said == said
    bare = Trickled.read({"candidate": HOST, "sdpMid": None})
    assert bare is not None and bare.said == {"candidate": HOST}


@pytest.mark.parametrize(
    "member",
    [
        {"candidate": None},
        {"candidate": [HOST]},
        {"sdpMid": 0},
        {"sdpMid": "a b"},
        {"sdpMid": "\u2028"},
        {"sdpMid": 65 * "x"},
        {"sdpMLineIndex": True},
        {"sdpMLineIndex": "0"},
        {"sdpMLineIndex": -1},
        {"sdpMLineIndex": 256},
        {"sdpMLineIndex": 0.0},
        {"usernameFragment": "a"},
        {"usernameFragment": {}},
    ],
)
def test_each_of_them_is_looked_at(member: dict[str, object]) -> None:
    assert Trickled.read({"candidate": HOST, **member}) is None
