"""Where the `slidewire` command begins: no secret that was given as an argument stays in the list of processes.

Any user of a computer may read with which arguments its programs were started. So the title of the process is written
anew, without what is secret in them, before anything else is imported that takes time. For the moment until then there
are better ways in: files, the environment and standard input (`link_source.py`).
"""

from __future__ import annotations

from slidewire.cli.process_title import hide_secrets


def main() -> None:
    hide_secrets()
    from slidewire.cli.main import main as command

    command()


if __name__ == "__main__":
    main()
