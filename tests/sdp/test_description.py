"""A description is what its lines say to us, and to nobody else anything more."""

from __future__ import annotations

import pytest
from aiortc.sdp import SessionDescription
from hypothesis import example, given
from hypothesis import strategies as st

from slidewire.control.privacy import Filter, Privacy
from slidewire.rtc.aiortc_engine import for_data_channels
from slidewire.rtc.guarded import MOST_CANDIDATES, Guard
from slidewire.sdp.candidate import Candidate
from slidewire.sdp.description import LONGEST, MOST_SECTIONS, Attribute, read_description, write_description
from tests.media.offers import offer
from tests.media.test_offer_answer import ALL

SECTION = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel"
LINES = (
    "v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0", "a=group:BUNDLE 0", SECTION, "c=IN IP4 0.0.0.0", "a=mid:0",
    "a=sctp-port:5000", "a=ice-ufrag:abcd", "a=ice-pwd:abcdefghijklmnopqrstuv",
    "a=fingerprint:sha-256 " + ":".join(["AA"] * 32), "a=setup:actpass",
    "a=candidate:1 1 udp 1 198.51.100.7 5000 typ host",
)  # fmt: skip
TEXT = "".join(f"{line}\r\n" for line in LINES)
CANDIDATE = "a=candidate:1 1 UDP 2130706431 192.168.1.1 5000 typ host"
BREAKS = sorted(
    {chr(code) for code in range(0x3000) if len(f"a{chr(code)}b".splitlines()) > 1} | {"\0", "\x7f", "\xa0"}
)


def test_a_browser_s_description_is_written_as_it_was() -> None:
    assert (
        write_description(read_description(TEXT)) == TEXT == write_description(read_description(TEXT.replace("\r", "")))
    )
    said = offer(ALL)
    read = read_description(said)
    assert read.refused == 0 and [section.kind for section in read.sections][:3] == ["video", "video", "audio"]
    written = write_description(read)
    assert read_description(written) == read
    left_out = set(said.split("\r\n")) - set(written.split("\r\n"))
    assert all(line.startswith(("o=", "s=", "a=rtcp:", "b=")) for line in left_out), left_out


@pytest.mark.parametrize("character", [each for each in BREAKS if each != "\n"])
@pytest.mark.parametrize(
    "hidden", ["a=x{}{}", "a=mid:0{}{}", "s={}{}", "m=application 9 UDP/DTLS/SCTP x{}{}", "{}{}", "b=AS:1{}{}", "x{}{}"]
)
def test_what_ends_a_line_for_somebody_carries_nothing_past_us(character: str, hidden: str) -> None:
    read = read_description(f"{TEXT}{hidden.format(character, CANDIDATE)}\r\n")
    assert read.refused == 1
    assert "192.168.1.1" not in write_description(read)


def test_line_feeds_end_lines_whatever_stands_before_them() -> None:
    assert read_description(TEXT + CANDIDATE + "\r\r\n").refused == 1
    assert read_description(TEXT + "a=x:\n" + CANDIDATE).sections[0].lines[-1] == Candidate.read(CANDIDATE[2:])


def test_candidates_belong_to_sections() -> None:
    read = read_description(f"v=0\n{CANDIDATE}\n{SECTION}\na=mid:0\nm=image 9 x y\n{CANDIDATE}\na=mid:1\n")
    assert read.refused == 3
    assert [list(section.lines) for section in read.sections] == [[Attribute("mid", "0")]]


@pytest.mark.parametrize(
    "line",
    [
        "a=sctp-port:5_000", "a=sctp-port: 5000", "a=sctp-port:05000", "a=sctp-port:\u0665", "a=setup:both", "a=mid:",
        "a=mid:a b", "a=ice-ufrag:ab", "a=ice-pwd:short", "a=ice-ufrag:abcd ", "a=fingerprint:sha-256", "a=x", "a=x:y",
        "a=rtcp-mux:1", "a=fingerprint:sha-256 AA:BB", "a=rtpmap:128 VP8/90000", "a=rtpmap:1_0 VP8/90000",
        "a=extmap:1/all urn:x", "a=ssrc:-1 cname:x", "a=remote-candidates:1 10.0.0.1 9", "a=rtcp:9 IN IP4 10.0.0.1",
        "a =mid:1", "A=mid:1", "a=", "=", "", "b=AS:1", "o=- 1 1 IN IP4 10.0.0.1", "c=IN IP4 10.0.0.1",
    ],
)  # fmt: skip
def test_attributes_have_a_grammar(line: str) -> None:
    assert write_description(read_description(TEXT + line + "\r\n")) == TEXT


@pytest.mark.parametrize(
    "line",
    [
        "m=application 9/2 UDP/DTLS/SCTP x", "m=application 09 UDP/DTLS/SCTP x", "m=application 65536 UDP/DTLS/SCTP x",
        "m=application 9 UDP/DTLS/SCTP", "m=text 9 UDP/DTLS/SCTP x", "m=application  9 UDP/DTLS/SCTP x",
        "m=audio 9 UDP/TLS/RTP/SAVPF" + 129 * " 0", "m=", "m=application 9 udp/dtls/sctp x",
    ],
)  # fmt: skip
def test_a_section_with_a_bad_head_takes_its_attributes_with_it(line: str) -> None:
    read = read_description(f"{TEXT}{line}\r\na=mid:1\r\n{CANDIDATE}\r\n{SECTION}\r\na=mid:2\r\n")
    assert read.refused == 2 and len(read.sections) == 2
    assert read.sections[1].lines == (Attribute("mid", "2"),)


