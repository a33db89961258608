"""Which files are watched, and how a change of them is noticed: by watchfiles where it is installed, else by looking.

Facts
- Below the directory of the application count the files that it is made of: `.py`, `.toml`, `.env`, templates. What an
  application writes itself (uploads, databases, logs) must not restart it. Below a directory that was asked for count
  all files.
- Not looked into: what begins with a dot, caches, `node_modules`, virtual environments, installed packages.
- Editors write in several steps, or write another file and rename it: a change is told when nothing has changed for a
  moment. A file that is as it was is no change, whatever the system says: macOS tells of what was long ago.
- Of a directory that is moved the system tells by its own name, and not of the files in it: then all is looked at.
- A system may watch so many directories and no more; then it is looked instead. Looking costs little: a tree of a
  thousand files takes some milliseconds, and where it takes longer it is looked less often.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from bisect import bisect_left
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    Stamp = tuple[int, int, int]
    """Of a file: when it was written, in ns, its size, its inode."""

    OnChange = Callable[[list[str]], None]

LOOK_EVERY_S = 0.25
_SETTLE_S = 0.05
_SETTLE_AT_MOST_S = 1.0
_SHARE = 10
"""Looking takes a tenth of the time at most."""

_SUFFIXES = (".py", ".toml", ".html", ".jinja", ".jinja2", ".j2")
_TEMPLATES = "templates"
_SKIPPED = frozenset(("__pycache__", "node_modules", "site-packages", "venv"))
_ENVIRONMENT = "pyvenv.cfg"


class Watched:
    """The files that are watched, and how they were when it was last looked.

    Args:
        roots: the directories of the application.
        more: directories of which all files count.
    """

    def __init__(self, roots: Iterable[Path], more: Iterable[Path] = ()) -> None:
        folders = {path.resolve(): False for path in roots}
        folders.update({path.resolve(): True for path in more})
        self._folders = folders
        self._stamps = self._look()

    @property
    def folders(self) -> list[Path]:
        """The directories, without those that are inside of others."""
        return [path for path in self._folders if not any(other in path.parents for other in self._folders)]

    def changed(self) -> list[str]:
        """Look at all files; give those that are new, gone, or not what they were."""
        stamps, before = self._look(), self._stamps
        self._stamps = stamps
        return sorted(path for path in stamps.keys() | before.keys() if stamps.get(path) != before.get(path))

    def changed_of(self, paths: Iterable[str]) -> list[str]:
        """Look at some files; give those that count, and are new, gone, or not what they were."""
        paths = sorted(set(paths))
        if self._has_directory(paths):
            return self.changed()
        changed = list[str]()
        for path in paths:
            stamp = _stamp(Path(path))
            if self._counts(Path(path)) and stamp != self._stamps.get(path):
                changed.append(path)
                self._stamps.pop(path, None)
                if stamp is not None:
                    self._stamps[path] = stamp
        return changed

    def _has_directory(self, paths: Iterable[str]) -> bool:
        """Tell whether one of them is a directory, or was one with files that count."""
        known = sorted(self._stamps)
        for path in paths:
            below = path + os.sep
            first = bisect_left(known, below)
            if Path(path).is_dir() or (first < len(known) and known[first].startswith(below)):
                return True
        return False

    def _counts(self, path: Path) -> bool:
        for folder, every in self._folders.items():
            if folder in path.parents:
                within = path.relative_to(folder).parts[:-1]
                parents = [folder.joinpath(*within[: depth + 1]) for depth in range(len(within))]
                skipped = any(_is_skipped(parent.name) or (parent / _ENVIRONMENT).exists() for parent in parents)
                if not skipped and _is_watched(path.name, within, every=every):
                    return True
        return False

    def _look(self) -> dict[str, Stamp]:
        stamps: dict[str, Stamp] = {}
        for folder, every in self._folders.items():
            for file, within in _files(str(folder), ()):
                if _is_watched(file.name, within, every=every) and (stamp := _stamp(file)) is not None:
                    stamps[file.path] = stamp
        return stamps


def _files(folder: str, within: tuple[str, ...]) -> Iterator[tuple[os.DirEntry[str], tuple[str, ...]]]:
    """Give the files below a directory, each with the names of the directories in between."""
    try:
        with os.scandir(folder) as found:
            entries = list(found)
    except OSError:  # it is gone, or not ours to see
        return
    if within and any(entry.name == _ENVIRONMENT for entry in entries):
        return
    for entry in entries:
        if not entry.is_dir(follow_symlinks=False):
            yield entry, within
        elif not _is_skipped(entry.name):
            yield from _files(entry.path, (*within, entry.name))


def _is_skipped(folder: str) -> bool:
    return folder in _SKIPPED or folder[:1] == "."


def _is_watched(name: str, within: tuple[str, ...], *, every: bool) -> bool:
    if name == ".env" or name.startswith(".env."):
        return True
    if name[:1] == "." or name[-1:] == "~" or name.endswith((".pyc", ".swp")):  # of editors and interpreters
        return False
    return every or name.endswith(_SUFFIXES) or _TEMPLATES in within


def _stamp(file: Path | os.DirEntry[str]) -> Stamp | None:
    with contextlib.suppress(OSError):
        found = file.stat()
        return found.st_mtime_ns, found.st_size, found.st_ino
    return None


class Watcher:
    """Tells of changes, from a thread of its own, until it is stopped.

    Attributes:
        how: by what it notices them, for people.
    """

    def __init__(self, watched: Watched, on_change: OnChange) -> None:
        self._watched = watched
        self._on_change = on_change
        self._stop = threading.Event()
        version = _watchfiles_version()
        self.how = f"watchfiles {version}" if version else f"looking {1 / LOOK_EVERY_S:.0f} times a second"
        self._watch = self._wait if version else self._look
        self._thread = threading.Thread(target=self._watch, name="ambi-watch", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End it, within half a second."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(1)

    def _look(self) -> None:
        pause_s = LOOK_EVERY_S
        while not self._stop.wait(pause_s):
            began = time.perf_counter()
            changed = self._watched.changed()
            pause_s = max(LOOK_EVERY_S, (time.perf_counter() - began) * _SHARE)
            if changed:
                self._on_change(self._settled(changed))

    def _settled(self, changed: list[str]) -> list[str]:
        """Wait until nothing changes any more, and give all that did."""
        every, until = set(changed), time.monotonic() + _SETTLE_AT_MOST_S
        while time.monotonic() < until and not self._stop.wait(_SETTLE_S):
            more = self._watched.changed()
            if not more:
                break
            every.update(more)
        return sorted(every)

    def _wait(self) -> None:
        from watchfiles import watch

        options: dict[str, Any] = {
            "watch_filter": None, "stop_event": self._stop, "raise_interrupt": False, "ignore_permission_denied": True,
            "step": round(_SETTLE_S * 1000), "debounce": round(_SETTLE_AT_MOST_S * 1000), "rust_timeout": 500,
            "yield_on_timeout": True,
        }  # fmt: skip
        is_first = True
        try:
            for found in watch(*self._watched.folders, **options):
                # What changed before the system began to watch, it does not tell of.
                changed = self._watched.changed() if is_first else self._watched.changed_of(path for _, path in found)
                is_first = False
                if changed:
                    self._on_change(changed)
        except OSError:  # so many directories the system does not watch
            self._look()


def _watchfiles_version() -> str:
    from importlib.metadata import PackageNotFoundError, version
    from importlib.util import find_spec

    try:
        return version("watchfiles") if find_spec("watchfiles") is not None else ""
    except PackageNotFoundError:
        return "of no known version"
