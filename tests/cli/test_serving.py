from __future__ import annotations

import os
from pathlib import Path

from slidewire.cli.serving import _name
from slidewire.host.participants.links import RoomStore


def test_a_decks_name_that_is_no_text_is_kept_with_its_room(tmp_path: Path) -> None:
    """Names are bytes; those of old memory sticks and archives need not be UTF-8."""
    names = [_name(Path(os.fsdecode(b"/talks/pr\xe9sentation.pdf"))), _name(Path(os.fsdecode(b"/talks/pr\xe8.pdf")))]
    assert names == ["/talks/pr\\xe9sentation.pdf", "/talks/pr\\xe8.pdf"]
    store = RoomStore(tmp_path)
    tokens = [store.open("https://clicker.example", name).token for name in names]
    assert tokens[0] != tokens[1]
