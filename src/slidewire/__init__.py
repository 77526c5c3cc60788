"""Slidewire, the self-hosted internet clicker. See docs/ for what it promises and how it is built."""

__version__: str


def __getattr__(name: str) -> str:
    """The version is looked up where it is asked for: a drawing process, which is waited for, has no use for it."""
    if name != "__version__":
        raise AttributeError(name)
    from importlib.metadata import version

    return version("slidewire")
