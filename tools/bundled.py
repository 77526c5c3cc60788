"""What lies inside the wheels of Slidewire's packages: libraries in C, C++ and Rust that no package list names.

Versions are read from the wheels as they are installed: asked of the libraries themselves, of the package that brings
them, or of the bill of materials that the wheel carries (PEP 770). Where none of these knows, it is the number in the
file's name, marked `so`. Which library a file is, and under which licence its project gives it, stand in the table
below; a file that is not in it is `unknown`, which `tools/sbom.py --check` refuses.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Bundled:
    """One library inside one wheel."""

    package: str
    """Whose wheel it is in."""
    name: str
    version: str
    licence: str
    kind: str = "generic"


FILES: Final = {
    # file in *.libs: what it is, its licence, and what to ask it for its version
    "libSvtAv1Enc": ("SVT-AV1", "BSD-3-Clause-Clear", "svt_av1_get_version"),
    "libXau": ("libXau", "MIT-open-group", None),
    "libasound": ("alsa-lib", "LGPL-2.1-or-later", "snd_asoundlib_version"),
    "libavif": ("libavif", "BSD-2-Clause", "avifVersion"),
    "libbrotlicommon": ("Brotli", "MIT", None),
    "libbrotlidec": ("Brotli", "MIT", None),
    "libcrc32c": ("crc32c", "BSD-3-Clause", None),
    "libdav1d": ("dav1d", "BSD-2-Clause", "dav1d_version"),
    "libdrm": ("libdrm", "MIT", None),
    "libfreetype": ("FreeType", "FTL OR GPL-2.0-only", None),
    "libgmp": ("GMP", "LGPL-3.0-or-later OR GPL-2.0-or-later", None),
    "libgnutls": ("GnuTLS", "LGPL-2.1-or-later", "gnutls_check_version"),
    "libharfbuzz": ("HarfBuzz", "MIT-Modern-Variant", "hb_version_string"),
    "libhogweed": ("Nettle", "LGPL-3.0-or-later OR GPL-2.0-or-later", None),
    "libjpeg": ("libjpeg-turbo", "IJG AND BSD-3-Clause", None),
    "liblcms2": ("Little CMS", "MIT", None),
    "liblzma": ("XZ Utils", "0BSD", "lzma_version_string"),
    "libmp3lame": ("LAME", "LGPL-2.0-or-later", "get_lame_version"),
    "libnettle": ("Nettle", "LGPL-3.0-or-later OR GPL-2.0-or-later", None),
    "libopencore-amrnb": ("OpenCORE AMR", "Apache-2.0", None),
    "libopencore-amrwb": ("OpenCORE AMR", "Apache-2.0", None),
    "libopenjp2": ("OpenJPEG", "BSD-2-Clause", "opj_version"),
    "libopus": ("Opus", "BSD-3-Clause", "opus_get_version_string"),
    "libpng16": ("libpng", "libpng-2.0", None),
    "libsharpyuv": ("libwebp", "BSD-3-Clause", None),
    "libtiff": ("libtiff", "libtiff", "TIFFGetVersion"),
    "libunistring": ("GNU libunistring", "LGPL-3.0-or-later OR GPL-2.0-or-later", None),
    "libvpl": ("Intel VPL", "MIT", None),
    "libvpx": ("libvpx", "BSD-3-Clause", "vpx_codec_version_str"),
    "libwebp": ("libwebp", "BSD-3-Clause", None),
    "libwebpdemux": ("libwebp", "BSD-3-Clause", None),
    "libwebpmux": ("libwebp", "BSD-3-Clause", None),
    "libx264": ("x264", "GPL-2.0-or-later", None),
    "libx265": ("x265", "GPL-2.0-or-later", "x265_version_str"),
    "libxcb": ("libxcb", "X11", None),
    "libz": ("zlib", "Zlib", "zlibVersion"),
    "libzstd": ("Zstandard", "BSD-3-Clause", "ZSTD_versionString"),
}
FFMPEG: Final = ("libavcodec", "libavdevice", "libavfilter", "libavformat", "libavutil", "libswresample", "libswscale")
_VARIABLES: Final = frozenset({"x265_version_str"})
"""Strings, not functions that return one."""


def _ffmpeg() -> str:
    return str(importlib.import_module("av").ffmpeg_version_info)


def _libuv() -> str:
    number = importlib.import_module("uvloop.loop").libuv_get_version()
    return f"{number >> 16}.{number >> 8 & 255}.{number & 255}"


def _pdfium() -> str:
    return str(importlib.import_module("pypdfium2").PDFIUM_INFO).partition("@")[0]


def _of_pillow(feature: str) -> Callable[[], str]:
    return lambda: str(importlib.import_module("PIL.features").version(feature))


def _of_the_package(package: str) -> Callable[[], str]:
    """The wheel does not say which: it is the one that the package of this version carries."""
    return lambda: f"as in {package} {metadata.version(package)}"


LINKED_IN: Final[tuple[tuple[str, str, str, Callable[[], str]], ...]] = (
    # Inside a package's own compiled part, where no file of its own shows it.
    ("aiohttp", "llhttp", "MIT", _of_the_package("aiohttp")),
    ("argon2-cffi-bindings", "Argon2 reference implementation", "CC0-1.0 OR Apache-2.0",
     _of_the_package("argon2-cffi-bindings")),
    ("av", "FFmpeg", "LGPL-3.0-or-later", _ffmpeg),
    ("cffi", "libffi", "MIT", _of_the_package("cffi")),
    ("pillow", "FreeType", "FTL OR GPL-2.0-only", _of_pillow("freetype2")),
    ("pillow", "FriBidi", "LGPL-2.1-or-later", _of_pillow("fribidi")),
    ("pillow", "Little CMS", "MIT", _of_pillow("littlecms2")),
    ("pillow", "Raqm", "MIT", _of_pillow("raqm")),
    ("pillow", "libjpeg-turbo", "IJG AND BSD-3-Clause", _of_pillow("libjpeg_turbo")),
    ("pillow", "libwebp", "BSD-3-Clause", _of_pillow("webp")),
    ("pillow", "zlib-ng", "Zlib", _of_pillow("zlib_ng")),
    ("pylibsrtp", "libsrtp", "BSD-3-Clause", _of_the_package("pylibsrtp")),
    ("pylibsrtp", "OpenSSL", "Apache-2.0", _of_the_package("pylibsrtp")),
    ("pypdfium2", "PDFium", "BSD-3-Clause AND Apache-2.0", _pdfium),
    ("uvloop", "libuv", "MIT", _libuv),
)  # fmt: skip
_LICENCES: Final = {"openssl": "Apache-2.0"}
"""Of what a wheel's own bill names without one."""


