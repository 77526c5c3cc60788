"""What holds for every test, whoever runs it and from wherever."""

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

from tests.support.lab import is_possible
from tests.support.programs import heed_interrupts
from tests.support.timing import Timing

# A property is true or not, however busy the machine is: no deadline per example. Every day the examples are the same,
# so that a failure is of what was changed; the long run draws others each time, and prints how to have them again.
settings.register_profile("everyday", deadline=None, derandomize=True)
settings.register_profile("long", deadline=None, derandomize=False, print_blob=True)
settings.load_profile("everyday")

os.environ["SLIDEWIRE_CONFIG"] = os.devnull  # what the user of this computer has set is no part of a test

_left_out = pytest.StashKey[int]()


@pytest.hookimpl(tryfirst=True)  # before Hypothesis obeys `--hypothesis-profile`, which says more
def pytest_configure(config: pytest.Config) -> None:
    """The long run is that which leaves no test out.

    Under nohup, SIGHUP is ignored here and in every program that is started from here, and tests send it to those. A
    handler that does nothing protects this process as well, and is not handed on."""
    if not config.getoption("markexpr"):
        settings.load_profile("long")
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda number, frame: None)
    heed_interrupts()


@pytest.fixture(params=[False, pytest.param(True, marks=pytest.mark.long)], ids=["happens", "in time"])
def timing(request: pytest.FixtureRequest) -> Timing:
    """For what has to happen, and within a time: every day that it happens, in the long run also when."""
    return Timing(request.param)


@pytest.hookimpl(wrapper=True)  # what -m and -k leave out was not asked for, and is not counted here
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    """Leave out the labs where they are not possible. Processes that share the tests begin with the longest."""
    for item in items:
        if _needs_the_screen(item):
            item.add_marker(pytest.mark.xdist_group("screen"))
    yield
    if not is_possible():
        labs = [item for item in items if item.get_closest_marker("lab")]
        items[:] = [item for item in items if not item.get_closest_marker("lab")]
        config.hook.pytest_deselected(items=labs)
        config.stash[_left_out] = len(labs)
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: (not _needs_the_screen(item), not item.get_closest_marker("lab")))


def _needs_the_screen(item: pytest.Item) -> bool:
    """Browsers and desktops take a processor each: no two of them run at the same time. In a lab they wait for its
    networks most of the time."""
    marks = {mark.name for mark in item.iter_markers()}
    return not marks.isdisjoint({"browser", "desktop"}) and "lab" not in marks


def pytest_sessionfinish(session: pytest.Session) -> None:
    """One of several processes that share the tests has counted, and tells the one that reports."""
    output: dict[str, object] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["left_out"] = session.config.stash.get(_left_out, 0)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    node.config.stash[_left_out] = getattr(node, "workeroutput", {}).get("left_out", 0)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if number := config.stash.get(_left_out, 0):
        terminalreporter.write_line(
            f"NOT RUN: {number} tests that make network namespaces and devices. Run them as root, or in a container "
            "that may make them."
        )
