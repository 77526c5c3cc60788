"""The build hook: no wheel and no source archive of Slidewire leaves without the web pages.

In a work tree they are built when they are absent or stale; the build environment then gets Node.js as a Python
package if the machine has none. A source archive already carries them, so installing from one never needs Node.js.
An editable install needs no pages: `tools/pages.py` makes them in place.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).resolve().parent))
from tools import pages


class PagesHook(BuildHookInterface):  # type: ignore[type-arg]  # hatchling's own documentation leaves the config open
    PLUGIN_NAME = "custom"

    @property
    def from_source_archive(self) -> bool:
        return (Path(self.root) / "PKG-INFO").is_file()

    def dependencies(self) -> list[str]:
        if self.from_source_archive or pages.fresh() or pages.node_environment():
            return []
        return [pages.NODE_PACKAGE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        if not self.from_source_archive:
            try:
                pages.build()
            except pages.PagesError as error:
                self.app.abort(f"Slidewire's web pages are missing and could not be built: {error}")
        if not pages.present():
            self.app.abort(
                "This source archive lacks Slidewire's web pages (src/slidewire/server/pages): "
                "fetch the archive again, or build from a clone of the repository."
            )
        # git ignores the pages, and so would hatchling.
        build_data["artifacts"].append("/src/slidewire/server/pages/**")
