"""What the person at the host agreed to: that a deck may show the media in its own folder that it links to.

An agreement is kept in the state directory under the digest of the deck's file, so it is given once, and to that file
only.
"""

from __future__ import annotations

from pathlib import Path

from slidewire.host.decks.impress import linked_media as linked

FILE = "decks-with-linked-media"


def is_agreed(deck: Path, state: Path) -> bool:
    try:
        return linked.digest(deck) in (state / FILE).read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return False


def agree(deck: Path, state: Path) -> None:
    """Raises `OSError`."""
    if is_agreed(deck, state):
        return
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (state / FILE).open("a", encoding="ascii") as file:
        file.write(linked.digest(deck) + "\n")


def allowed(links: linked.Links, agreed: bool) -> dict[str, Path]:
    """The files that the deck may show besides itself."""
    return links.media if agreed and links.complete else {}


def notice(links: linked.Links, agreed: bool) -> str:
    """The sentence about them for the person at the host; empty if there is nothing to say."""
    media = {} if allowed(links, agreed) else links.media
    left_out = linked.Links(media=media, files=links.files, remote=links.remote)
    if not left_out:
        return ""
    count = len(left_out.media) + len(left_out.files) + len(left_out.remote)
    said = f"This deck links to {count} file{'s' if count > 1 else ''} outside of itself, not shown: {left_out.told()}."
    if not media:
        return said
    if not links.complete:
        return (
            f"{said} What else it links to cannot be told, so none are: embed them, or save it as .odp or .pptx again."
        )
    return f"{said} To show the media in its own folder ({len(media)}), start with --allow-linked-media."
