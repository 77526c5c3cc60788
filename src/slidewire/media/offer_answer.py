"""A browser's offer for media, read; and our answer to it (RFC 8829, as much of it as this takes).

The page's m-lines come in the order of `lines`, all in one bundle (RFC 8843). What is agreed on is a value for each
line, `Negotiated`, and the rest of the project knows no SDP. The rules of the answer:

- video to the page: VP8 and H.264 (packetization-mode 1) in the page's order, with RTX; flexfec-03 if it is offered
- camera: VP8, or else H.264, with RTX, and RED with ULPFEC, which is what a browser then protects it with
- audio: RED first, so that a browser sends it, and Opus with `useinbandfec=1`
- transport-wide feedback in both directions; no REMB, under which a browser's camera collapses at some per cent of loss

An offer may be anybody's: whatever it is, `read_offer` gives an `Offer` or raises `OfferError` with a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from slidewire.media.frames import Codec, Line
from slidewire.rtp.extensions import ABSOLUTE_SEND_TIME, MUTABLE, TRANSPORT_WIDE
from slidewire.sdp.description import Description, read_description
from slidewire.sdp.description import Section as SdpSection

MID: Final = "urn:ietf:params:rtp-hdrext:sdes:mid"
PLAYOUT_DELAY: Final = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
REPAIR_WINDOW: Final = 10_000_000
"""Microseconds, as browsers have it."""
MOST_SOURCES: Final = 8
"""SSRCs of a line from the page."""

_EXTENSIONS: Final = (ABSOLUTE_SEND_TIME, TRANSPORT_WIDE, MID)
_FEEDBACK: Final = ("transport-cc", "ccm fir", "nack", "nack pli")
_FINGERPRINT: Final = re.compile(r"(sha-(?:256|384|512)) ((?:[0-9A-Fa-f]{2}:){31,63}[0-9A-Fa-f]{2})", re.IGNORECASE)


class OfferError(Exception):
    """An offer that cannot be used, in a sentence."""


class Format(NamedTuple):
    """A codec and the payload type that it goes by."""

    codec: Codec
    payload_type: int
    rtx: int | None = None
    """Payload type of its retransmissions (RFC 4588)."""
    profile: str = ""
    """H.264's `profile-level-id`."""


class Sources(NamedTuple):
    """Our SSRCs of a line to the page. Those without use are left out of the answer."""

    media: int
    rtx: int
    fec: int


@dataclass(frozen=True, slots=True)
class Negotiated:
    """What was agreed on for one line. None stands for what was not."""

    line: Line
    mid: str
    formats: tuple[Format, ...]
    """Any of them may be sent; the first is wanted most."""
    red: int | None = None
    """Payload type: of RED, around ULPFEC and media (video), or around Opus (audio)."""
    red_rtx: int | None = None
    ulpfec: int | None = None
    flexfec: int | None = None
    feedback: frozenset[str] = frozenset()
    """Of `transport-cc`, `ccm fir`, `nack`, `nack pli`: what the receiver may send."""
    extensions: Mapping[str, int] = field(default_factory=dict)
    """Header extensions: URI → ID. An ID means the same on all lines."""
    remote: tuple[int, ...] = ()
    """Of a line from the page: SSRCs that it announced, retransmissions' among them. It need not use these."""
    local: Sources | None = None
    """Of a line to the page."""

    @property
    def codec(self) -> Codec:
        return self.formats[0].codec

    @property
    def payload_types(self) -> frozenset[int]:
        """All that may be seen on this line."""
        named = [self.red, self.red_rtx, self.ulpfec, self.flexfec]
        named += [number for each in self.formats for number in (each.payload_type, each.rtx)]
        return frozenset(number for number in named if number is not None)

    @property
    def mutable(self) -> dict[int, int]:
        """For `slidewire.rtp.extensions.without`, before packets are used for recovery."""
        return {id_: MUTABLE[uri] for uri, id_ in self.extensions.items() if uri in MUTABLE}


