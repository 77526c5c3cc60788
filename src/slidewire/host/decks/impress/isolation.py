"""The sandbox of a LibreOffice that opens a stranger's deck.

A deck can ask LibreOffice to fetch and read things, to run macros and programs, and to put questions on the screen. So
a deck file is opened by a LibreOffice with a user profile of ours, in which all of that is off. Where the system can do
that (Linux), it is also started without a network, and without a right to read files but the deck, fonts and its own
program (`uno_helper/confine.py`). What the profile forbids holds on every system. What the system forbids does not
depend on LibreOffice's doing what it was told.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from slidewire.host.decks.driver import DeckError
from slidewire.host.decks.impress.uno_helper.office import office_running
from slidewire.host.desktop.environment import System, this_system, x11_display
from slidewire.system.file_locks import try_lock

PROFILES = 16
"""One for each LibreOffice of ours that runs at the same time."""

NOWHERE = "127.0.0.1"
DISCARD = 9
"""Where the proxy is said to be. Nothing listens there, and a name is never looked up."""

SCRIPTING = "/org.openoffice.Office.Common/Security/Scripting"
PROXY = "/org.openoffice.Inet/Settings"
UPDATES = "/org.openoffice.Office.Jobs/Jobs/org.openoffice.Office.Jobs:Job['UpdateCheck']/Arguments"
Setting = tuple[str, str, bool | int | str | None]

ALWAYS: tuple[Setting, ...] = (
    # No macros, whatever the file says, and nothing else that is active in it.
    (SCRIPTING, "MacroSecurityLevel", 3),
    (SCRIPTING, "DisableMacrosExecution", True),
    (SCRIPTING, "DisableActiveContent", True),
    (SCRIPTING, "DisableOLEAutomation", True),
    (SCRIPTING, "DisablePythonRuntime", True),
    (SCRIPTING, "SecureURL", None),
    (SCRIPTING, "HyperlinksWithCtrlClick", True),
    ("/org.openoffice.Office.Java/VirtualMachine", "Enable", False),
    # No network: a proxy that is not there, for every scheme and every host.
    (PROXY, "ooInetProxyType", 2),
    (PROXY, "ooInetHTTPProxyName", NOWHERE),
    (PROXY, "ooInetHTTPProxyPort", DISCARD),
    (PROXY, "ooInetHTTPSProxyName", NOWHERE),
    (PROXY, "ooInetHTTPSProxyPort", DISCARD),
    (PROXY, "ooInetFTPProxyName", NOWHERE),
    (PROXY, "ooInetFTPProxyPort", DISCARD),
    (PROXY, "ooInetNoProxy", ""),
    # Links are not updated, and no question is asked.
    ("/org.openoffice.Office.Writer/Content/Update", "Link", 0),
    ("/org.openoffice.Office.Calc/Content/Update", "Link", 1),
    # Nothing is asked or offered: no first steps, tips, recovery, crash report, update, or remote control.
    ("/org.openoffice.Setup/Office", "ooSetupInstCompleted", True),
    ("/org.openoffice.Office.Common/Misc", "FirstRun", False),
    ("/org.openoffice.Office.Common/Misc", "ShowTipOfTheDay", False),
    ("/org.openoffice.Office.Common/Misc", "CrashReport", False),
    ("/org.openoffice.Office.Common/Misc", "CollectUsageInformation", False),
    ("/org.openoffice.Office.Common/Misc", "PerformFileExtCheck", False),
    ("/org.openoffice.Office.Recovery/RecoveryInfo", "Enabled", False),
    ("/org.openoffice.Office.Recovery/RecoveryInfo", "Crashed", False),
    ("/org.openoffice.Office.Recovery/RecoveryInfo", "SessionData", False),
    ("/org.openoffice.Office.Recovery/AutoSave", "Enabled", False),
    ("/org.openoffice.Office.Update/Update", "Enabled", False),
    (UPDATES, "AutoCheckEnabled", False),
    ("/org.openoffice.Office.Impress/Misc/NewDoc", "AutoPilot", False),
    ("/org.openoffice.Office.Impress/Misc/Start", "EnableSdremote", False),
)

# What LibreOffice, GTK, fonts and sound need of the system, and nothing that belongs to a user.
READABLE = (
    "/usr", "/lib", "/lib64", "/nix/store", "/var/cache/fontconfig", "/var/lib/libreoffice", "/var/spool/libreoffice",
    *("/etc/" + name for name in (
        "ld.so.cache", "ld.so.preload", "passwd", "group", "nsswitch.conf", "localtime", "timezone", "locale.alias",
        "default/locale", "locale.conf", "machine-id", "fonts", "alternatives", "libreoffice", "gtk-3.0", "X11", "xdg",
        "pulse", "alsa", "asound.conf", "pipewire", "dconf", "drirc", "glvnd", "egl", "vulkan", "mime.types",
        "papersize", "paperspecs", "java",
    )),
    *("/proc/" + name for name in ("self", "cpuinfo", "meminfo", "stat", "sys", "filesystems", "version")),
    "/sys/devices", "/sys/dev", "/sys/bus", "/sys/class", "/run/opengl-driver",
)  # fmt: skip
READABLE_AT_HOME = (
    ".fonts", ".fonts.conf", ".local/share/fonts", ".config/fontconfig", ".cache/fontconfig", ".config/gtk-3.0",
    ".config/dconf", ".config/pulse", ".themes", ".icons", ".local/share/themes", ".local/share/icons", ".Xauthority",
    ".ICEauthority",
)  # fmt: skip
DEVICES = (
    "/dev/null",
    "/dev/urandom",
    "/dev/dri",
    "/dev/shm",  # noqa: S108
    "/dev/snd",
    "/dev/kfd",
    "/dev/nvidiactl",
    "/dev/nvidia0",
)
PROGRAMS = ("/usr/lib", "/usr/lib64", "/usr/libexec", "/lib", "/lib64", "/nix/store")
"""What may be started: parts of libraries, and no program of its own. So nothing opens a browser."""
SOCKETS = ("/tmp",)  # noqa: S108
"""Where LibreOffice makes the socket by which it is spoken to."""


@contextlib.contextmanager
def own_profile(state: Path) -> Iterator[Path]:
    """A user profile in our state directory that no other LibreOffice uses. Raises `DeckError`."""
    for number in range(1, PROFILES + 1):
        profile = state / ("libreoffice-profile" if number == 1 else f"libreoffice-profile-{number}")
        try:
            profile.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = try_lock(profile / "lock")
        except OSError as error:
            raise DeckError(
                f"LibreOffice's profile cannot be kept in {profile} ({error.strerror}). Make it writable and see that "
                "its disk has room, or give another place with --state-dir."
            ) from None
        if lock is None:
            continue
        with lock:
            # One that was left behind when its host was killed still runs, and is confined to its own deck.
            if not office_running(str(profile)):
                yield profile
                return
    raise DeckError(f"{PROFILES} of Slidewire's LibreOffices run already. End some of them, and try again.")


def make_profile(profile: Path, links: bool) -> None:
    """Make the profile what it is to be, whatever the last show, or its crash, has left there. `links`: whether a
    document may load what it links to. Raises `OSError`."""
    user = profile / "user"
    for folder in (scratch(profile), user / "backup"):
        shutil.rmtree(folder, ignore_errors=True)
    for folder in (scratch(profile), user):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = user / "registrymodifications.part"
    part.write_text(settings(links), encoding="utf-8")
    part.replace(user / "registrymodifications.xcu")


def scratch(profile: Path) -> Path:
    """For temporary files, and the deck's copy: those of others may be seen by no deck."""
    return profile / "tmp"


