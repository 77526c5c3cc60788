"""What holds for every test, whoever runs it and from wherever."""

import os
import signal

import pytest
from hypothesis import settings

from tests.support.lab import is_possible
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


@pytest.fixture(params=[False, pytest.param(True, marks=pytest.mark.long)], ids=["happens", "in time"])
def timing(request: pytest.FixtureRequest) -> Timing:
    """For what has to happen, and within a time: every day that it happens, in the long run also when."""
    return Timing(request.param)


@pytest.hookimpl(trylast=True)  # what -m and -k leave out was not asked for, and is not counted here
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Labs are for root. Whoever is not gets all other tests, and is told how many these are."""
    if is_possible():
        return
    labs = [item for item in items if item.get_closest_marker("lab")]
    items[:] = [item for item in items if not item.get_closest_marker("lab")]
    config.hook.pytest_deselected(items=labs)
    config.stash[_left_out] = len(labs)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if number := config.stash.get(_left_out, 0):
        terminalreporter.write_line(
            f"NOT RUN: {number} tests that make network namespaces and devices. Run them as root, or in a container "
            "that may make them."
        )