class Credentials(NamedTuple):
    """Of one end's ICE agent and certificate."""

    ufrag: str
    password: str
    fingerprints: tuple[tuple[str, str], ...]
    """(hash function, value)."""


@dataclass(slots=True)
class Section:
    """An m-section as it was offered."""

    kind: str
    payload_types: list[int]
    mid: str = ""
    direction: str = "sendrecv"
    codecs: dict[int, str] = field(default_factory=dict)
    """Payload type → name/clock rate/channels."""
    parameters: dict[int, str] = field(default_factory=dict)
    feedback: dict[int, set[str]] = field(default_factory=dict)
    extensions: dict[str, int] = field(default_factory=dict)
    sources: list[int] = field(default_factory=list)
    candidates: list[str] = field(default_factory=list)
    has_mux: bool = False


@dataclass(frozen=True, slots=True)
class Offer:
    credentials: Credentials
    setup: str
    """`actpass`, `active` or `passive`: who begins the DTLS handshake, seen from the page."""
    sections: tuple[Section, ...]
    ice_lite: bool

    @property
    def candidates(self) -> list[str]:
        return [candidate for section in self.sections for candidate in section.candidates]


def read_offer(sdp: str, lines: Sequence[Line]) -> Offer:
    """Raises OfferError."""
    try:
        read = read_description(sdp)
    except ValueError as error:
        raise OfferError(f"the offer cannot be used: {error}") from error
    if len(read.sections) > len(lines):
        raise OfferError("the offer cannot be used: it has more m-lines than it names")
    sections = [_section(each) for each in read.sections]
    session: dict[str, str] = {}
    fingerprints: dict[tuple[str, str], None] = {}
    bundled: list[str] = []
    for name, value in _all_attributes(read):
        if name == "group" and value.startswith("BUNDLE"):
            bundled = value.split()[1:]
        elif name == "fingerprint" and (found := _FINGERPRINT.fullmatch(value)):
            fingerprints[found[1].lower(), found[2].upper()] = None
        elif name in ("ice-ufrag", "ice-pwd", "setup", "ice-lite"):
            session.setdefault(name, value)
    _check(sections, lines, bundled)
    ufrag, password = session.get("ice-ufrag", ""), session.get("ice-pwd", "")
    if not ufrag or not password:
        raise OfferError("the offer cannot be used: it has no ICE credentials")
    if not fingerprints:
        raise OfferError("the offer cannot be used: it has no fingerprint of a certificate")
    setup = session.get("setup", "actpass")
    if setup == "holdconn":
        raise OfferError("the offer cannot be used: no end begins the DTLS handshake")
    credentials = Credentials(ufrag, password, tuple(fingerprints))
    return Offer(credentials, setup, tuple(sections), "ice-lite" in session)


def negotiate(offer: Offer, lines: Sequence[Line], entropy: Callable[[int], bytes]) -> tuple[Negotiated | None, ...]:
    """One for each m-line, in their order; None: it is refused, as there is no codec that both know. Raises OfferError
    if that is so for all."""
    agreed = tuple(_negotiate(section, line, entropy) for section, line in zip(offer.sections, lines, strict=True))
    if not any(agreed):
        raise OfferError("the offer cannot be used: it has no codec that we know (VP8, H.264, Opus)")
    return agreed


