"""Write an OpenDocument presentation: a page is a list of boxes, and a deck is a zip of two XML files.

Only what our own decks need: a 16:9 page with a plain background, shapes with text in them, a title that LibreOffice
knows as the page's title, speaker notes, shapes that appear on a click, and a transition. Lengths are centimetres from
the upper left corner. The element and attribute names are those of OpenDocument 1.3.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

WIDTH = 28.0
HEIGHT = 15.75

NAMESPACES = " ".join(
    f'xmlns:{prefix}="{uri}"'
    for prefix, uri in {
        "office": "urn:oasis:names:tc:opendocument:xmlns:office:1.0",
        "style": "urn:oasis:names:tc:opendocument:xmlns:style:1.0",
        "text": "urn:oasis:names:tc:opendocument:xmlns:text:1.0",
        "draw": "urn:oasis:names:tc:opendocument:xmlns:drawing:1.0",
        "fo": "urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0",
        "svg": "urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0",
        "presentation": "urn:oasis:names:tc:opendocument:xmlns:presentation:1.0",
        "anim": "urn:oasis:names:tc:opendocument:xmlns:animation:1.0",
        "smil": "urn:oasis:names:tc:opendocument:xmlns:smil-compatible:1.0",
        "dc": "http://purl.org/dc/elements/1.1/",
        "meta": "urn:oasis:names:tc:opendocument:xmlns:meta:1.0",
    }.items()
)
MEDIA_TYPE = "application/vnd.oasis.opendocument.presentation"


@dataclass(frozen=True, slots=True)
class Run:
    """Some words in one look."""

    text: str
    size: float = 20
    colour: str = "#1c2430"
    bold: bool = False


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle, rounded rectangle or ellipse with lines of text; each line is one or more runs."""

    x: float
    y: float
    w: float
    h: float
    lines: Sequence[Run | Sequence[Run]] = ()
    fill: str | None = None
    stroke: str | None = None
    stroke_width: float = 0.05
    round: float = 0.0
    """Corner radius in centimetres."""
    ellipse: bool = False
    align: str = "start"
    valign: str = "middle"
    padding: float = 0.0
    gap: float = 0.0
    """Space above every line but the first, in centimetres."""
    title: bool = False
    """This box is the page's title."""
    build: int = 0
    """Appears with this click; 0 is always there."""


@dataclass(frozen=True, slots=True)
class Page:
    name: str
    boxes: Sequence[Box]
    background: str = "#ffffff"
    notes: str = ""
    hidden: bool = False
    fade: bool = False
    """A cross-fade leads to this page."""


@dataclass
class _Styles:
    """Automatic styles, each written once however often it is used."""

    prefix: str
    names: dict[str, str] = field(default_factory=dict)

    def __call__(self, attributes: str, properties: str) -> str:
        key = f"{attributes}>{properties}"
        return self.names.setdefault(key, f"{self.prefix}{len(self.names) + 1}")

    def xml(self) -> str:
        out = []
        for key, name in self.names.items():
            attributes, _, properties = key.partition(">")
            out.append(f'<style:style style:name="{name}" {attributes}>{properties}</style:style>')
        return "".join(out)


def write(path: Path, title: str, pages: Sequence[Page]) -> None:
    """Write the deck to `path`."""
    styles = _Styles("a")
    body = "".join(_page(page, number, styles) for number, page in enumerate(pages, 1))
    content = _document(
        "document-content",
        f"<office:automatic-styles>{styles.xml()}</office:automatic-styles>"
        f"<office:body><office:presentation>{body}"
        '<presentation:settings presentation:mouse-visible="false"/></office:presentation></office:body>',
    )
    meta = _document("document-meta", f"<office:meta><dc:title>{escape(title)}</dc:title></office:meta>")
    entries = "".join(
        f'<manifest:file-entry manifest:full-path="{name}" manifest:media-type="{kind}"/>'
        for name, kind in (
            ("/", MEDIA_TYPE),
            *((part, "text/xml") for part in ("content.xml", "styles.xml", "meta.xml")),
        )
    )
    manifest = (
        '<?xml version="1.0" encoding="UTF-8"?><manifest:manifest manifest:version="1.3" '
        f'xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">{entries}</manifest:manifest>'
    )
    # A fixed date: the same pages make the same file.
    with zipfile.ZipFile(path, "w") as archive:
        for name, data, packing in (
            ("mimetype", MEDIA_TYPE, zipfile.ZIP_STORED),
            ("content.xml", content, zipfile.ZIP_DEFLATED),
            ("styles.xml", _master(), zipfile.ZIP_DEFLATED),
            ("meta.xml", meta, zipfile.ZIP_DEFLATED),
            ("META-INF/manifest.xml", manifest, zipfile.ZIP_DEFLATED),
        ):
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data, packing)


def _document(root: str, inner: str) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<office:{root} {NAMESPACES} office:version="1.3">{inner}</office:{root}>'
    )


def _master() -> str:
    def layout(name: str, width: float, height: float) -> str:
        return (
            f'<style:page-layout style:name="{name}"><style:page-layout-properties fo:margin-top="0cm" '
            f'fo:margin-bottom="0cm" fo:margin-left="0cm" fo:margin-right="0cm" fo:page-width="{width}cm" '
            f'fo:page-height="{height}cm"/></style:page-layout>'
        )

    return _document(
        "document-styles",
        '<office:styles><style:style style:name="standard" style:family="graphic"><style:graphic-properties '
        'draw:stroke="none" draw:fill="none"/><style:text-properties fo:font-family="Liberation Sans" '
        'fo:language="en" fo:country="GB"/></style:style></office:styles>'
        "<office:automatic-styles>"
        + layout("slide", WIDTH, HEIGHT)
        + layout("notes", 21.0, 29.7)
        + '<style:style style:name="plain" style:family="drawing-page"><style:drawing-page-properties '
        'draw:fill="solid" draw:fill-color="#ffffff"/></style:style></office:automatic-styles>'
        '<office:master-styles><style:master-page style:name="plain" style:page-layout-name="slide" '
        'draw:style-name="plain"><presentation:notes style:page-layout-name="notes"/>'
        "</style:master-page></office:master-styles>",
    )