def inside(package: str) -> list[Bundled]:
    """What the wheel of this package, as it is installed, has inside."""
    try:
        files = metadata.files(package) or []
    except metadata.PackageNotFoundError:
        return []
    named = {one.name: one for one in _from_files(package, files)}  # several files of one library are one row
    named |= {one.name: one for one in _linked_in(package)}
    crates = {(one.name, one.version): one for one in _from_bills(package, files)}
    return sorted([*named.values(), *crates.values()], key=lambda one: (one.kind, one.name.lower(), one.version))


def _linked_in(package: str) -> Iterator[Bundled]:
    for owner, name, licence, version in LINKED_IN:
        if owner == package:
            yield Bundled(package, name, version(), licence)


def _from_bills(package: str, files: list[metadata.PackagePath]) -> Iterator[Bundled]:
    """Rust's crates and what is linked in. What a bill says of shared files is read from those."""
    for path in files:
        if path.parent.name != "sboms" or path.suffix != ".json":
            continue
        for component in json.loads(path.read_text(encoding="utf-8")).get("components", []):
            kind = re.match(r"pkg:(cargo|generic)/", component.get("purl", ""))
            if kind is not None:
                name, version = str(component["name"]), str(component.get("version", "unknown"))
                yield Bundled(package, name, version, _licence_of(component), kind[1])


def _licence_of(component: dict[str, Any]) -> str:
    said = [entry.get("expression") or entry.get("license", {}).get("id") for entry in component.get("licenses", [])]
    known = " AND ".join(" ".join(text.split()) for text in said if text)
    return known or _LICENCES.get(component["name"].lower(), "unknown")


def _from_files(package: str, files: list[metadata.PackagePath]) -> Iterator[Bundled]:
    for path in files:
        match = re.fullmatch(r"(lib[\w+-]+?)-[0-9a-f]{8}\.so[.\d]*|(lib[\w+-]+)\.so[.\d]*", path.name)
        if match is None or not path.parent.name.endswith(".libs"):
            continue
        stem = match[1] or match[2]
        if stem in FFMPEG:
            continue  # one row for all of it, above
        name, licence, symbol = FILES.get(re.sub(r"^libxcb-.*", "libxcb", stem), (stem, "unknown", None))
        yield Bundled(package, name, _ask(Path(str(path.locate())), symbol) or _of_name(path.name), licence)


def _ask(path: Path, symbol: str | None) -> str | None:
    if symbol is None:
        return None
    try:
        library = ctypes.CDLL(str(path))
        if symbol in _VARIABLES:
            said = ctypes.c_char_p.in_dll(library, symbol).value
        else:
            function = library[symbol]
            function.restype = ctypes.c_char_p
            said = function(None)
    except (OSError, AttributeError, ValueError):
        return None
    number = re.search(rb"\d+(\.\d+)+\S*", said or b"")
    return number[0].decode("ascii", "replace").rstrip(",") if number else None


def _of_name(name: str) -> str:
    return "so" + name.partition(".so")[2]