def write_answer(
    offer: Offer,
    agreed: Sequence[Negotiated | None],
    own: Credentials,
    cname: str,
    candidates: Iterable[str] = (),
) -> str:
    """`candidates` are those known by now, without `a=`."""
    accepted = [each.mid for each in agreed if each is not None]
    said = [
        "v=0",
        "o=- 1 1 IN IP4 0.0.0.0",
        "s=-",
        "t=0 0",
        f"a=group:BUNDLE {' '.join(accepted)}",
        "a=ice-options:trickle",
        "a=msid-semantic:WMS *",
    ]
    setup = "passive" if offer.setup == "active" else "active"
    transport = [
        "c=IN IP4 0.0.0.0",
        "a=rtcp-mux",
        "a=rtcp-rsize",
        f"a=ice-ufrag:{own.ufrag}",
        f"a=ice-pwd:{own.password}",
        *(f"a=fingerprint:{algorithm} {value}" for algorithm, value in own.fingerprints),
        f"a=setup:{setup}",
    ]
    first = True
    for section, each in zip(offer.sections, agreed, strict=True):
        if each is None:
            said += [f"m={section.kind} 0 UDP/TLS/RTP/SAVPF {section.payload_types[0]}", "c=IN IP4 0.0.0.0",
                     f"a=mid:{section.mid}", "a=inactive"]  # fmt: skip
            continue
        said += _written(each, transport, cname)
        if first:
            said += [f"a={candidate}" for candidate in candidates]
            first = False
    return "".join(f"{line}\r\n" for line in said)


# --- Reading ----------------------------------------------------------------------------------------------------------


def _all_attributes(read: Description) -> Iterator[tuple[str, str]]:
    for attribute in (*read.attributes, *(each for section in read.sections for each in section.attributes)):
        yield attribute.name, attribute.value or ""


def _section(read: SdpSection) -> Section:
    if read.kind == "application" or read.protocol != "UDP/TLS/RTP/SAVPF":
        raise OfferError("the offer cannot be used: its m-lines have to be audio and video over UDP/TLS/RTP/SAVPF")
    numbers = [number for word in read.formats if (number := _number(word, 127)) is not None]
    if not numbers:
        raise OfferError("the offer cannot be used: an m-line names no payload type")
    section = Section(read.kind, list(dict.fromkeys(numbers)), candidates=[each.text for each in read.candidates])
    for name, value in read.attributes:
        _attribute(section, name, value or "")
    return section


def _attribute(section: Section, name: str, value: str) -> None:
    if name in ("sendrecv", "sendonly", "recvonly", "inactive"):
        section.direction = name
    elif name == "mid":
        section.mid = value
    elif name == "rtcp-mux":
        section.has_mux = True
    elif name in ("rtpmap", "fmtp", "rtcp-fb"):
        first, _, rest = value.partition(" ")
        number = _number(first, 127)
        if number is None:
            return
        if name == "rtcp-fb":
            section.feedback.setdefault(number, set()).add(rest)
        else:
            into = section.codecs if name == "rtpmap" else section.parameters
            into.setdefault(number, rest)
    elif name == "extmap":
        id_, _, uri = value.partition(" ")
        number = _number(id_.partition("/")[0], 14)
        if number and number not in section.extensions.values():
            section.extensions.setdefault(uri, number)
    elif name == "ssrc":
        number = _number(value.partition(" ")[0], 0xFFFFFFFF)
        if number is not None and number not in section.sources and len(section.sources) < MOST_SOURCES:
            section.sources.append(number)


def _number(word: str, most: int) -> int | None:
    return int(word) if word.isascii() and word.isdigit() and len(word) <= 10 and int(word) <= most else None


def _check(sections: Sequence[Section], lines: Sequence[Line], bundled: Sequence[str]) -> None:
    if not lines or len(sections) != len(lines):
        raise OfferError("the offer cannot be used: it has to have an m-line for each line that it names")
    mids = [section.mid for section in sections]
    if "" in mids or len(set(mids)) < len(mids) or set(mids) != set(bundled):
        raise OfferError("the offer cannot be used: its m-lines have to be one bundle")
    for section, line in zip(sections, lines, strict=True):
        if (section.kind == "video") is not line.is_video:
            raise OfferError(f"the offer cannot be used: the m-line for {line.value} is {section.kind}")
        if not section.has_mux:
            raise OfferError("the offer cannot be used: RTP and RTCP have to share a port")
        if section.direction not in ("sendrecv", "sendonly" if line.from_page else "recvonly"):
            raise OfferError(f"the offer cannot be used: the m-line for {line.value} is {section.direction}")