def _page(page: Page, number: int, styles: _Styles) -> str:
    fade = 'smil:type="fade" smil:subtype="crossfade" presentation:transition-speed="fast" ' if page.fade else ""
    hidden = 'presentation:visibility="hidden" ' if page.hidden else ""
    look = styles(
        'style:family="drawing-page"',
        f'<style:drawing-page-properties draw:fill="solid" draw:fill-color="{page.background}" {fade}{hidden}'
        'presentation:background-visible="true" presentation:background-objects-visible="true"/>',
    )
    boxes = "".join(_box(box, f"p{number}b{index}", styles) for index, box in enumerate(page.boxes))
    return (
        f'<draw:page draw:name={quoteattr(page.name)} draw:style-name="{look}" draw:master-page-name="plain">'
        f"{boxes}{_builds(page, number)}{_notes(page.notes)}</draw:page>"
    )


def _box(box: Box, identity: str, styles: _Styles) -> str:
    fill = f'draw:fill="solid" draw:fill-color="{box.fill}"' if box.fill else 'draw:fill="none"'
    stroke = (
        f'draw:stroke="solid" svg:stroke-color="{box.stroke}" svg:stroke-width="{box.stroke_width}cm"'
        if box.stroke
        else 'draw:stroke="none"'
    )
    properties = (
        f"<style:graphic-properties {fill} {stroke} "
        f'draw:textarea-vertical-align="{box.valign}" fo:padding="{box.padding}cm" fo:wrap-option="wrap" '
        'draw:auto-grow-height="false" draw:auto-grow-width="false" fo:min-height="0cm"/>'
    )
    place = f'svg:x="{box.x}cm" svg:y="{box.y}cm" svg:width="{box.w}cm" svg:height="{box.h}cm"'
    text = "".join(_line(line, box, index, styles) for index, line in enumerate(box.lines))
    if box.title:
        name = styles('style:family="presentation"', properties)
        return (
            f'<draw:frame presentation:style-name="{name}" presentation:class="title" draw:layer="layout" '
            f'xml:id="{identity}" draw:id="{identity}" {place}><draw:text-box>{text}</draw:text-box></draw:frame>'
        )
    name = styles('style:family="graphic" style:parent-style-name="standard"', properties)
    shape = "ellipse" if box.ellipse else "rect"
    corner = f' draw:corner-radius="{box.round}cm"' if box.round else ""
    return (
        f'<draw:{shape} draw:style-name="{name}" draw:layer="layout" xml:id="{identity}" draw:id="{identity}" '
        f"{place}{corner}>{text}</draw:{shape}>"
    )


def _line(line: Run | Sequence[Run], box: Box, index: int, styles: _Styles) -> str:
    above = box.gap if index else 0
    paragraph = styles(
        'style:family="paragraph"',
        f'<style:paragraph-properties fo:text-align="{box.align}" fo:margin-top="{above}cm" fo:line-height="110%"/>',
    )
    spans = "".join(_span(run, styles) for run in ([line] if isinstance(line, Run) else line))
    return f'<text:p text:style-name="{paragraph}">{spans}</text:p>'


def _span(run: Run, styles: _Styles) -> str:
    weight = "bold" if run.bold else "normal"
    name = styles(
        'style:family="text"',
        f'<style:text-properties fo:font-family="Liberation Sans" fo:font-size="{run.size}pt" '
        f'fo:color="{run.colour}" fo:font-weight="{weight}"/>',
    )
    return f'<text:span text:style-name="{name}">{escape(run.text)}</text:span>'


def _notes(notes: str) -> str:
    lines = "".join(f"<text:p>{escape(line)}</text:p>" for line in notes.split("\n"))
    return (
        '<presentation:notes><draw:page-thumbnail presentation:class="page" svg:x="2cm" svg:y="2cm" '
        'svg:width="17cm" svg:height="9.56cm"/><draw:frame presentation:style-name="notes" '
        'presentation:class="notes" svg:x="2cm" svg:y="13cm" '
        f'svg:width="17cm" svg:height="14cm"><draw:text-box>{lines}</draw:text-box></draw:frame></presentation:notes>'
    )


def _builds(page: Page, number: int) -> str:
    """Each click lets the boxes of its number appear, all at the same moment."""
    clicks = []
    for click in sorted({box.build for box in page.boxes if box.build}):
        effects: list[str] = []
        for index, box in enumerate(page.boxes):
            if box.build == click:
                trigger = "with-previous" if effects else "on-click"
                effects.append(
                    f'<anim:par smil:begin="0s" smil:fill="hold" presentation:node-type="{trigger}" '
                    'presentation:preset-class="entrance" presentation:preset-id="ooo-entrance-appear">'
                    '<anim:set smil:begin="0s" smil:dur="0.001s" smil:fill="hold" '
                    f'smil:targetElement="p{number}b{index}" anim:sub-item="whole" '
                    'smil:attributeName="visibility" smil:to="visible"/></anim:par>'
                )
        clicks.append(f'<anim:par smil:begin="next"><anim:par smil:begin="0s">{"".join(effects)}</anim:par></anim:par>')
    if not clicks:
        return ""
    return (
        '<anim:par presentation:node-type="timing-root"><anim:seq presentation:node-type="main-sequence">'
        f"{''.join(clicks)}</anim:seq></anim:par>"
    )
