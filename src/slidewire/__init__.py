"""Slidewire, the self-hosted internet clicker. See docs/ for what it promises and how it is built."""

from importlib.metadata import version

__version__ = version("slidewire")