# --- Agreeing ---------------------------------------------------------------------------------------------------------


def _negotiate(section: Section, line: Line, entropy: Callable[[int], bytes]) -> Negotiated | None:
    formats = _formats(section, line)
    if not formats:
        return None
    is_camera = line is Line.CAMERA
    red = _by_name(section, "red/90000") if is_camera else None
    if not line.is_video:
        red = _by_name(section, "red/48000/2")
        if red is not None and section.parameters.get(red, "").split("/")[0] != str(formats[0].payload_type):
            red = None
    ulpfec = _by_name(section, "ulpfec/90000") if red is not None and is_camera else None
    if is_camera and ulpfec is None:
        red = None
    offered = section.feedback.get(formats[0].payload_type, set())
    return Negotiated(
        line=line,
        mid=section.mid,
        formats=formats,
        red=red,
        red_rtx=_rtx(section, red) if is_camera and red is not None else None,
        ulpfec=ulpfec,
        flexfec=_by_name(section, "flexfec-03/90000") if line.is_video and not line.from_page else None,
        feedback=frozenset(name for name in _FEEDBACK if name in offered),
        extensions={uri: id_ for uri, id_ in section.extensions.items() if uri in _wanted(line)},
        remote=tuple(section.sources) if line.from_page else (),
        local=None if line.from_page else _sources(entropy),
    )


def _wanted(line: Line) -> tuple[str, ...]:
    return (*_EXTENSIONS, PLAYOUT_DELAY) if line.is_video and not line.from_page else _EXTENSIONS


def _formats(section: Section, line: Line) -> tuple[Format, ...]:
    found: dict[Codec, Format] = {}
    for number in section.payload_types:
        codec = _codec(section, number)
        if codec is None or codec.is_video is not line.is_video:
            continue
        is_better = codec is Codec.H264 and codec in found and _is_constrained(section, number, found[codec])
        if codec not in found or is_better:
            profile = _profile(section, number) if codec is Codec.H264 else ""
            found[codec] = Format(codec, number, _rtx(section, number), profile)
    if line is Line.CAMERA and Codec.VP8 in found:
        return (found[Codec.VP8],)
    return tuple(found.values())


def _codec(section: Section, number: int) -> Codec | None:
    match section.codecs.get(number, "").lower():
        case "vp8/90000":
            return Codec.VP8
        case "opus/48000/2":
            return Codec.OPUS
        case "h264/90000":
            parameters = _parameters(section, number)
            # Of the profiles, Baseline is what every browser decodes.
            is_baseline = _profile(section, number).startswith("42")
            return Codec.H264 if parameters.get("packetization-mode") == "1" and is_baseline else None
    return None


def _is_constrained(section: Section, number: int, than: Format) -> bool:
    """Constrained Baseline is what every browser decodes in hardware, too."""
    return _profile(section, number).startswith("42e0") and not than.profile.startswith("42e0")


def _profile(section: Section, number: int) -> str:
    found = _parameters(section, number).get("profile-level-id", "420010").lower()
    return found if re.fullmatch("[0-9a-f]{6}", found) else ""


def _parameters(section: Section, number: int) -> dict[str, str]:
    pairs = (pair.strip().partition("=") for pair in section.parameters.get(number, "").split(";"))
    return {name.lower(): value for name, _, value in pairs}


def _by_name(section: Section, name: str) -> int | None:
    return next((number for number in section.payload_types if section.codecs.get(number, "").lower() == name), None)


def _rtx(section: Section, of: int) -> int | None:
    for number in section.payload_types:
        is_rtx = section.codecs.get(number, "").lower() == "rtx/90000"
        if is_rtx and _parameters(section, number).get("apt") == str(of):
            return number
    return None


