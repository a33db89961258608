"""Files as responses: one range of them, conditions, and the header fields that name and date them.

A `File` is opened when the handler has returned it, on the side where blocking is right; so the middlewares see the
status and the header fields that are sent: 200, 206 or 304, or the error of a file that is not there.

Facts
- What is sent is what was opened: size, date and tag are asked of the descriptor, never of the name again.
- A name may lead to a pipe or a device. Opening a pipe without a writer would wait for ever, so it is opened without
  waiting, and only regular files are sent.
- A file may be cut or grow while it is sent. Never more than its Content-Length is sent; less raises, so that the
  server drops the connection instead of letting the client wait for the rest.
- Small files are read at once and sent as bytes: that is cheaper than any way to hand over a file.
"""

from __future__ import annotations

import errno
import io
import os
import stat
import time

from .cookies import http_date
from .errors import HTTPError
from .headers import check_value
from .log import log_unreadable
from .media_types import media_type_of
from .preconditions import evaluate, holds_if_range, refused, validators
from .response import Response, check_status
from .url import percent_encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from typing import Any, BinaryIO

    from .request import Request

CHUNK_BYTES = 256 * 1024
SMALL_BYTES = 64 * 1024
_ATTR_CHARS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$&+-.^_`|~")
_UNFIT_FOR_QUOTES = frozenset('"\\%/')
_FLAGS = sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOCTTY", "O_BINARY"))
_MISSING = (
    errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EMLINK, errno.ENXIO,
    errno.EINVAL,
)  # fmt: skip
_NO_DATE_BEFORE_NS = 315_619_200 * 10**9
"""2 January 1980. Archives and builds that are to be the same each time date their files 1970 or 1980: such a date
does not tell two versions apart."""


class File(Response):
    """A file as the answer: with conditions, one range, and an entity tag and a date made of what it is.

    A file that does not exist, or is no regular file, is a 404. One that must not be read is a 404 too, and a warning
    in the log. Conditions that do not hold are a 412 or 304, a range outside of the file a 416. Whoever takes a path
    from a request must check it, this class does not: `App.static` serves what is below a directory and nothing else.

    Args:
        source: a path; or a binary file that can seek, of which all is sent and which is closed afterwards.
        filename: the name that the client saves it under, in any script. By itself it is still shown in the page.
        attachment: the client saves the file instead of showing it.
        content_type: by the extension of the name, if it is not given; text is UTF-8.
        etag: instead of one made of size and time of modification, which holds for files that are replaced, and for
            those that are not written to twice within a tick of the file system's clock. `W/"..."` is a weak one.
        last_modified: instead of the file's own; aware, or in seconds since the epoch. One to come is sent as now.
        status: conditions and ranges are heeded with 200 alone.
        headers: field name -> value.

    Raises:
        ValueError: a name, tag or header field that cannot be sent, or a date without a time zone.
        TypeError: the source is a text file, or cannot seek.

    Example:
        >>> @app.get("/report")
        ... def report():
        ...     return File("report.pdf", filename="Übersicht.pdf", attachment=True)

    See: RFC 9110 13 and 14; RFC 6266.
    """

    __slots__ = ("_source", "is_open")

    def __init__(
        self,
        source: str | os.PathLike[str] | BinaryIO,
        *,
        filename: str | None = None,
        attachment: bool = False,
        content_type: str | None = None,
        etag: str | None = None,
        last_modified: datetime | float | None = None,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.is_open = False
        self.status = check_status(status)
        self._cookies = None
        self.body = ()
        self._source = source if isinstance(source, (str, os.PathLike)) else _check_file(source)
        name = filename or _name_of(source)
        self._pairs = [("content-type", media_type_of(name) if content_type is None else check_value(content_type))]
        if filename is not None or attachment:
            self._pairs.append(("content-disposition", content_disposition(name, attachment=attachment)))
        self._pairs += validators(etag, last_modified)
        if headers:
            self.headers.update(headers)

    def open(self, request: Request) -> File:
        """Open the file and decide what of it is sent; the `File` itself stays as it is, for the next request.

        Raises:
            HTTPError: 404, 412, 416.
        """
        from copy import copy  # which loads what an application without files does not need

        opened = copy(self)
        opened.is_open = True
        file, path = self._source, None
        if isinstance(file, (str, os.PathLike)):
            path = os.fspath(file)
            file = _open_named(request, path)
        elif file.closed:
            raise RuntimeError(f"a File of an open file is sent once, and this one is closed: {file!r:.80}")
        try:
            opened._answer(request, file, path)
        except BaseException:
            file.close()
            raise
        if not isinstance(opened.body, FileBody):
            file.close()
        return opened

    def _answer(self, request: Request, file: BinaryIO, path: str | None) -> None:
        """Set header fields, status and body for this request."""
        now = time.time()
        size = file.seek(0, os.SEEK_END)
        self._pairs = [pair for pair in self._pairs if pair[0] not in ("content-length", "content-range")]
        self._date(file, now)
        offset, length = 0, size
        if self.status == 200 and request.method in ("GET", "HEAD"):
            offset, length = self._heed(request, size, now)
        if self.status == 304:
            self.body = b""
            return
        self._pairs.append(("content-length", str(length)))
        if request.method == "HEAD":
            return  # the body stays one of which nobody knows the length, so that the field above is sent
        body = FileBody(file, offset, length, path if length == size else None)
        self.body = b"".join(body) if length <= SMALL_BYTES else body

    def _date(self, file: BinaryIO, now: float) -> None:
        """Add the entity tag and the date, where the application has set none."""
        fields = {name for name, _ in self._pairs}
        raw = _raw_of(file)
        if raw is None:
            return
        status = os.fstat(raw.fileno())
        if "etag" not in fields:
            self._pairs.append(("etag", f'"{version_of(status)}"'))
        if status.st_mtime_ns >= _NO_DATE_BEFORE_NS and "last-modified" not in fields:
            # Never later than the Date of the answer; RFC 9110 8.8.2.1.
            self._pairs.append(("last-modified", http_date(min(status.st_mtime_ns // 10**9, now))))

    def _heed(self, request: Request, size: int, now: float) -> tuple[int, int]:
        """Evaluate the conditions and the range; give the offset and the length of what is sent.

        Raises:
            HTTPError: 412, 416.
        """
        fields = dict(self._pairs)
        etag, modified = fields.get("etag", ""), fields.get("last-modified", "")
        status = evaluate(request, etag, modified)
        if status == 412:
            raise refused()
        if status == 304:
            self.status = 304
            self._pairs = [pair for pair in self._pairs if pair[0] not in ("content-disposition", "content-encoding")]
            return 0, 0
        self._pairs.append(("accept-ranges", "bytes"))
        asked = request.range if request.method == "GET" else None  # it means nothing elsewhere; RFC 9110 14.2
        if asked is None or not holds_if_range(request.headers.get("if-range", ""), etag, modified, now):
            return 0, size
        part = asked.within(size)
        if part is None:
            raise HTTPError(416, "the range is outside of the file", headers={"content-range": f"bytes */{size}"})
        offset, length = part
        if length:
            self.status = 206
            self._pairs.append(("content-range", f"bytes {offset}-{offset + length - 1}/{size}"))
        return part


class FileBody:
    """A part of an open file as the body of a response; gateways know it, and may have the server send it.

    Attributes:
        file: open, at any position.
        offset, length: of what is sent.
        path: where the whole of this file can be opened once more; None where it cannot, or must not.
    """

    __slots__ = ("_left", "file", "length", "offset", "path")

    def __init__(self, file: BinaryIO, offset: int, length: int, path: str | None = None) -> None:
        file.seek(offset)
        self.file = file
        self.offset = offset
        self.length = self._left = length
        self.path = None if path is None else os.path.abspath(path)  # noqa: PTH100  # it is text that servers want

    @property
    def is_sendable(self) -> bool:
        """Whether others may send it by its descriptor: there is one, and no buffer above it."""
        return isinstance(self.file, io.FileIO)

    def read(self, size: int = CHUNK_BYTES) -> bytes:
        """Give the next bytes, b"" at the end of the part.

        Raises:
            RuntimeError: the file has become shorter, or this body was sent before.
        """
        if self.file.closed:
            raise RuntimeError("a File is sent once: make one for each response")
        wanted = self._left if size < 0 else min(size, self._left)
        if not wanted:
            return b""
        data = self.file.read(wanted)
        if not data:
            raise RuntimeError(f"the file became shorter while it was sent: {self._left} bytes are missing")
        self._left -= len(data)
        return data

    def check_length(self) -> None:
        """See whether all of the part is still there, when someone else has sent it by its descriptor.

        Raises:
            RuntimeError: it is not.
        """
        missing = self.offset + self.length - os.fstat(self.file.fileno()).st_size
        if missing > 0:
            raise RuntimeError(f"the file became shorter while it was sent: {missing} bytes are missing")

    def __iter__(self) -> FileBody:
        return self

    def __next__(self) -> bytes:
        data = self.read()
        if not data:
            raise StopIteration
        return data

    def close(self) -> None:
        """Close the file. Idempotent."""
        self.file.close()


def open_regular(path: str, *, folder: int | None = None, flags: int = 0) -> io.FileIO | None:
    """Open a regular file for reading, without waiting; None for what is something else.

    Args:
        folder: the descriptor of the directory that the path is relative to.
        flags: further ones for `os.open`.

    Raises:
        OSError: as `os.open` does; `answer_for` knows what to do with it.
    """
    try:
        descriptor = os.open(path, _FLAGS | flags, dir_fd=folder)
    except ValueError:  # a NUL, or a character that no file name has
        return None
    try:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return io.FileIO(descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def answer_for(request: Request, error: OSError) -> HTTPError:
    """Give the 404 of a file that could not be opened; raise the error again when it is no matter of that file."""
    if isinstance(error, PermissionError):
        log_unreadable(request, error)
    elif error.errno not in _MISSING:
        raise error
    return HTTPError(404)


def version_of(status: os.stat_result) -> str:
    """Give what tells two versions of a file apart; an entity tag without its quotes."""
    is_dated = status.st_mtime_ns >= _NO_DATE_BEFORE_NS
    return f"{status.st_size:x}-{status.st_mtime_ns if is_dated else status.st_ctime_ns:x}"


def _open_named(request: Request, path: str) -> io.FileIO:
    """Open what a `File` names. Raises: HTTPError 404."""
    try:
        file = open_regular(path)
    except OSError as exc:
        raise answer_for(request, exc) from None
    if file is None:
        raise HTTPError(404)
    return file


def _raw_of(file: BinaryIO | io.FileIO) -> io.FileIO | None:
    raw = getattr(file, "raw", file)
    return raw if isinstance(raw, io.FileIO) else None


def _check_file(file: Any) -> BinaryIO:
    if isinstance(file, io.TextIOBase) or not (hasattr(file, "read") and hasattr(file, "seek") and file.seekable()):
        raise TypeError(f"File takes a path, or a file open for reading bytes that can seek; not {file!r:.80}")
    found: BinaryIO = file
    return found


def _name_of(source: Any) -> str:
    """Give the name of a file without its directories; "" where it has none."""
    name: str | os.PathLike[str] = getattr(source, "name", source)
    try:
        path = os.fspath(name)
    except TypeError:  # a file in memory, or one that was opened by its descriptor
        return ""
    return os.path.basename(path) if isinstance(path, str) else ""  # noqa: PTH119  # it is text that is wanted


# --- header fields ---


def content_disposition(filename: str, *, attachment: bool) -> str:
    """Write a Content-Disposition: the name in ASCII for all clients, and beside it as it is where that differs.

    In the first one, characters that clients read differently are replaced by "_".

    Raises:
        ValueError: the name holds a control character.

    See: RFC 6266 4.3 and its appendix D; RFC 8187 3.2.
    """
    kind = "attachment" if attachment else "inline"
    if not filename:
        return kind
    if any(c < " " or "\x7f" <= c < "\xa0" for c in filename):
        raise ValueError(f"the file name {filename!r:.80} holds a control character")
    plain = "".join("_" if c in _UNFIT_FOR_QUOTES or not c.isascii() else c for c in filename)
    if plain == filename:
        return f'{kind}; filename="{plain}"'
    encoded = percent_encode(filename.encode("utf-8", "replace").decode(), _ATTR_CHARS)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{encoded}"
