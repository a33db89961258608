"""Forms: `application/x-www-form-urlencoded` and `multipart/form-data`, and the files in them.

The push parser is `multipart`'s; this module feeds it what `delimiters.py` gives on, checks what it lets pass, and
keeps the parts: text in memory, files in memory up to `Limits.spool_bytes` and on disk beyond.

Facts
- `multipart` accepts CR and NUL in names, two Content-Disposition lines and two boundaries: checked here on top.
- Header values need not be UTF-8, and `multipart` refuses what is not in its charset: it is told latin-1, which
  every byte is in, and the values are decoded here.
- A part may claim a charset; text is UTF-8 whatever it claims (RFC 7578 5.1.2, WHATWG HTML 4.10.21.8).
- Content-Transfer-Encoding is retired (RFC 7578 4.7): bytes are taken as sent.
- A file name is untrusted text. Nothing here ever uses it as a path.
"""

from __future__ import annotations

import io
from typing import cast

from .delimiters import DelimiterFilter
from .errors import HTTPError
from .headers import Headers, parse_parameters
from .multidict import MultiDict

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Iterable
    from typing import BinaryIO

    from .limits import Limits

_WRITE_BYTES = 256 * 1024
_BOUNDARY_CHARS = frozenset("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'()+_,-./:=? !#$%&*^`|~")
"""Those of RFC 2046 5.1.1, and those of any token, as which clients write it (WebTest's ends with a dollar sign)."""


