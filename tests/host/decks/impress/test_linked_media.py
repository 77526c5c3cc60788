"""What a deck links to is found before anything opens it, and its copy links to nothing else."""

import io
import zipfile
from pathlib import Path

import pytest

from slidewire.host.decks.impress import agreement
from slidewire.host.decks.impress import linked_media as linked
from slidewire.host.decks.impress.linked_media import Links, cut_links, find_links
from tests.support.foreign import frame, make, on_click

PICTURE = b"\x89PNG"
FLAT = '<?xml version="1.0"?>\n<office:document xmlns:office="o" xmlns:xlink="http://www.w3.org/1999/xlink">{}</office:document>'
RELATIONS = '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{}</Relationships>'
KIND = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The deck's folder, with a picture in it and one beside it."""
    deck = tmp_path / "deck"
    (deck / "media").mkdir(parents=True)
    for place in (
        deck / "in.png",
        deck / "media" / "film.mp4",
        tmp_path / "out.png",
        deck / "page.svg",
        deck / "x.txt",
    ):
        place.write_bytes(PICTURE)
    return deck


def relation(target: str, kind: str = "image", mode: str = "External") -> str:
    return f'<Relationship Id="r1" Type="{KIND}{kind}" Target="{target}" TargetMode="{mode}"/>'


def pptx(path: Path, relations: str, more: dict[str, bytes] | None = None) -> Path:
    with zipfile.ZipFile(path, "w") as deck:
        deck.writestr("[Content_Types].xml", "<Types/>")
        deck.writestr("ppt/slides/_rels/slide1.xml.rels", RELATIONS.format(relations))
        for name, data in (more or {}).items():
            deck.writestr(name, data)
    return path


def test_a_deck_that_links_to_nothing(folder: Path) -> None:
    deck = make(folder / "a.odp", frame("image", "Pictures/1.png") + frame("object", "./Object 1"))
    assert find_links(deck) == Links()
    inside = relation("../media/1.png", mode="Internal") + relation("#slide2", "hyperlink")
    assert find_links(pptx(folder / "a.pptx", inside)) == Links()


@pytest.mark.parametrize(
    "target",
    [
        "http://e.example/1.png",
        "https://e.example/1.png",
        "HTTP://e.example/1.png",
        "ftp://e.example/1.png",
        "smb://e.example/share/1.png",
        "vnd.sun.star.webdav://e.example/1.png",
        "//e.example/1.png",
        "\\\\e.example\\share\\1.png",
        "file://e.example/share/1.png",
        "file:////e.example/share/1.png",
        "vnd.sun.star.script:x$go?language=Python&location=user",
    ],
)
def test_what_is_elsewhere(folder: Path, target: str) -> None:
    deck = make(folder / "a.odp", frame("image", target))
    assert find_links(deck).remote == [target]
    assert find_links(pptx(folder / "a.pptx", relation(target.replace("&", "&amp;")))).remote == [target]


@pytest.mark.parametrize(
    "target", ["../../out.png", "file:///etc/hostname", "/etc/hostname", "../gone.png", "../x.txt"]
)
def test_files_that_are_no_media_of_its_own_folder(folder: Path, target: str) -> None:
    links = find_links(make(folder / "a.odp", frame("image", target)))
    assert len(links.files) == 1 and not links.media and not links.remote and links.complete


def test_media_in_its_own_folder(folder: Path) -> None:
    deck = make(folder / "a.odp", frame("image", "../in.png") + frame("plugin", "../media/film.mp4"))
    places = {"in.png": folder / "in.png", "media/film.mp4": folder / "media" / "film.mp4"}
    assert find_links(deck).media == places
    assert find_links(pptx(folder / "a.pptx", relation("in.png") + relation("media/film.mp4", "video"))).media == places
    absolute = (folder / "in.png").as_uri()
    flat = folder / "a.fodp"
    flat.write_text(FLAT.format(f'<image xlink:href="in.png"/><image xlink:href="{absolute}"/>'))
    assert find_links(flat).media == {"in.png": folder / "in.png", absolute: folder / "in.png"}


