"""The profile and the sandbox of LibreOffice, without LibreOffice."""

import json
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from slidewire.host.decks.driver import DeckError
from slidewire.host.decks.impress import isolation
from slidewire.host.decks.impress.isolation import (
    confinement,
    display_ports,
    make_profile,
    own_profile,
    scratch,
    settings,
)
from slidewire.host.decks.impress.uno_helper import confine
from tests.support.other_process import other_process

CONFINE = Path(confine.__file__)
SYSTEM = ["/usr", "/lib", "/lib64", "/etc/ld.so.cache", str(Path(sys.prefix)), str(Path(sys.base_prefix))]


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        yield server


def run(script: str, tmp_path: Path, **wanted: list[str] | list[int]) -> tuple[dict[str, bool], str]:
    """What holds, and what a script that runs in the sandbox leaves in the one file that it may write."""
    said = tmp_path / "may-write" / "said"
    said.parent.mkdir(exist_ok=True)
    said.write_text("")
    program = tmp_path / "script.py"
    program.write_text(f"def say(x):\n    print(x, file=open({str(said)!r}, 'a'))\n{script}")
    given = {
        "read": [*SYSTEM, str(program)],
        "write": [str(said.parent)],
        "execute": SYSTEM,
        "sockets": [],
        "tcp": [],
        **wanted,
    }
    command = [sys.executable, "-I", str(CONFINE), json.dumps(given), sys.executable, "-I", str(program)]
    done = subprocess.run(command, capture_output=True, timeout=60, check=True)
    return json.loads(done.stdout), said.read_text()


ATTEMPT = """
def attempt(what):
    try:
        say(what())
    except OSError as error:
        say(type(error).__name__)
"""


def test_in_the_sandbox_only_what_was_given_is_there(tmp_path: Path, listener: socket.socket) -> None:
    inside, outside = tmp_path / "inside.txt", tmp_path / "outside.txt"
    inside.write_text("given")
    outside.write_text("secret")
    script = ATTEMPT + (
        "import socket, subprocess\n"
        f"attempt(lambda: open({str(inside)!r}).read())\n"
        f"attempt(lambda: open({str(outside)!r}).read())\n"
        f"attempt(lambda: open({str(outside)!r}, 'w'))\n"
        f"attempt(lambda: __import__('os').unlink({str(outside)!r}))\n"
        "attempt(lambda: subprocess.run(['/usr/bin/env'], stdout=-1).returncode)\n"
        f"attempt(lambda: socket.create_connection({listener.getsockname()!r}, 1))\n"
        "attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53)))\n"
    )
    read = [*SYSTEM, str(tmp_path / "script.py"), str(inside)]
    program = [str(Path(sys.executable).resolve()), "/lib", "/lib64", "/usr/lib"]
    held, said = run(script, tmp_path, read=read, execute=program)
    assert held == {"network": True, "files": True}
    assert said.split() == ["given", *["PermissionError"] * 5, "OSError"]
    assert outside.read_text() == "secret"
    with pytest.raises(TimeoutError):
        listener.accept()


def test_a_display_that_is_reached_by_tcp_stays_in_reach_and_nothing_else_does(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as display, socket.create_server(("127.0.0.1", 0)) as other:
        script = ATTEMPT + "import socket\n"
        for server in (display, other):
            script += f"attempt(lambda: socket.create_connection({server.getsockname()!r}, 1) and 'connected')\n"
        held, said = run(script, tmp_path, tcp=[display.getsockname()[1]])
    assert held == {"network": False, "files": True}
    assert said.split() == ["connected", "PermissionError"]


def test_what_is_started_has_nothing_to_read_and_nobody_to_tell(tmp_path: Path) -> None:
    held, said = run("import sys\nprint('x')\nsay(repr(sys.stdin.read()))\n", tmp_path)
    assert held and said == "''\n"


@pytest.mark.parametrize(
    ("display", "ports"),
    [
        (":0", []),
        (":1.0", []),
        ("unix:0", []),
        ("/tmp/launch/org.xquartz:0", []),
        ("localhost:10.0", [6010]),
        ("192.0.2.7:0", [6000]),
        ("", []),
        ("nonsense", []),
        ("localhost:x", []),
    ],
)
def test_displays_by_tcp(display: str, ports: list[int]) -> None:
    assert display_ports(display) == ports


def test_settings_say_no_to_everything() -> None:
    name = "{http://openoffice.org/2001/registry}"
    for links in (True, False):
        found = {}
        for item in ET.fromstring(settings(links)):
            found[item[0].attrib[name + "name"]] = item[0][0].text or ""
        assert found["BlockUntrustedRefererLinks"] == str(not links).lower()
        assert (found["DisableMacrosExecution"], found["MacroSecurityLevel"], found["SecureURL"]) == ("true", "3", "")
        assert (found["ooInetProxyType"], found["ooInetHTTPSProxyPort"], found["ooInetNoProxy"]) == ("2", "9", "")


def test_a_profile_is_made_anew_each_time_and_nobody_else_sees_it(tmp_path: Path) -> None:
    with own_profile(tmp_path / "state") as profile:
        make_profile(profile, links=False)
        assert stat.S_IMODE(profile.stat().st_mode) == 0o700
        registry = profile / "user" / "registrymodifications.xcu"
        registry.write_text(registry.read_text().replace("</oor:items>", "<item>a crash</item></oor:items>"))
        (profile / "user" / "backup").mkdir()
        (scratch(profile) / "left").write_text("")
        make_profile(profile, links=True)
        assert registry.read_text() == settings(links=True)
        assert not (profile / "user" / "backup").exists() and not list(scratch(profile).iterdir())


def test_each_libreoffice_has_a_profile_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with own_profile(tmp_path) as first, own_profile(tmp_path) as second:
        assert first != second
    with own_profile(tmp_path) as again:
        assert again == first
    # One that runs on although its host was killed.
    monkeypatch.setattr(isolation, "office_running", lambda profile: profile == str(first))
    with own_profile(tmp_path) as other:
        assert other == second
    monkeypatch.setattr(isolation, "office_running", lambda profile: True)
    with pytest.raises(DeckError, match="End some of them"), own_profile(tmp_path):
        pass


def test_a_profile_that_cannot_be_kept_is_said(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(DeckError, match="--state-dir"), own_profile(tmp_path / "state"):
        pass


def test_a_libreoffice_that_is_not_known_is_started_as_it_is(tmp_path: Path) -> None:
    assert confinement(tmp_path / "a.odp", tmp_path, str(tmp_path / "soffice"), []) is None
    (tmp_path / "oosplash").write_text("")
    known = confinement(tmp_path / "a.odp", tmp_path / "profile", str(tmp_path / "soffice"), [tmp_path / "in.png"])
    assert known is not None
    assert known["program"] == str(tmp_path / "oosplash") and str(tmp_path / "in.png") in known["read"]
    assert str(tmp_path) not in known["read"] and str(Path.home()) not in known["read"]
    assert "/usr/bin" not in known["execute"] and "/usr" not in known["execute"]


HOLD_PROFILE = """
import sys
from pathlib import Path
from slidewire.host.decks.impress.isolation import own_profile
with own_profile(Path(sys.argv[1])) as profile:
    print(profile, flush=True)
    sys.stdin.read()
"""


def test_a_profile_that_another_process_uses_is_left_to_it(tmp_path: Path) -> None:
    with other_process(HOLD_PROFILE, tmp_path), own_profile(tmp_path) as profile:
        assert profile == tmp_path / "libreoffice-profile-2"
    with own_profile(tmp_path) as profile:
        assert profile == tmp_path / "libreoffice-profile"
