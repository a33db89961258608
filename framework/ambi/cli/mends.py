"""What may have been meant, and what to do: for what is not there, and for what failed on its way in."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from ..core.errors import near_to

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_LEVELS_UP = 3
_NOT_IN = re.compile(r"cannot import name '(?P<name>\w+)' from '(?P<module>[\w.]+)'")
_CIRCULAR = re.compile(r"partially initialized module '(?P<module>[\w.]+)'")


def instead_of(module: str, root: Path) -> str:
    """Say where a module that is not there may be, for the end of a message.

    Args:
        module: its name, with dots.
        root: where it was looked for.
    """
    package, _, name = module.rpartition(".")
    folder = root.joinpath(*package.split(".")) if package else root
    near = near_to(name, modules_in(folder) - {name})
    if near or (package and (folder / "__init__.py").is_file()):
        return near
    top = module.partition(".")[0]
    place = next(_places_of(top, root), None)
    return "" if place is None else f"; there is one in {relative_to_here(place)}: cd {relative_to_here(place)}"


def modules_in(folder: Path) -> set[str]:
    """Give the names of the modules and packages in a folder."""
    return {path.stem for path in folder.glob("*.py")} | {path.parent.name for path in folder.glob("*/__init__.py")}


def _places_of(name: str, root: Path) -> Iterator[Path]:
    """Give the folders near by that a module of this name can be imported from: below first, then above."""
    for pattern in ("*", "*/*"):
        for folder in sorted(root.glob(pattern)):
            parts = folder.relative_to(root).parts
            if folder.is_dir() and not any(part.startswith(".") for part in parts) and name in modules_in(folder):
                yield folder
    for folder in list(root.parents)[:_LEVELS_UP]:
        if name in modules_in(folder):
            yield folder


def relative_to_here(path: Path) -> str:
    """Give a path as it is typed from the current directory."""
    return os.path.relpath(path)


def mend_of(error: BaseException, file: str) -> str:
    """Say what to do about an error of the user's code that newcomers meet; "" where its text says enough.

    Args:
        error: what was raised while a module was imported.
        file: the module that raised it.
    """
    circular = _CIRCULAR.search(str(error))
    if circular is not None and isinstance(error, (ImportError, AttributeError)):
        module = circular["module"]
        return (
            f"{module} is imported by what it imports itself: move what both need into a third module, or import"
            " inside the function that needs it"
        )
    if isinstance(error, ModuleNotFoundError) and error.name:
        return _mend_of_missing(error.name, Path(file).parent)
    absent = _NOT_IN.match(str(error))
    if absent is not None and absent["module"] in sys.modules:
        return near_to(absent["name"], dir(sys.modules[absent["module"]])).removeprefix("; ")
    return ""


def _mend_of_missing(module: str, folder: Path) -> str:
    """Say what to do about a module that the user's own import does not find."""
    top = module.partition(".")[0]
    if top in sys.modules and top != module:
        return ""
    if (folder / "__init__.py").is_file() and top in modules_in(folder):
        return f"inside of a package it is `from . import {top}`"
    near = near_to(top, {*modules_in(folder), *modules_in(Path.cwd())})
    return f"nothing that is installed in {sys.prefix} has a module {top!r}{near or '; is it another environment?'}"
