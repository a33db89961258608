"""Static files: a directory below a prefix, and nothing outside of it.

Facts
- A path of a request is taken apart into names, and each is looked at: none begins with a dot, none holds a
  separator, a colon or a control character. So a path cannot climb, whatever the system takes for a separator.
- The directories are walked by descriptor, each opened inside the one before and none through a symbolic link. So
  nobody can put a link in the way between the look and the opening. A link is resolved first, and what it leads to is
  walked in the same way if it is inside: a link that leads out is not there.
- A packed sibling (`app.js.br`) stands for a file only while it is no older than that.
- What has no name of its own for each version is asked for again each time (`no-cache`), which costs a 304.
"""

from __future__ import annotations

import errno
import os
import stat

from ..core.errors import ConfigurationError, HTTPError
from ..core.files import File, answer_for, open_regular, version_of
from ..core.media_types import media_type_of
from ..core.request import Request
from ..core.response import Redirect, Response

TYPE_CHECKING = False
if TYPE_CHECKING:
    import io
    import re
    from collections.abc import Callable, Iterable
    from typing import Any

    from ..core.routing import Router

    Immutable = str | re.Pattern[str] | Callable[[str], bool]

FOREVER = "public, max-age=31536000, immutable"
_CODINGS = {"br": ".br", "zstd": ".zst", "gzip": ".gz"}
_SUFFIXES = tuple(_CODINGS.values())
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_DIRECTORY = _NO_LINK | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_PATH", 0)
_LINK_IN_THE_WAY = (errno.ELOOP, errno.EMLINK, errno.ENOTDIR)
_WALKS = os.open in os.supports_dir_fd and _NO_LINK != 0
"""Whether this system opens relative to a descriptor. Windows does not: there a path is resolved and compared."""

_FORBIDDEN = frozenset("\\/:\x7f").union(map(chr, range(32)))
_DEVICES = frozenset(
    (
        "CON",
        "PRN",
        "AUX",
        "NUL",
        "CONIN$",
        "CONOUT$",
        *(f"{port}{n}" for port in ("COM", "LPT") for n in "0123456789¹²³"),
    )
)


def is_safe_name(name: str, *, windows: bool = os.name == "nt") -> bool:
    """Tell whether a segment of a path may be the name of a file: no dot file, no separator, no device."""
    if not name or name[0] == "." or not _FORBIDDEN.isdisjoint(name):
        return False
    return not windows or (name[-1] not in ". " and name.partition(".")[0].rstrip(" ").upper() not in _DEVICES)


def setup(
    app: Router,
    *,
    prefix: str,
    directory: str | os.PathLike[str],
    index: str | None,
    fallback: str | None,
    cache_control: str | None,
    immutable: Immutable | None,
    precompressed: bool,
    name: str | None,
    middleware: Iterable[Any],
) -> None:
    """Register the routes of a directory: the files below a prefix, and the index at it.

    Arguments and errors as for `App.static`.
    """
    if not prefix.startswith("/") or (prefix.endswith("/") and prefix != "/") or "{" in prefix:
        raise ConfigurationError(f"the prefix {prefix!r} must begin with a slash, not end with one, and be literal")
    files = StaticFiles(
        directory, index=index, fallback=fallback, cache_control=cache_control, immutable=immutable,
        precompressed=precompressed,
    )  # fmt: skip
    below, layers = prefix.rstrip("/") + "/", tuple(middleware)
    app.get(below + "{path:path}", name=name, middleware=layers, openapi=False)(files.static)
    index_name = None if name is None else f"{name}.index"
    app.get(below, name=index_name, middleware=layers, openapi=False)(files.static_index)


