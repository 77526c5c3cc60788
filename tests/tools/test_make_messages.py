"""What follows from the structs of messages is committed as the tool makes it of them."""

from __future__ import annotations

from tools import make_messages


def test_the_types_for_browsers_are_what_the_tool_makes() -> None:
    assert make_messages.TYPES.read_text(encoding="utf-8") == make_messages.make_types()
    assert make_messages.EXAMPLES.read_text(encoding="utf-8") == make_messages.make_examples()


def test_the_tables_of_the_protocol_are_what_the_tool_makes() -> None:
    document = make_messages.DOCUMENT.read_text(encoding="utf-8")
    assert make_messages.make_document(document) == document