def test_a_drawing_or_a_link_in_the_file_system_is_not_taken_for_media(folder: Path) -> None:
    (folder / "leads_out.png").symlink_to(folder.parent / "out.png")
    (folder / "loop.png").symlink_to(folder / "loop.png")
    shapes = "".join(frame("image", f"../{name}") for name in ("page.svg", "leads_out.png", "loop.png"))
    links = find_links(make(folder / "a.odp", shapes))
    assert set(links.files) == {"page.svg", "leads_out.png", "loop.png"} and not links.media


def test_links_that_are_only_followed_are_counted_and_not_told(folder: Path) -> None:
    links = find_links(make(folder / "a.odp", on_click("execute", "file:///bin/true")))
    assert links.followed == 1 and not links
    links = find_links(pptx(folder / "a.pptx", relation("https://e.example/", "hyperlink")))
    assert links.followed == 1 and not links


def test_a_copy_links_to_what_is_kept_and_to_nothing_else(folder: Path) -> None:
    shapes = (
        frame("image", "http://e.example/1.png?a=1&b=2")
        + frame("image", "../in.png")
        + frame("image", "Pictures/1.png")
    )
    deck = make(folder / "a.odp", shapes + on_click("execute", "file:///bin/true"), members={"Pictures/1.png": PICTURE})
    links, copy = find_links(deck), folder / "copy.odp"
    cut_links(deck, copy, links.media)
    again = find_links(copy)
    assert list(again.media.values()) == [folder / "in.png"]
    assert (again.files, again.remote, again.followed, again.complete) == ({}, [], 0, True)
    with zipfile.ZipFile(deck) as before, zipfile.ZipFile(copy) as after:
        assert after.namelist() == before.namelist()
        assert [item.compress_type for item in after.infolist()] == [item.compress_type for item in before.infolist()]
        assert after.read("Pictures/1.png") == PICTURE
        assert after.read("styles.xml") == before.read("styles.xml")
        content = after.read("content.xml").decode()
    assert "e.example" not in content and "/bin/true" not in content and 'xlink:href="Pictures/1.png"' in content
    none = folder / "none.odp"
    cut_links(deck, none, {})
    assert find_links(none) == Links()


def test_a_copy_of_other_kinds_of_decks(folder: Path) -> None:
    deck = pptx(folder / "a.pptx", relation("http://e.example/") + relation("x.pptx", "hyperlink") + relation("in.png"))
    flat = folder / "a.fodp"
    flat.write_text(FLAT.format("<image name='a > b' xlink:href = 'http://e.example/é' /><image xlink:href='in.png'/>"))
    for path in (deck, flat):
        copy = folder / f"copy{path.suffix}"
        cut_links(path, copy, find_links(path).media)
        assert list(find_links(copy).media.values()) == [folder / "in.png"]
        assert not find_links(copy).remote and not find_links(copy).followed
    assert "<image name='a > b' xlink:href = \"\" />" in (folder / "copy.fodp").read_text()


BOMB = "<!DOCTYPE a [<!ENTITY b 'bbbbbbbb'><!ENTITY c '&b;&b;&b;&b;'>]><a>&c;</a>"
DEFAULT = "<!DOCTYPE a [<!ATTLIST a href CDATA 'http://e.example/'>]><a/>"


@pytest.mark.parametrize(
    "content",
    [
        b"\xd0\xcf\x11\xe0 an old .ppt",
        b"PK\x03\x04 cut off",
        b"",
        b"<a>",
        BOMB.encode(),
        DEFAULT.encode(),
        "<?xml version='1.0' encoding='utf-16'?><a/>".encode("utf-16"),
        b"<?xml version='1.0' encoding='iso-8859-1'?><a/>",
        b"<a xml:base='http://e.example/'/>",
        b"\x00" * 100,
    ],
)
def test_what_cannot_be_read_is_never_complete(folder: Path, content: bytes) -> None:
    deck = folder / "a.odp"
    deck.write_bytes(content)
    assert not find_links(deck).complete


