"""Start a program that has no network and sees no files but those it was given.

    python confine.py '{"read": […], "write": […], "sockets": […], "execute": […], "tcp": […]}' PROGRAM …

Linux can do both without root: a network namespace of the program's own, in which there is nothing, and Landlock, which
refuses to open what no rule names. Either may be missing (an old kernel, a container, a system that forbids namespaces
to users), so each is tried by itself. One line on standard output says what holds; then the program takes over this
process, with nothing to read and nowhere to write to.

Neither refuses a socket that has a path: that is how the X server, Wayland, the sound server and
Slidewire itself are reached.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from collections.abc import Iterable
from typing import Any

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
PR_SET_NO_NEW_PRIVS = 38
# Landlock, as in linux/landlock.h; the numbers of its system calls are the same on every architecture.
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
VERSION = 1
RULE_PATH, RULE_PORT = 1, 2
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 1 << 1, 1 << 2, 1 << 3
REMOVE_FILE, MAKE_SOCK, REFER, TRUNCATE = 1 << 5, 1 << 9, 1 << 13, 1 << 14
EVERYTHING = {1: (1 << 13) - 1, 2: (1 << 14) - 1}
"""What each version can refuse; from the third on it is all up to `TRUNCATE`. What is asked of devices stays free."""
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE
BIND_TCP, CONNECT_TCP = 1, 2
READ = READ_FILE | READ_DIR
SOCKETS = MAKE_SOCK | REMOVE_FILE | READ_DIR


def main(arguments: list[str]) -> None:
    wanted = json.loads(arguments[0])
    nothing = os.open(os.devnull, os.O_RDWR)
    held = {"network": leave_network(wanted["tcp"]), "files": restrict(wanted)}
    os.write(1, json.dumps(held).encode() + b"\n")
    for descriptor in range(3):
        os.dup2(nothing, descriptor)
    os.execv(arguments[1], arguments[1:])  # noqa: S606 (a list of our own, and no shell)


def leave_network(tcp: list[int]) -> bool:
    """Whether this process is in a network namespace of its own now. It stays where it was if its display is reached
    by TCP, which would be cut off, too."""
    if tcp:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) == 0:  # root's way
        return True
    user, group = os.geteuid(), os.getegid()
    if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0:
        return False
    # Who we were outside is who we are inside: files and sockets are asked for by the same user.
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:  # noqa: PTH123 (one write, no more)
            file.write(text)
    return True


def restrict(wanted: dict[str, Any]) -> bool:
    """Whether Landlock refuses whatever is not `wanted` from now on."""
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(CREATE_RULESET, None, 0, VERSION)
    if version < 1:
        return False
    handled = EVERYTHING.get(version, (1 << 15) - 1)
    attributes = (ctypes.c_uint64 * 2)(handled, BIND_TCP | CONNECT_TCP)
    rules = libc.syscall(CREATE_RULESET, attributes, 16 if version >= 4 else 8, 0)
    if rules < 0:
        return False
    for access, paths in (
        (READ, wanted["read"]),
        (READ | EXECUTE, wanted["execute"]),
        (handled & ~EXECUTE, wanted["write"]),
        (SOCKETS, wanted["sockets"]),
    ):
        _allow(libc, rules, access & handled, paths)
    if version >= 4:
        for port in wanted["tcp"]:
            libc.syscall(ADD_RULE, rules, RULE_PORT, (ctypes.c_uint64 * 2)(CONNECT_TCP, port), 0)
    restricted: bool = libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 and libc.syscall(RESTRICT_SELF, rules, 0) == 0
    os.close(rules)
    return restricted


def _allow(libc: Any, rules: int, access: int, paths: Iterable[str]) -> None:
    class PathBeneath(ctypes.Structure):
        _pack_ = 1
        _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))

    for path in paths:
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue  # there is nothing to allow
        is_folder = os.path.isdir(path)  # noqa: PTH112 (as above)
        rule = PathBeneath(access if is_folder else access & OF_FILES, place)
        libc.syscall(ADD_RULE, rules, RULE_PATH, ctypes.byref(rule), 0)
        os.close(place)


if __name__ == "__main__":
    main(sys.argv[1:])
