"""Sealed messages: each is read as it was written, and what is wrong or of a later version is named."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slidewire.control import messages, state
from slidewire.control.messages import Command, Malformed, UnknownMessage, read_from_host, read_from_presenter
from tools import make_messages


@pytest.mark.parametrize("message", make_messages.examples_from_presenter(), ids=lambda message: str(message)[:40])
def test_what_a_presenter_writes_a_host_reads(message: Any) -> None:
    assert read_from_presenter(messages.encode(message)) == message


@pytest.mark.parametrize("message", make_messages.examples_from_host(), ids=lambda message: str(message)[:40])
def test_what_a_host_writes_a_presenter_reads(message: Any) -> None:
    read = read_from_host(messages.encode(message))
    assert read is not None and not isinstance(read, Malformed | UnknownMessage)
    assert json.loads(messages.encode(read)) == json.loads(messages.encode(message))


def test_the_whole_state_is_read_part_by_part() -> None:
    message = read_from_host(messages.encode(make_messages.examples_from_host()[0]))
    assert isinstance(message, messages.StateMessage)
    assert state.read_state(message) == make_messages.of(state.State)


def test_every_message_and_command_has_a_type_of_its_own() -> None:
    for union in (get_args(messages.FromHost), get_args(messages.CommandRequest), make_messages.FROM_PRESENTER):
        tags = [messages.tag(struct) for struct in union]
        assert len(tags) == len(set(tags))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{"type":"offer"}', "offer"),
        ('{"type":"offer","generation":true,"sdp":""}', "offer"),
        ('{"type":"offer","generation":-1,"sdp":""}', "offer"),
        ('{"type":"offer","generation":2147483648,"sdp":""}', "offer"),
        ('{"type":"candidate","generation":1,"candidate":[]}', "candidate"),
        ('{"type":"picture","id":65536,"slide":1,"width":1}', "picture"),
        ('{"type":"media_on","camera":1}', "media_on"),
        ('{"type":"media_offer","generation":1,"sdp":"","lines":[]}', "media_offer"),
        ('{"type":"command","id":"1","name":"mute"}', "command"),
    ],
)
def test_a_message_that_breaks_a_limit_is_malformed_with_a_sentence(text: str, kind: str) -> None:
    read = read_from_presenter(text.encode())
    assert isinstance(read, Malformed) and read.type == kind and read.sentence.endswith(".")


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "null", '{"typ":"offer"}', '{"type":7}', '{"type":"\\ud800"}'])
def test_what_has_no_type_is_no_message(text: str) -> None:
    assert read_from_presenter(text.encode()) is read_from_host(text.encode()) is None


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for read in (read_from_presenter(data), read_from_host(data)):
        assert read is None or isinstance(read, Malformed | UnknownMessage)


@pytest.mark.parametrize("depth", [500, 50_000])
def test_brackets_without_end_are_no_message(depth: int) -> None:
    data = b'{"type":"get_state","more":' + b"[" * depth + b"]" * depth + b"}"
    assert read_from_presenter(data) in (None, messages.GetState())


# With a later version


def test_a_message_of_a_later_version_is_named_and_its_fields_are_no_matter() -> None:
    assert read_from_presenter(b'{"type":"cue","generation":"x"}') == UnknownMessage("cue")
    assert read_from_host(b'{"type":"timer","id":[]}') == UnknownMessage("timer")


def test_a_field_of_a_later_version_is_ignored() -> None:
    assert read_from_presenter(b'{"type":"get_state","since":4}') == messages.GetState()
    assert read_from_host(b'{"type":"closed","code":"removed","reason":"r","until":7}') == messages.Closed(
        "removed", "r"
    )
    asked = read_from_presenter(b'{"type":"command","id":1,"name":"mute","session":2,"softly":true}')
    assert asked == Command(1, messages.Mute(2))


def test_a_command_of_a_later_version_keeps_its_id_so_that_it_can_be_answered() -> None:
    asked = read_from_presenter(b'{"type":"command","id":9,"name":"start_timer","seconds":300}')
    assert asked == Command(9, UnknownMessage("start_timer"))


def test_half_a_character_in_what_is_sent_is_replaced() -> None:
    assert messages.encode(messages.Error("x", "a\ud800b")) == b'{"type": "error", "code": "x", "message": "a?b"}'
