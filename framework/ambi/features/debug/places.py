"""Where code stands, and whose it is."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

PACKAGE = str(Path(__file__).parents[2])
_ON_THE_WAY = tuple(f"{PACKAGE}{os.sep}{part}{os.sep}" for part in ("bridge", "gateways"))


def kind_of(file: str) -> str:
    """Tell whose code a file has: "user", "library" or "framework"."""
    if file.startswith(PACKAGE):
        return "framework"
    is_library = "site-packages" in file or "dist-packages" in file or file.startswith(("<frozen", *_libraries()))
    return "library" if is_library else "user"


def is_on_the_way(file: str) -> bool:
    """Tell whether the code there takes a request from side to side, which a gateway does in its own way."""
    return file.startswith(_ON_THE_WAY)


def shown_file(file: str) -> str:
    """Give a file's path relative to the current directory, or to the folder that its package is imported from."""
    if file.startswith(PACKAGE):
        return f"ambi{file.removeprefix(PACKAGE)}"
    folders = [str(Path.cwd()), *sys.path]
    found = max((one for one in folders if one and file.startswith(f"{one}{os.sep}")), key=len, default="")
    return file.removeprefix(f"{found}{os.sep}") if found else file


def _libraries() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    return tuple({f"{paths[name]}{os.sep}" for name in ("stdlib", "platstdlib", "purelib", "platlib")})