def test_a_file_of_another_program_in_the_deck_may_link_to_anything(folder: Path) -> None:
    for head in linked.NESTED:
        assert not find_links(pptx(folder / "a.pptx", "", {"ppt/embeddings/sheet.xlsx": head + b"..."})).complete


def test_two_parts_of_one_name_are_not_chosen_from(folder: Path) -> None:
    deck = pptx(folder / "a.pptx", "")
    with zipfile.ZipFile(deck, "a") as package, pytest.warns(UserWarning, match="Duplicate"):
        package.writestr("[Content_Types].xml", "<Types/>")
    assert not find_links(deck).complete


def test_no_more_is_unpacked_than_a_deck_may_have(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linked, "MAX_XML", 4 * linked.CHUNK)
    read = 0

    class Counted(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            nonlocal read
            data = super().read(size)
            read += len(data)
            return data

    bomb = folder / "a.pptx"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as package:
        for number in range(4):
            package.writestr(f"{number}.xml", b"<a>" + b" " * (3 * linked.CHUNK) + b"</a>")
    opened = zipfile.ZipFile.open
    monkeypatch.setattr(
        zipfile.ZipFile, "open", lambda self, *given, **named: Counted(opened(self, *given, **named).read())
    )
    assert not find_links(bomb).complete
    assert read <= 6 * linked.CHUNK


def test_too_many_links_are_not_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linked, "MAX_LINKS", 10)
    relations = "".join(relation(f"http://e.example/{number}") for number in range(50))
    links = find_links(pptx(folder / "a.pptx", relations))
    assert not links.complete and len(links.remote) == 11


def test_a_sentence_names_a_few_without_secrets_and_control_characters(folder: Path) -> None:
    long = "x" * 200
    deck = pptx(
        folder / "a.pptx",
        relation("https://me:secret@e.example/1.png?token=secret")
        + relation("http://e.example/\u202e\u0085\u2028.png")
        + "".join(relation(f"http://e.example/{number}{long}") for number in range(3)),
    )
    said = agreement.notice(find_links(deck), agreed=False)
    assert said.startswith("This deck links to 5 files outside of itself, not shown: https://e.example/1.png, http://e")
    assert "secret" not in said and said.isprintable() and len(said) < 400 and "and 2 more" in said


# --- agreements


def test_an_agreement_is_about_one_file_and_kept(folder: Path, tmp_path: Path) -> None:
    deck, state = make(folder / "a.odp", frame("image", "../in.png")), tmp_path / "state"
    assert not agreement.is_agreed(deck, state)
    agreement.agree(deck, state)
    agreement.agree(deck, state)
    assert agreement.is_agreed(deck, state) and (state / agreement.FILE).read_text().count("\n") == 1
    copy = folder / "b.odp"
    copy.write_bytes(deck.read_bytes())
    assert agreement.is_agreed(copy, state), "it is the same deck"
    make(deck, frame("image", "../media/film.mp4"))
    assert not agreement.is_agreed(deck, state), "it is another deck now"


def test_without_an_agreement_or_with_parts_unread_nothing_is_allowed(folder: Path) -> None:
    links = find_links(make(folder / "a.odp", frame("image", "../in.png") + frame("image", "http://e.example/")))
    assert agreement.allowed(links, agreed=False) == {}
    assert list(agreement.allowed(links, agreed=True).values()) == [folder / "in.png"]
    assert "2 files" in agreement.notice(links, agreed=False) and "--allow-linked-media" in agreement.notice(
        links, False
    )
    assert "1 file outside" in agreement.notice(links, agreed=True)
    assert "--allow" not in agreement.notice(links, agreed=True)
    links.complete = False
    assert agreement.allowed(links, agreed=True) == {}
    assert "embed them" in agreement.notice(links, agreed=True)
    only = find_links(make(folder / "b.odp", frame("image", "../in.png")))
    assert agreement.notice(only, agreed=True) == "" and agreement.notice(Links(), agreed=False) == ""
