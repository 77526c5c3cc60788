"""The log of who did what: what its chain shows, and what it cannot."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slidewire.audit.log import (
    START,
    AuditLog,
    chained,
    chains,
    kind_of,
    read_line,
    records,
    verify,
    write_csv,
    write_json,
)
from slidewire.cli.main import main
from tests.support.other_process import other_process

DAY = 86_400.0
NOON = 1_800_000_000.0


class Wall:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "audit"


def written(folder: Path, wall: Wall, *events: str, days: int = 30, end: bool = True) -> Path:
    log = AuditLog(folder, wall, days=days)
    for event in events:
        wall.now += 1
        log.write(event, who="Ada", link="abcdefgh23")
    if end:
        log.write("log_closed")
    log.close()
    return log.folder


def the_file(chain: Path) -> Path:
    (path,) = chain.glob("*.jsonl")
    return path


class TestChain:
    def test_what_was_written_is_whole(self, folder: Path, wall: Wall) -> None:
        chain = written(folder, wall, "joined", "clicked")
        verdict = verify(chain)
        assert verdict.ok and verdict.lines == 3 and verdict.notes == []
        assert [record["event"] for record in records(chain)] == ["joined", "clicked", "log_closed"]
        assert [record["n"] for record in records(chain)] == [1, 2, 3]
        assert next(records(chain))["prev"] == START

    def test_a_host_that_comes_back_goes_on_with_the_chain(self, folder: Path, wall: Wall) -> None:
        assert written(folder, wall, "joined") == written(folder, wall, "clicked") == chains(folder)[0]
        assert verify(chains(folder)[0]).lines == 4

    def test_two_hosts_at_once_write_a_chain_each(self, folder: Path, wall: Wall) -> None:
        one, two = AuditLog(folder, wall), AuditLog(folder, wall)
        one.write("joined")
        two.write("joined")
        assert one.folder != two.folder and len(chains(folder)) == 2
        one.close()
        two.close()

    def test_nobody_else_may_read_it(self, folder: Path, wall: Wall) -> None:
        chain = written(folder, wall, "joined")
        assert chain.stat().st_mode & 0o077 == 0 and the_file(chain).stat().st_mode & 0o077 == 0


class TestTampering:
    @pytest.fixture
    def chain(self, folder: Path, wall: Wall) -> Path:
        return written(folder, wall, "joined", "clicked", "refused", "kicked", "left")

    def lines(self, chain: Path) -> list[bytes]:
        return the_file(chain).read_bytes().splitlines(keepends=True)

    def change(self, chain: Path, lines: list[bytes]) -> list[str]:
        the_file(chain).write_bytes(b"".join(lines))
        return verify(chain).faults

    def test_a_changed_line(self, chain: Path) -> None:
        lines = self.lines(chain)
        lines[2] = lines[2].replace(b"Ada", b"Eve")
        assert self.change(chain, lines)[0].endswith("line 3: not as it was written")

    def test_a_changed_line_with_a_hash_of_its_own(self, chain: Path) -> None:
        lines = self.lines(chain)
        record = json.loads(lines[2])
        made, _ = chained(record["n"], record["time"], record["event"], {"who": "Eve"}, record["prev"])
        lines[2] = made + b"\n"
        assert self.change(chain, lines) == [f"{the_file(chain).name}, line 4: does not follow the line before it"]

    def test_a_removed_line(self, chain: Path) -> None:
        lines = self.lines(chain)
        del lines[2]
        assert "line 3: does not follow" in self.change(chain, lines)[0]

    def test_two_lines_the_other_way_round(self, chain: Path) -> None:
        lines = self.lines(chain)
        lines[2], lines[3] = lines[3], lines[2]
        assert len(self.change(chain, lines)) >= 2

    def test_a_missing_beginning(self, chain: Path) -> None:
        assert "the beginning is missing" in self.change(chain, self.lines(chain)[1:])[0]

    def test_a_cut_tail_shows_only_by_a_head_that_was_noted(self, chain: Path) -> None:
        """A chain alone cannot show it: what is left is a whole chain. It says that it has no end, which a host that
        runs or has crashed has not either."""
        head = verify(chain).head
        assert self.change(chain, self.lines(chain)[:-2]) == []
        verdict = verify(chain)
        assert verdict.ok and "does not end with an end" in verdict.notes[0]
        assert "its end was cut off, or it was written anew" in verify(chain, head).faults[0]

    def test_a_chain_written_anew_shows_only_by_a_head_that_was_noted(
        self, chain: Path, folder: Path, wall: Wall
    ) -> None:
        head = verify(chain).head
        shutil.rmtree(chain)
        again = written(folder, wall, "joined", "clicked")
        assert verify(again).ok and not verify(again, head).ok

    @settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    def test_no_byte_can_be_changed_unnoticed(self, chain: Path, data: st.DataObject) -> None:
        """Any byte of any line but the last newline, to any other."""
        path = the_file(chain)
        good = path.read_bytes()
        at = data.draw(st.integers(0, len(good) - 2))
        other = data.draw(st.integers(1, 255))
        try:
            path.write_bytes(good[:at] + bytes([good[at] ^ other]) + good[at + 1 :])
            assert not verify(chain).ok
        finally:
            path.write_bytes(good)


class TestCrash:
    @settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(cut=st.integers(1, 10_000))
    def test_a_torn_last_line_is_cut_off_and_said(self, tmp_path: Path, cut: int) -> None:
        folder, wall = tmp_path / f"{cut}", Wall()
        chain = written(folder, wall, "joined", "clicked", "clicked", end=False)
        data = the_file(chain).read_bytes()
        last = len(data) - data.rfind(b"\n", 0, -1) - 1
        the_file(chain).write_bytes(data[: -1 - cut % (last - 1)])
        assert "torn" in " ".join(verify(chain).notes)
        written(folder, wall, "joined")
        verdict = verify(chain)
        assert verdict.ok and verdict.lines == 2 + 3, "and nothing of what was whole is lost"
        assert [record["event"] for record in records(chain)][2] == "torn_line_cut_off"
        assert "died in the middle of a line" in verdict.notes[0]
        shutil.rmtree(folder)

    def test_a_crash_in_the_first_line_of_all(self, folder: Path, wall: Wall) -> None:
        chain = written(folder, wall, "joined", end=False)
        the_file(chain).write_bytes(the_file(chain).read_bytes()[:20])
        written(folder, wall, "joined")
        assert verify(chain).ok and next(records(chain))["event"] == "torn_line_cut_off"

    def test_what_is_wrong_is_not_healed_away(self, folder: Path, wall: Wall) -> None:
        chain = written(folder, wall, "joined", "clicked", end=False)
        the_file(chain).write_bytes(the_file(chain).read_bytes().replace(b"clicked", b"clocked"))
        written(folder, wall, "joined")
        assert not verify(chain).ok


class TestSchedule:
    def test_old_days_are_deleted_and_the_chain_says_so(self, folder: Path, wall: Wall) -> None:
        for _ in range(40):
            chain = written(folder, wall, "joined", days=30)
            wall.now += DAY
        assert 30 <= len(list(chain.glob("*.jsonl"))) <= 32
        verdict = verify(chain)
        assert verdict.ok and verdict.first > 1
        assert any(record["event"] == "deleted_on_schedule" for record in records(chain))

    def test_it_is_deleted_while_the_show_goes_on_too(self, folder: Path, wall: Wall) -> None:
        log = AuditLog(folder, wall, days=2)
        for _ in range(10):
            log.write("clicked")
            wall.now += DAY
        log.close()
        assert len(list(log.folder.glob("*.jsonl"))) <= 4 and verify(log.folder).ok

    def test_a_beginning_that_was_not_deleted_on_schedule_is_missed(self, folder: Path, wall: Wall) -> None:
        for _ in range(5):
            chain = written(folder, wall, "joined")
            wall.now += DAY
        min(chain.glob("*.jsonl")).unlink()
        assert "the beginning is missing" in verify(chain).faults[0]

    def test_a_clock_that_is_set_back_breaks_nothing(self, folder: Path, wall: Wall) -> None:
        chain = written(folder, wall, "joined")
        wall.now -= 3 * DAY
        written(folder, wall, "joined")
        assert verify(chain).ok and len(list(chain.glob("*.jsonl"))) == 1


class TestFloods:
    def test_who_is_refused_without_end_does_not_fill_the_disk_and_the_next_line_says_how_often(
        self, folder: Path, wall: Wall
    ) -> None:
        log = AuditLog(folder, wall)
        for _ in range(10_000):
            log.write("refused", what="a handshake", link="abcdefgh23")
        log.write("kicked", who="Eve")
        log.write("log_closed")
        log.close()
        found = list(records(log.folder))
        assert len(found) == 502 and (found[-2]["event"], found[-2]["left_out"]) == (
            "kicked",
            {"refused a handshake": 9500},
        )
        assert "left_out" not in found[-1]
        verdict = verify(log.folder)
        assert verdict.ok and verdict.left_out == {"refused a handshake": 9500}

    @pytest.mark.parametrize(
        "flood",
        [("refused", "a handshake"), ("refused", "to join"), ("refused", "next"), ("refused", "goto 7"),
         ("refused", "command mute"), ("refused", "POST /api/admin/api-keys"), ("sign_in_failed", ""), ("joined", ""),
         ("left", ""), ("waits_to_be_let_in", "")],
    )  # fmt: skip
    def test_a_flood_of_one_kind_takes_no_line_from_another(
        self, folder: Path, wall: Wall, flood: tuple[str, str]
    ) -> None:
        event, what = flood
        others = [
            ("clicked", "next"), ("link_made", ""), ("link_revoked", ""), ("kicked", ""), ("key_made", ""),
            ("key_revoked", ""), ("signed_in", ""), ("refused", "a handshake"), ("refused", "to join"),
            ("refused", "black"), ("refused", "command kick"),
            ("refused", "DELETE /api/admin/api-keys/{id}"), ("sign_in_failed", ""),
            ("joined", ""), ("left", ""), ("waits_to_be_let_in", ""),
        ]  # fmt: skip
        others = [one for one in others if kind_of(one[0], {"what": one[1]}) != kind_of(event, {"what": what})]
        log = AuditLog(folder, wall)
        for turn in range(20):
            for _ in range(1000):
                log.write(event, what=what, who="Eve")
            log.write(*others[turn % len(others)][:1], what=others[turn % len(others)][1], who="Ada")
        log.close()
        found = list(records(log.folder))
        assert sum(record["who"] == "Ada" for record in found) == 20
        written = sum(record["who"] == "Eve" for record in found)
        assert written == 500 and sum(verify(log.folder).left_out.values()) == 20 * 1000 - written

    def test_what_somebody_did_who_may_is_always_written(self, folder: Path, wall: Wall) -> None:
        log = AuditLog(folder, wall)
        for event in ("clicked", "link_made", "link_revoked", "key_made", "key_revoked", "kicked"):
            for _ in range(700):
                log.write(event)
        log.close()
        assert sum(1 for _ in records(log.folder)) == 6 * 700

    @settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["refused", "joined", "sign_in_failed", "clicked", "link_made"]),
                st.sampled_from(["", "a handshake", "next"]),
                st.integers(1, 900),
                st.sampled_from([0.0, 0.5, 60.0, -3600.0]),
            ),
            max_size=12,
        )
    )
    def test_every_event_is_written_or_counted(self, tmp_path: Path, said: list[tuple[str, str, int, float]]) -> None:
        wall, told = Wall(), Counter[str]()
        shutil.rmtree(tmp_path / "state", ignore_errors=True)
        log = AuditLog(tmp_path / "state", wall)
        for event, what, times, seconds in said:
            wall.now += seconds
            told[kind_of(event, {"what": what}) or event] += times
            for _ in range(times):
                log.write(event, what=what)
        log.write("log_closed")
        log.close()
        found = [record for record in records(log.folder) if record["event"] != "log_closed"]
        heard = Counter(kind_of(record["event"], record) or record["event"] for record in found)
        verdict = verify(log.folder)
        assert verdict.ok and heard + verdict.left_out == told

    def test_a_clock_that_is_set_back_silences_nobody(self, folder: Path, wall: Wall) -> None:
        log = AuditLog(folder, wall)
        for _ in range(600):
            log.write("refused")
        wall.now -= 3600
        log.write("refused", who="Eve")
        log.close()
        assert list(records(log.folder))[-1]["left_out"] == {"refused": 100}

    def test_a_disk_that_does_not_take_the_line_leaves_the_count(
        self, folder: Path, wall: Wall, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        log = AuditLog(folder, wall)
        for _ in range(600):
            log.write("refused")

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as broken:
            broken.setattr(log, "_append", full)
            with pytest.raises(OSError, match="No space"):
                log.write("kicked")
        log.write("kicked")
        log.close()
        assert list(records(log.folder))[-1]["left_out"] == {"refused": 100}

    def test_a_log_that_ends_for_want_of_space_is_closed_without_a_word(self, folder: Path, wall: Wall) -> None:
        log = AuditLog(folder, wall)
        log.write("kicked")
        log.close()
        file = the_file(log.folder)
        file.unlink()
        file.symlink_to("/dev/full")
        with pytest.raises(OSError, match="No space"):
            log.write("kicked")
        log.close()  # what was not written is still in the file object


UGLY = "Eve\x1b[2J\x9b1m\u202e\u2066\u2028\x85\u200f\U000e0041\n\t"


def test_no_line_moves_a_terminal_s_cursor_and_none_says_less_for_it(folder: Path, wall: Wall) -> None:
    log = AuditLog(folder, wall)
    log.write("joined", who=UGLY, label="Ünïcödé 日本 👋")
    log.close()
    text = the_file(log.folder).read_text()
    assert text.replace("\n", "").isprintable() and text.count("\n") == 1 and "Ünïcödé 日本 👋" in text
    (record,) = records(log.folder)
    assert record["who"] == UGLY and verify(log.folder).ok
    for write in (write_csv, write_json):
        to = io.StringIO()
        write([record], to)
        assert to.getvalue().replace("\n", "").isprintable()
    state = ["--state-dir", str(folder.parent)]
    for option in ("--csv", "--json"):
        exported = CliRunner().invoke(main, ["audit", "export", *state, option, "-"]).stdout
        assert exported.replace("\n", "").isprintable() and "Eve" in exported


texts = st.text(max_size=30)
values = st.one_of(texts, st.integers(-(2**53), 2**53), st.none(), st.booleans())
fields = st.dictionaries(texts.filter(lambda name: name not in ("n", "time", "event", "prev", "hash")), values)


@given(st.integers(1, 10**9), texts, fields)
def test_whatever_is_said_a_line_comes_back_as_it_was(number: int, event: str, said: dict[str, Any]) -> None:
    line, head = chained(number, "2026-01-01T00:00:00.000Z", event, said, START)
    assert b"\n" not in line
    found = read_line(line)
    assert found is not None and found["hash"] == head
    expected = {"n": number, "event": event, **said}
    wanted = json.loads(json.dumps(expected, ensure_ascii=False).encode("utf-8", "replace"))
    assert {name: found[name] for name in wanted} == wanted


@given(st.binary(max_size=300))
def test_reading_never_raises(data: bytes) -> None:
    assert read_line(data) is None


class TestExport:
    @pytest.fixture
    def chain(self, folder: Path, wall: Wall) -> Path:
        log = AuditLog(folder, wall)
        log.write("joined", who='=HYPERLINK("x"), "Ada"')
        log.write("clicked", intent="goto 3", slide=3)
        log.close()
        return log.folder

    def test_as_a_table(self, chain: Path) -> None:
        to = io.StringIO()
        assert write_csv(records(chain), to) == 2
        rows = list(csv.DictReader(io.StringIO(to.getvalue())))
        assert rows[0]["who"] == """'=HYPERLINK("x"), "Ada\"""", "no spreadsheet runs what somebody is called"
        assert rows[1]["intent"] == "goto 3" and rows[1]["slide"] == "3" and rows[1]["who"] == ""

    def test_as_json(self, chain: Path) -> None:
        to = io.StringIO()
        assert write_json(records(chain), to) == 2
        assert [json.loads(line)["event"] for line in to.getvalue().splitlines()] == ["joined", "clicked"]

    def test_the_command(self, chain: Path, tmp_path: Path) -> None:
        state = ["--state-dir", str(chain.parent.parent)]
        run = CliRunner().invoke
        good = run(main, ["audit", "verify", *state, "--json"])
        told = json.loads(good.output)
        assert good.exit_code == 0 and told["ok"] and told["lines"] == 2 and told["left_out"] == {}
        assert run(main, ["audit", "verify", *state, "--head", told["head"]]).exit_code == 0
        assert run(main, ["audit", "verify", *state, "--head", "0" * 64]).exit_code == 1
        table = tmp_path / "log.csv"
        assert run(main, ["audit", "export", *state, "--csv", str(table)]).exit_code == 0
        assert len(table.read_text().splitlines()) == 3
        assert run(main, ["audit", "export", *state]).exit_code == 2
        path = the_file(chain)
        path.write_bytes(path.read_bytes().replace(b"goto 3", b"goto 4"))
        bad = run(main, ["audit", "verify", *state])
        assert bad.exit_code == 1 and "line 2: not as it was written" in bad.output
        nothing = run(main, ["audit", "verify", "--state-dir", str(tmp_path / "none")])
        assert nothing.exit_code == 1 and "there is no log" in nothing.output


WRITE = """
import sys
from pathlib import Path
from slidewire.audit.log import AuditLog
log = AuditLog(Path(sys.argv[1]), lambda: 0.0)
print(log.folder, flush=True)
sys.stdin.read()
"""


def test_a_chain_that_another_process_writes_is_left_to_it(tmp_path: Path) -> None:
    with other_process(WRITE, tmp_path):
        log = AuditLog(tmp_path, lambda: 0.0)
        assert log.folder == tmp_path / "1"
        log.close()
    log = AuditLog(tmp_path, lambda: 0.0)
    assert log.folder == tmp_path / "0"
    log.close()