def test_a_description_has_an_end() -> None:
    with pytest.raises(ValueError, match="too long"):
        read_description("x" * (LONGEST + 1))
    read = read_description(f"{SECTION}\n" * (MOST_SECTIONS + 5))
    assert len(read.sections) == MOST_SECTIONS and read.refused == 5


@pytest.mark.parametrize(
    "text", ["", "v=0\r\n", TEXT + SECTION + "\r\n", TEXT.replace("m=application", "m=audio"), offer(ALL)]
)
def test_the_library_is_given_one_section_for_data(text: str) -> None:
    """For each of the others it would open sockets."""
    with pytest.raises(ValueError, match="one m-line"):
        for_data_channels(text)


@pytest.mark.parametrize("name", ["ice-ufrag", "ice-pwd", "fingerprint", "setup"])
def test_the_library_is_given_no_description_that_no_connection_can_be_made_of(name: str) -> None:
    """It would raise where nobody catches it: a traceback in the host's log for whoever wants one there."""
    line = next(line for line in LINES if line.startswith(f"a={name}:"))
    assert for_data_channels(TEXT.replace(f"{line}\r\n", "").replace("t=0 0\r\n", f"t=0 0\r\n{line}\r\n"))
    with pytest.raises(ValueError, match="it has no"):
        for_data_channels(TEXT.replace(f"{line}\r\n", ""))
    with pytest.raises(ValueError, match="no end begins"):
        for_data_channels(TEXT.replace("a=setup:actpass", "a=setup:holdconn"))


@pytest.mark.parametrize(
    "port", ["", "a=sctp-port:0\r\n", "a=sctp-port:65536\r\n", "a=sctp-port:5000\r\na=sctp-port:99999\r\n"]
)
def test_the_library_is_given_no_port_that_it_could_not_write_into_a_packet(port: str) -> None:
    with pytest.raises(ValueError, match="no port for SCTP"):
        for_data_channels(TEXT.replace("a=sctp-port:5000\r\n", port))


def test_the_port_of_an_old_browser_stands_in_the_m_line() -> None:
    old = TEXT.replace("a=sctp-port:5000\r\n", "").replace(SECTION, "m=application 9 DTLS/SCTP 5000")
    assert for_data_channels(old) == old
    with pytest.raises(ValueError, match="no port for SCTP"):
        for_data_channels(old.replace("SCTP 5000", "SCTP 99999"))


def test_the_library_is_given_nothing_that_it_multiplies() -> None:
    """Each `rtcp-fb:*` goes to each `rtpmap`."""
    many = "".join(f"a=rtpmap:{n} x/1\r\na=rtcp-fb:* x\r\n" for n in range(100))
    assert for_data_channels(TEXT + many) == TEXT


CHARACTERS = st.sampled_from([*BREAKS, "", " ", "\t", "_", "\u0661", "a=", "m=", "c=", ":", "%", "::ffff:"])
PIECES = st.sampled_from([*LINES, CANDIDATE, "a=x", "m=audio 9 UDP/TLS/RTP/SAVPF 0", "192.168.1.1", "127.0.0.1", "1"])


@given(
    st.lists(st.tuples(PIECES, CHARACTERS, st.integers(0, 60), PIECES | st.text(max_size=20)), max_size=12),
    st.sampled_from(Privacy),
    st.booleans(),
)
@example([("a=x", "\x0b", 3, CANDIDATE)], Privacy.BALANCED, False)
@example([("a=x", "\u2028", 3, CANDIDATE)], Privacy.PRIVATE, False)
def test_the_library_finds_no_candidate_that_the_policy_did_not_let_in(
    changes: list[tuple[str, str, int, str]], policy: Privacy, near: bool
) -> None:
    text = TEXT + "".join(f"{piece[:cut]}{mark}{rest}{mark}\r\n" for piece, mark, cut, rest in changes)
    refused: list[int] = []
    guard = Guard(policy, lambda candidate: None, lambda candidate: None, refused.append)
    guard.is_near = near
    passed = guard.receive_description(text)
    assert passed.isascii() and all(line.isprintable() for line in passed.split("\r\n"))
    try:
        found = [each for media in SessionDescription.parse(passed).media for each in media.ice_candidates]
    except (ValueError, AssertionError, KeyError, IndexError):
        found = []  # the library finds none in what it does not take
    judge = Filter(policy)
    judge.is_near = near
    assert len(found) <= MOST_CANDIDATES
    for each in found:
        said = f"candidate:1 {each.component} {each.protocol} {each.priority} {each.ip} {each.port} typ {each.type}"
        assert judge.candidate(said) is not None, said


@given(st.text(max_size=400))
def test_reading_what_was_written_changes_nothing(text: str) -> None:
    written = write_description(read_description(text))
    assert write_description(read_description(written)) == written and read_description(written).refused == 0
