"""The build hook: no wheel and no source archive of Slidewire leaves without the web pages, and a wheel that was made
where there is a C compiler has the relay's compiled data path.

In a work tree they are built when they are absent or stale; the build environment then gets Node.js as a Python
package if the machine has none. A source archive already carries them, so installing from one never needs Node.js.
An editable install needs neither: `tools/pages.py` and `tools/compiled.py` make them in place.

Without a compiler the wheel is for every machine, and the relay's data path is plain Python; with one it is for
machines like this one, whatever their version of Python. SLIDEWIRE_NO_COMPILER=1 asks for the former.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).resolve().parent))
from tools import compiled, pages


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
        if self.target_name == "wheel" and not os.environ.get("SLIDEWIRE_NO_COMPILER"):
            self._compile(build_data)

    def _compile(self, build_data: dict[str, Any]) -> None:
        try:
            if not compiled.fresh() and not compiled.build():
                self.app.display_warning("No C compiler: this wheel's relay has the plain data path only.")
                return
        except compiled.CompileError as error:
            self.app.display_warning(f"The relay's compiled data path is left out. The compiler said:\n{error}")
            return
        build_data["artifacts"].append("/src/slidewire/relay/_relay.so")
        build_data["pure_python"] = False
        build_data["tag"] = compiled.wheel_tag()
