"""What holds for every test, whoever runs it and from wherever."""

import signal

import pytest
from hypothesis import settings

from tests.support.lab import is_possible

# A property is true or not, however busy the machine is: no deadline per example, in any folder.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

_left_out = pytest.StashKey[int]()


def pytest_configure() -> None:
    """Under nohup, SIGHUP is ignored here and in every program that is started from here, and tests send it to those. A
    handler that does nothing protects this process as well, and is not handed on."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda number, frame: None)


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
