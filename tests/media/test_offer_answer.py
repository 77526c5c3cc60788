"""What is agreed on with a browser; and that no offer does harm."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slidewire.media import offer_answer as sdp
from slidewire.media.frames import Codec, Line
from slidewire.media.offer_answer import Credentials, Format, Negotiated, OfferError
from slidewire.rtp.extensions import ABSOLUTE_SEND_TIME, TRANSPORT_WIDE
from tests.media.offers import FINGERPRINT, offer

ALL = tuple(Line)
OWN = Credentials("ours", "p" * 22, (("sha-256", FINGERPRINT),))


entropy = random.Random(1).randbytes


def agree(text: str, lines: tuple[Line, ...]) -> list[Negotiated | None]:
    return list(sdp.negotiate(sdp.read_offer(text, lines), lines, entropy))


def answer(text: str, lines: tuple[Line, ...]) -> str:
    read = sdp.read_offer(text, lines)
    return sdp.write_answer(read, sdp.negotiate(read, lines, entropy), OWN, "name", ["candidate:1 1 udp 1 192.0.2.1 9"])


def test_chromiums_offer() -> None:
    read = sdp.read_offer(offer(ALL), ALL)
    assert read.credentials == Credentials("2Qk+", "tjKVTLEsBQZeliFPVNsRIJO4", (("sha-256", FINGERPRINT),))
    screen, camera, microphone, sound, participant, _, talkback = agree(offer(ALL), ALL)
    assert screen is not None and camera is not None and microphone is not None and sound is not None
    assert participant is not None and talkback is not None
    assert screen.formats == (Format(Codec.VP8, 96, 97), Format(Codec.H264, 108, 109, "42e01f")) == participant.formats
    assert screen.flexfec == 49 and screen.red is None and screen.local is not None and screen.remote == ()
    assert camera.formats == (Format(Codec.VP8, 96, 97),) and camera.flexfec is None
    assert (camera.red, camera.red_rtx, camera.ulpfec) == (118, 119, 120)
    assert camera.local is None and camera.remote == (2000, 2001)
    assert camera.payload_types == {96, 97, 118, 119, 120}
    assert camera.feedback == {"transport-cc", "ccm fir", "nack", "nack pli"}
    for audio in (microphone, sound, talkback):
        assert audio.formats == (Format(Codec.OPUS, 111),) and audio.red == 63 and audio.feedback == {"transport-cc"}
    assert screen.extensions == {ABSOLUTE_SEND_TIME: 2, TRANSPORT_WIDE: 3, sdp.MID: 4}
    assert screen.mutable == {2: 0, 3: 0}
    locals_ = [each.local for each in (screen, sound, participant) if each.local is not None]
    assert len({ssrc for each in locals_ for ssrc in each}) == 9


def test_more_than_anybody_says_is_not_remembered() -> None:
    lines = (Line.CAMERA,)
    text = offer(lines).replace("SAVPF ", "SAVPF " + "96 " * 100) + "".join(
        f"a=ssrc:{n} cname:x\r\n" for n in range(1000)
    )
    (section,) = sdp.read_offer(text, lines).sections
    assert len(section.sources) == sdp.MOST_SOURCES and len(set(section.payload_types)) == len(section.payload_types)


def test_the_answer_says_the_same() -> None:
    said = answer(offer(ALL), ALL)
    assert said.endswith("\r\n") and "\n\n" not in said and "goog-remb" not in said
    sections = re.split(r"(?m)^(?=m=)", said)
    session, screen, camera, microphone, *_ = sections
    assert "a=group:BUNDLE 0 1 2 3 4 5 6\r\n" in session
    assert screen.startswith("m=video 9 UDP/TLS/RTP/SAVPF 96 97 108 109 49\r\n") and "a=sendonly" in screen
    assert re.search(r"a=ssrc-group:FEC-FR (\d+) (\d+)\r\n", screen) and "a=ssrc-group:FID" in screen
    assert "a=candidate:1 1 udp" in screen and "a=candidate" not in camera
    assert camera.startswith("m=video 9 UDP/TLS/RTP/SAVPF 96 97 118 119 120\r\n") and "a=recvonly" in camera
    assert microphone.startswith("m=audio 9 UDP/TLS/RTP/SAVPF 63 111\r\n") and "a=fmtp:63 111/111" in microphone
    assert "useinbandfec=1" in microphone
    for section in sections[1:]:
        assert "a=setup:active" in section and "a=rtcp-mux" in section and "a=ice-ufrag:ours" in section
    assert sections[5].count("msid:program ") == 1 == sections[6].count("msid:program "), "one stream: lips meet voices"


def test_a_line_without_a_codec_of_ours_is_refused_alone() -> None:
    text = offer((Line.SCREEN, Line.SOUND)).replace("VP8/90000", "VP7/90000").replace("H264", "H263")
    agreed = agree(text, (Line.SCREEN, Line.SOUND))
    assert agreed[0] is None and agreed[1] is not None
    said = answer(text, (Line.SCREEN, Line.SOUND))
    assert "m=video 0 " in said and "BUNDLE 1\r\n" in said
    with pytest.raises(OfferError, match="no codec"):
        agree(text.replace("opus", "speex"), (Line.SCREEN, Line.SOUND))


def test_a_page_that_wants_h264_first_gets_it_but_its_camera_is_vp8() -> None:
    text = offer((Line.SCREEN, Line.CAMERA)).replace("SAVPF 96 97", "SAVPF 108 109 96 97")
    screen, camera = agree(text, (Line.SCREEN, Line.CAMERA))
    assert screen is not None and screen.codec is Codec.H264
    assert camera is not None and camera.codec is Codec.VP8
    _, camera = agree(text.replace("VP8/90000", "VP7/90000"), (Line.SCREEN, Line.CAMERA))
    assert camera is not None and camera.codec is Codec.H264


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("a=ice-pwd:tjKVTLEsBQZeliFPVNsRIJO4", "a=ice-pwd:short", "ICE credentials"),
        ("a=fingerprint", "a=fingertip", "fingerprint"),
        ("a=recvonly", "a=inactive", "inactive"),
        ("a=recvonly", "a=sendonly", "sendonly"),
        ("m=video", "m=audio", "is audio"),
        ("m=video", "m=application", "m-lines"),
        ("BUNDLE 0", "BUNDLE 1", "one bundle"),
        ("a=mid:0", "a=mid:0 0", "one bundle"),
        ("a=rtcp-mux\r\n", "", "share a port"),
        ("actpass", "holdconn", "handshake"),
        ("a=mid:0", "m=audio 9 UDP/TLS/RTP/SAVPF 0", "more m-lines"),
    ],
)
def test_a_bad_offer_is_refused_with_a_sentence(old: str, new: str, sentence: str) -> None:
    text = offer((Line.SCREEN,))
    assert old in text
    with pytest.raises(OfferError, match=sentence):
        sdp.read_offer(text.replace(old, new), (Line.SCREEN,))
    with pytest.raises(OfferError, match="too long"):
        sdp.read_offer(text * 100, (Line.SCREEN,))


LINES = offer(ALL).split("\r\n")


@given(
    st.lists(
        st.tuples(
            st.integers(0, len(LINES) - 1),
            st.one_of(
                st.none(), st.text(max_size=40), st.sampled_from(LINES), st.sampled_from(["\r", "a=", "m=", "="])
            ),
            st.integers(0, 60),
        ),
        max_size=8,
    )
)
def test_any_offer_is_answered_or_refused(changes: list[tuple[int, str | None, int]]) -> None:
    """Lines gone, replaced, cut in two; and what is answered holds nothing of the offer that was not understood."""
    lines = list(LINES)
    for at, new, cut in changes:
        lines[at] = "" if new is None else lines[at][:cut] + new
    assert is_plain(answered("\r\n".join(lines)))


def answered(text: str) -> str:
    """An answer, or the sentence that the offer was refused with."""
    try:
        return answer(text, ALL)
    except OfferError as refused:
        return f"s={refused}\r\n"


def is_plain(said: str) -> bool:
    return all(re.fullmatch(r"[a-z]=[!-~](?:[ -~]*[!-~])?", line) for line in said.split("\r\n")[:-1])


@given(st.text(max_size=300))
def test_garbage_is_refused(text: str) -> None:
    with pytest.raises(OfferError):
        sdp.read_offer(text, (Line.SCREEN,))