def settings(links: bool) -> str:
    """LibreOffice's file of settings. `links`: whether a document may load what it links to."""
    items = "\n".join(_item(*setting) for setting in (*ALWAYS, (SCRIPTING, "BlockUntrustedRefererLinks", not links)))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<oor:items xmlns:oor="http://openoffice.org/2001/registry" '
        'xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n'
        f"{items}\n</oor:items>\n"
    )


def _item(path: str, name: str, value: bool | int | str | None) -> str:
    text = "" if value is None else str(value).lower() if isinstance(value, bool) else escape(str(value))
    return f'<item oor:path={quoteattr(path)}><prop oor:name="{name}" oor:op="fuse"><value>{text}</value></prop></item>'


def confinement(deck: Path, profile: Path, soffice: str, media: Iterable[Path]) -> dict[str, Any] | None:
    """For `uno_helper/confine.py`: what LibreOffice may read, write, start and connect to. `media`: what the deck may
    show besides itself. None where this is not a Linux system, or not a LibreOffice as it is known."""
    program = Path(soffice).resolve().parent
    splash = program / "oosplash"
    if this_system() is not System.LINUX or not splash.is_file():
        return None
    home = Path.home()
    read = [*READABLE, *(str(home / name) for name in READABLE_AT_HOME), str(program.parent), str(deck)]
    read += [os.environ[name] for name in ("XAUTHORITY", "ICEAUTHORITY", "FONTCONFIG_FILE") if os.environ.get(name)]
    return {
        "program": str(splash),
        "scratch": str(scratch(profile)),
        "read": [*read, *map(str, media)],
        "write": [str(profile), *DEVICES],
        "execute": [*PROGRAMS, str(program)],
        "sockets": list(SOCKETS),
        "tcp": display_ports(x11_display()),
    }


def display_ports(display: str) -> list[int]:
    """The TCP port of an X display that is reached by TCP (`ssh -X`); none for one that has a socket here."""
    host, colon, number = display.rpartition(":")
    if not colon or host in ("", "unix") or host.startswith("/"):
        return []
    number = number.partition(".")[0]
    return [6000 + int(number)] if number.isdecimal() and len(number) < 5 else []