class UploadFile:
    """One file of a form. It is closed, and its bytes are gone, when the request ends.

    Attributes:
        filename: as the client wrote it: untrusted text, never a path to open.
        content_type: as the client wrote it, "application/octet-stream" where it wrote none.
        size: bytes received.
        headers: the header fields of the part.
    """

    __slots__ = ("_file", "content_type", "filename", "headers", "size")

    def __init__(self, filename: str, headers: Headers) -> None:
        self.filename = filename
        self.headers = headers
        self.content_type = headers.get("content-type", "application/octet-stream")
        self.size = 0
        self._file: BinaryIO = io.BytesIO()

    def read(self, size: int = -1) -> bytes:
        """Give up to `size` bytes from where the last read ended; all of them by default.

        Blocks for the time of a disk read when the file is larger than `Limits.spool_bytes`.
        """
        return self._file.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position, as `io.IOBase.seek`."""
        return self._file.seek(offset, whence)

    @property
    def file(self) -> BinaryIO:
        """The open binary file, for libraries that want one."""
        return self._file

    def save_to(self, path: str | os.PathLike[str]) -> None:
        """Write the file to `path`, whole, whatever was read of it before.

        Blocks. `path` is the application's choice: never build it from `filename`.

        Raises:
            FileExistsError: there is a file already; an upload never overwrites one silently.
        """
        self._file.seek(0)
        with open(path, "xb") as target:  # noqa: PTH123  # what `open` takes, a PathLike among it
            while chunk := self._file.read(1 << 20):
                target.write(chunk)

    def close(self) -> None:
        """Close the file; done by the framework when the request ends."""
        self._file.close()

    def _spool(self) -> None:
        """Move the file from memory to disk; the directory entry is gone at once, so a crash leaves nothing."""
        import tempfile  # loaded with the first large upload

        self._file.seek(0)
        begun = self._file.read()
        # Open as long as the request lasts; `close` is called when that ends.
        self._file = cast("BinaryIO", tempfile.TemporaryFile(buffering=0))  # noqa: SIM115
        _write_all(self._file, begun)

    def __repr__(self) -> str:
        return f"UploadFile({self.filename!r}, {self.content_type!r}, {self.size} bytes)"


def _write_all(file: BinaryIO, data: bytes) -> None:
    """Write all of it: an unbuffered file may take less, on a disk that is almost full for example."""
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]


class Form(MultiDict["str | UploadFile"]):
    """The fields and files of a form, in order. `form["name"]` is the first value of that name.

    It holds what was sent: for a file field in which nothing was chosen, browsers send a file without a name and
    without a byte.
    """

    __slots__ = ()

    def field(self, name: str) -> str:
        """Give a text field.

        Raises:
            HTTPError: 400 when it is missing or is a file.
        """
        value = self.get(name)
        if not isinstance(value, str):
            raise HTTPError(400, f"the form has no text field {name!r}")
        return value

    def file(self, name: str) -> UploadFile:
        """Give a file.

        Raises:
            HTTPError: 400 when it is missing or is text.
        """
        value = self.get(name)
        if not isinstance(value, UploadFile):
            raise HTTPError(400, f"the form has no file {name!r}")
        return value

    def close(self) -> None:
        """Close all files."""
        for _, value in self.pairs():
            if isinstance(value, UploadFile):
                value.close()


def boundary_of(content_type: str) -> str:
    """Give the boundary of a multipart content type.

    Raises:
        HTTPError: 400 when there is none, more than one, or one of other characters than RFC 2046 5.1.1 or a token has.
    """
    boundaries = [value for name, value in parse_parameters(content_type)[1] if name == "boundary"]
    if len(boundaries) != 1:
        raise HTTPError(400, "multipart/form-data needs exactly one boundary parameter")
    boundary = boundaries[0]
    if not 0 < len(boundary) <= 70 or boundary[-1] == " " or not _BOUNDARY_CHARS.issuperset(boundary):
        raise HTTPError(
            400, "the boundary of the form is longer than 70 characters, or has some that RFC 2046 does not allow"
        )
    return boundary


class MultipartReader:
    """Take the chunks of a multipart body and make a form of them.

    Files past `Limits.spool_bytes` collect bytes in memory until `wants_to_write`, then `write` puts them on disk;
    the caller runs that where blocking harms nobody.

    Raises:
        HTTPError: 400 for a malformed body, 413 past a limit.
    """

    def __init__(self, boundary: str, limits: Limits) -> None:
        from .push_parser import PushMultipartParser  # loaded with the first form

        self._limits = limits
        self._delimiters = DelimiterFilter(boundary, limits)
        self._parser = PushMultipartParser(
            self._delimiters.boundary,
            max_header_size=limits.max_part_header_bytes,
            max_header_count=limits.max_part_headers,
            header_charset="latin-1",
            strict=True,
        )
        self._pairs: list[tuple[str, str | UploadFile]] = []
        self._name = ""
        self._file: UploadFile | None = None
        self._text: list[bytes] = []
        self._field_bytes = self._fields_bytes = self._files = self._fields = 0
        self._unwritten: list[tuple[UploadFile, bytes]] = []
        self._unwritten_bytes = 0

    @property
    def wants_to_write(self) -> bool:
        """Whether enough bytes wait for `write` to be worth it."""
        return self._unwritten_bytes >= _WRITE_BYTES

    @property
    def has_unwritten(self) -> bool:
        """Whether `write` has anything to do."""
        return self._unwritten_bytes > 0

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the body."""
        self._parse(self._delimiters.feed(chunk))

    def _parse(self, pieces: Iterable[bytes]) -> None:
        from .push_parser import MultipartError

        try:
            for piece in pieces:
                for event in self._parser.parse(piece):
                    if event is None:
                        self._end_part()
                    elif isinstance(event, (bytes, bytearray)):
                        self._take(bytes(event))
                    else:
                        self._begin_part(event.headerlist)
        except MultipartError as exc:
            raise HTTPError(400, "the multipart body is malformed") from exc

    def _begin_part(self, headers: list[tuple[str, str]]) -> None:
        pairs = [(name.lower(), value.encode("latin-1").decode("utf-8", "replace")) for name, value in headers]
        fields = Headers(pairs)
        dispositions = [value for name, value in pairs if name == "content-disposition"]
        if len(dispositions) != 1:
            raise HTTPError(400, "a part of the form needs exactly one Content-Disposition")
        kind, parameters = parse_parameters(dispositions[0], escapable='"\\')
        names = [value for name, value in parameters if name == "name"]
        filenames = [value for name, value in parameters if name == "filename"]
        if kind.lower() != "form-data" or len(names) != 1 or len(filenames) > 1:
            raise HTTPError(400, "a part of the form needs one name and at most one filename")
        self._name = _clean_name(names[0])
        if filenames:
            self._files += 1
            self._file = UploadFile(_clean_name(filenames[0]), fields)
            self._pairs.append((self._name, self._file))
        else:
            self._fields += 1
            self._file = None
        self._check_counts()

    def _check_counts(self) -> None:
        limits = self._limits
        if self._files > limits.max_form_files:
            raise HTTPError(413, f"the form has more than {limits.max_form_files} files")
        if self._fields > limits.max_form_fields:
            raise HTTPError(413, f"the form has more than {limits.max_form_fields} fields")
        if self._files + self._fields > limits.max_form_parts:
            raise HTTPError(413, f"the form has more than {limits.max_form_parts} parts")

    def _take(self, data: bytes) -> None:
        file = self._file
        if file is None:
            self._field_bytes += len(data)
            self._fields_bytes += len(data)
            _check_sizes(self._field_bytes, self._fields_bytes, self._limits)
            self._text.append(data)
            return
        file.size += len(data)
        if file.size > self._limits.spool_bytes:
            self._unwritten.append((file, data))
            self._unwritten_bytes += len(data)
        else:
            file.file.write(data)

    def _end_part(self) -> None:
        if self._file is None:
            self._pairs.append((self._name, b"".join(self._text).decode("utf-8", "replace")))
            self._text.clear()
            self._field_bytes = 0
        self._file = None

    def write(self) -> None:
        """Put what waits on disk. Blocks."""
        for file, data in self._unwritten:
            if isinstance(file.file, io.BytesIO):
                file._spool()
            _write_all(file.file, data)
        self._unwritten.clear()
        self._unwritten_bytes = 0

    def finish(self) -> Form:
        """Make the form; the body has ended. `write` must have nothing left to do."""
        self._parse((self._delimiters.finish(),))  # nothing at all is how the parser is told of the end
        for _, value in self._pairs:
            if isinstance(value, UploadFile):
                value.seek(0)
        return Form(self._pairs)

    def close(self) -> None:
        """Close all files; the body was refused."""
        Form(self._pairs).close()


def check_field_sizes(body: bytes, limits: Limits) -> None:
    """See that no field of a urlencoded form is larger than one may be, nor all of them together; as they were sent.

    Raises:
        HTTPError: 413.
    """
    _check_sizes(0, len(body), limits)
    if body.count(b"&") < limits.max_form_fields:  # more are refused before they are looked at
        sizes = [len(text) for field in body.split(b"&") for text in field.split(b"=", 1)]
        _check_sizes(max(sizes), len(body), limits)


def _check_sizes(field_bytes: int, fields_bytes: int, limits: Limits) -> None:
    if field_bytes > limits.max_field_bytes:
        raise HTTPError(413, f"a field of the form is larger than {limits.max_field_bytes} bytes")
    if fields_bytes > limits.max_fields_bytes:
        raise HTTPError(413, f"the fields of the form are larger than {limits.max_fields_bytes} bytes")


def _clean_name(name: str) -> str:
    """Give a name with the quotes that browsers write as %22; what stands before those escapes nothing.

    Raises:
        HTTPError: 400 for a name that could end a line or a string elsewhere.
    """
    if any(c in "\r\n\0" for c in name):
        raise HTTPError(400, "a name in the form holds a line break or NUL")
    return name.replace("%22", '"')