def _sources(entropy: Callable[[int], bytes]) -> Sources:
    return Sources(*(int.from_bytes(entropy(4), "big") or 1 for _ in range(3)))


# --- Writing ----------------------------------------------------------------------------------------------------------


def _written(each: Negotiated, transport: Sequence[str], cname: str) -> list[str]:
    kind = "video" if each.line.is_video else "audio"
    maps: list[tuple[int, list[str]]] = []
    for format_ in each.formats:
        number = format_.payload_type
        maps.append((number, _format_lines(each, format_)))
        if format_.rtx is not None:
            maps.append((format_.rtx, [f"rtpmap:{format_.rtx} rtx/90000", f"fmtp:{format_.rtx} apt={number}"]))
    if each.red is not None:
        maps.insert(*_red(each, len(maps)))
    if each.red_rtx is not None:
        maps.append((each.red_rtx, [f"rtpmap:{each.red_rtx} rtx/90000", f"fmtp:{each.red_rtx} apt={each.red}"]))
    if each.ulpfec is not None:
        maps.append((each.ulpfec, [f"rtpmap:{each.ulpfec} ulpfec/90000"]))
    if each.flexfec is not None:
        window = f"fmtp:{each.flexfec} repair-window={REPAIR_WINDOW}"
        maps.append((each.flexfec, [f"rtpmap:{each.flexfec} flexfec-03/90000", window]))
    numbers = " ".join(str(number) for number, _ in maps)
    attributes = [
        f"mid:{each.mid}",
        *(f"extmap:{id_} {uri}" for uri, id_ in each.extensions.items()),
        "recvonly" if each.line.from_page else "sendonly",
        *(text for _, lines in maps for text in lines),
    ]
    if each.local is not None:
        attributes += _source_lines(each, each.local, cname)
    return [f"m={kind} 9 UDP/TLS/RTP/SAVPF {numbers}", *transport, *(f"a={text}" for text in attributes)]


def _red(each: Negotiated, count: int) -> tuple[int, tuple[int, list[str]]]:
    """Where it stands, and its lines: for audio first, as a browser sends what stands first."""
    if each.line.is_video:
        return count, (each.red or 0, [f"rtpmap:{each.red} red/90000"])
    opus = each.formats[0].payload_type
    return 0, (each.red or 0, [f"rtpmap:{each.red} red/48000/2", f"fmtp:{each.red} {opus}/{opus}"])


def _format_lines(each: Negotiated, format_: Format) -> list[str]:
    number, codec = format_.payload_type, format_.codec
    lines = [f"rtpmap:{number} {codec.value}/{codec.clock_rate}{'' if codec.is_video else '/2'}"]
    if codec is Codec.OPUS:
        lines.append(f"fmtp:{number} minptime=10;useinbandfec=1")
    elif codec is Codec.H264:
        profile = format_.profile
        lines.append(f"fmtp:{number} level-asymmetry-allowed=1;packetization-mode=1;profile-level-id={profile}")
    return lines + [f"rtcp-fb:{number} {name}" for name in _FEEDBACK if name in each.feedback]


def _source_lines(each: Negotiated, local: Sources, cname: str) -> list[str]:
    """Audio and video of one participant are one stream, so that a page plays them in step."""
    stream = "program" if each.line in (Line.PROGRAM, Line.PROGRAM_SOUND) else each.line.value
    lines = [f"msid:{stream} {each.line.value}"]
    sources = [local.media]
    if any(format_.rtx is not None for format_ in each.formats):
        sources.append(local.rtx)
        lines.append(f"ssrc-group:FID {local.media} {local.rtx}")
    if each.flexfec is not None:
        sources.append(local.fec)
        lines.append(f"ssrc-group:FEC-FR {local.media} {local.fec}")
    return lines + [f"ssrc:{ssrc} cname:{cname}" for ssrc in sources]