class StaticFiles:
    """The files of one directory. Arguments and errors as for `App.static`."""

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        index: str | None,
        fallback: str | None,
        cache_control: str | None,
        immutable: Immutable | None,
        precompressed: bool,
    ) -> None:
        self.directory: str = os.path.abspath(os.fspath(directory))  # noqa: PTH100  # the walk is made of text
        if not os.path.isdir(self.directory):  # noqa: PTH112
            raise ConfigurationError(
                f"the static directory {os.fspath(directory)!r} does not exist (as {self.directory!r});"
                " paths are relative to the working directory: better make them from __file__"
            )
        if index is not None and not is_safe_name(index):
            raise ConfigurationError(f"index is the name of a file in each directory, as 'index.html', not {index!r}")
        self.index = index
        self.fallback = None if fallback is None else self._check_fallback(fallback)
        self.cache_control = cache_control
        self.is_immutable = _matcher(immutable)
        self.precompressed = precompressed

    def _check_fallback(self, fallback: str) -> list[str]:
        names = fallback.split("/")
        if not all(map(is_safe_name, names)) or not os.path.isfile(os.path.join(self.directory, *names)):  # noqa: PTH113, PTH118
            raise ConfigurationError(
                f"the fallback {fallback!r} must be a file in the static directory {self.directory!r}"
            )
        return names

    # --- handlers ---

    def static(self, request: Request, path: str) -> Response:
        """Answer with the file of a path below the prefix, or with the index of a directory."""
        names = path.split("/")
        asks_for_directory = not names[-1]
        if asks_for_directory:
            names.pop()
        if not all(map(is_safe_name, names)):
            raise HTTPError(404)
        if asks_for_directory:
            return self._index(request, names)
        file = self._open(request, names)
        if file is not None:
            return self._respond(request, names, file, self._caching("/".join(names)))
        if self.index is not None and (found := self._open(request, [*names, self.index])) is not None:
            found.close()
            return Redirect(request.reference_beside(slash=True), 308)
        return self._fall_back(request, names[-1])

    def static_index(self, request: Request) -> Response:
        """Answer with the index of the directory itself."""
        return self._index(request, [])

    def _index(self, request: Request, names: list[str]) -> Response:
        if self.index is None:
            return self._fall_back(request, "")
        names = [*names, self.index]
        file = self._open(request, names)
        if file is None:
            return self._fall_back(request, "")
        return self._respond(request, names, file, self._caching("/".join(names)))

    def _fall_back(self, request: Request, name: str) -> Response:
        """Answer with the page that routes by itself, where a page was asked for: not for a script that is missing.

        Raises:
            HTTPError: 404.
        """
        if self.fallback is None or not request.accepts("text/html"):
            raise HTTPError(404)
        if "." in name and "text/html" not in request.headers.get("accept", "").lower():
            raise HTTPError(404)
        file = self._open(request, self.fallback)
        if file is None:
            raise HTTPError(404)
        response = self._respond(request, self.fallback, file, "no-cache")
        response.headers.add_vary("Accept")
        return response

    # --- answers ---

    def _caching(self, path: str) -> str | None:
        return FOREVER if self.is_immutable(path) else self.cache_control

    def _respond(self, request: Request, names: list[str], file: io.FileIO, cache_control: str | None) -> Response:
        """Make the response of an open file, or of the packed one that stands for it."""
        headers = {} if cache_control is None else {"cache-control": cache_control}
        etag: str | None = None
        if self.precompressed and not names[-1].endswith(_SUFFIXES):
            headers["vary"] = "Accept-Encoding"
            coding, file = self._choose_coding(request, names, file)
            if coding:
                headers["content-encoding"] = coding
                etag = f"{version_of(os.fstat(file.fileno()))}-{coding}"
        return File(file, content_type=media_type_of(names[-1]), etag=etag, headers=headers)

    def _choose_coding(self, request: Request, names: list[str], file: io.FileIO) -> tuple[str, io.FileIO]:
        """Give the packed file that the client likes best, with its coding; else the file itself, with "".

        Raises:
            HTTPError, OSError: as `_open` does; the file is closed then.
        """
        offers = list(_CODINGS)
        try:
            while offers and (coding := request.accepts_encoding(*offers)) != "identity":
                packed = self._open(request, [*names[:-1], names[-1] + _CODINGS[coding]])
                if packed is not None:
                    if os.fstat(packed.fileno()).st_mtime_ns >= os.fstat(file.fileno()).st_mtime_ns:
                        file.close()
                        return coding, packed
                    packed.close()
                offers.remove(coding)
        except BaseException:
            file.close()
            raise
        return "", file

    # --- opening ---

    def _open(self, request: Request, names: list[str]) -> io.FileIO | None:
        """Open a regular file inside the directory; None when there is none.

        Raises:
            OSError: what has nothing to do with this file, such as too many open ones.
        """
        try:
            if not _WALKS:
                return self._open_resolved(names)
            try:
                return self._walk(names)
            except OSError as exc:
                if exc.errno not in _LINK_IN_THE_WAY:
                    raise
            resolved = self._resolve(names)
            return None if resolved is None else self._walk(resolved)
        except OSError as exc:
            answer_for(request, exc)
            return None

    def _walk(self, names: list[str]) -> io.FileIO | None:
        """Open a file by its names, one inside the other, through no symbolic link."""
        folder = os.open(self.directory, _DIRECTORY & ~_NO_LINK)
        try:
            for name in names[:-1]:
                inner = os.open(name, _DIRECTORY, dir_fd=folder)
                os.close(folder)
                folder = inner
            return open_regular(names[-1], folder=folder, flags=_NO_LINK)
        finally:
            os.close(folder)

    def _resolve(self, names: list[str]) -> list[str] | None:
        """Give the names behind all symbolic links; None when one of those leads out, or to a dot file.

        Raises:
            OSError: one of the names is not there.
        """
        path = root = os.path.realpath(self.directory)
        below = os.path.join(root, "")  # noqa: PTH118
        for name in names:
            path = os.path.join(path, name)  # noqa: PTH118
            if stat.S_ISLNK(os.lstat(path).st_mode):
                path = os.path.realpath(path)
                if path != root and not path.startswith(below):
                    return None
        resolved = path[len(below) :].split(os.sep)  # noqa: PTH206
        return resolved if all(map(is_safe_name, resolved)) else None

    def _open_resolved(self, names: list[str]) -> io.FileIO | None:
        resolved = self._resolve(names)
        path = os.path.join(self.directory, *resolved or ())  # noqa: PTH118
        return open_regular(path) if os.path.isfile(path) else None  # noqa: PTH113  # Windows opens no directory


def _matcher(immutable: Immutable | None) -> Callable[[str], Any]:
    """Make the test for names that change with what is in the file."""
    if immutable is None:
        return _never
    if callable(immutable):
        return immutable
    import re  # only where there is a pattern

    try:
        return re.compile(immutable).search
    except re.error as exc:
        raise ConfigurationError(f"immutable is a regular expression or a function, not {immutable!r}: {exc}") from None


def _never(path: str) -> bool:
    return False
