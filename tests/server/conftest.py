"""The server runs on uvloop where there is one, so its tests do too."""

from tests.support.eventloop import pytest_asyncio_loop_factories

__all__ = ["pytest_asyncio_loop_factories"]
