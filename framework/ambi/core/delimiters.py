"""The delimiters of a multipart body: found as RFC 2046 says, and written anew for the push parser.

The parser takes CRLF "--" boundary wherever it stands for a delimiter, and fails when the line goes on.
`DelimiterFilter` stands before it: it finds the real delimiters in one forward pass and gives the body on with
a boundary of its own, which nobody can put into the content. Nothing but the delimiters and the names of odd
header lines is changed.

Facts
- A delimiter is a line of its own: "--", the boundary, "--" too if it is the last, "optional linear whitespace,
  and a terminating CRLF" (RFC 2046 5.1.1). A note there lets a reader compare only the start of a line, as
  content must not have such lines; but some composers do not look, and it would cut their content. Here the
  whole line counts.
- "Receivers MUST be able to handle padding added by message transports" (5.1.1, transport-padding).
- "The CRLF preceding the boundary delimiter line is conceptually attached to the boundary" (5.1.1).
- A part is headers, and perhaps CRLF and content (5.1.1, body-part): if a delimiter follows the blank line at
  once, the CRLF of that line is its own, and there is no content.
- "Implementations must ignore anything that appears before the first boundary delimiter line or after the last
  one" (5.1.1): ignored here up to the size of a header section.
- A header name is a token (RFC 9110 5.6.2). The parser takes letters, digits, "-" and "_" only.
- `bytes.find` skips ahead by up to the length of what it looks for, and less far from bytes that occur in it:
  the parser searches fastest for a boundary that is long and made of few characters, rare in any content.
"""

from __future__ import annotations

import os
import re

from .errors import HTTPError
from .headers import TOKEN_CHARS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .limits import Limits

_BOUNDARY_BITS = 240
_BOUNDARY_CHARS = bytes.maketrans(b"01", b"_=")
_MAX_PADDING = 256
# What stands behind the dash-boundary of a delimiter, or may yet become that. Groups: its end; too much padding.
_LINE_END = re.compile(rb"(?:--)?[ \t]{0,%d}+(?:(\r\n)|([ \t])|\r?\Z)|-\Z" % _MAX_PADDING)
_TOKEN = "".join(TOKEN_CHARS).encode()
_TO_HYPHEN = bytes.maketrans(b"!#$%&'*+.^`|~", b"-" * 13)
_USUAL_NAMES = frozenset((b"Content-Disposition", b"Content-Type"))
_NAMES_WITH_MEANING = frozenset((b"content-disposition", b"content-length", b"content-type"))


class DelimiterFilter:
    """Take the chunks of a multipart body, and give those of the same body with another boundary.

    It holds back what may be the start of a delimiter, and a header section until it is complete.

    Attributes:
        boundary: that of the body given on; random, so that nobody can put it into the content.

    Raises:
        HTTPError: 400, from `feed` and `finish`.
    """

    __slots__ = (
        "_buffer",
        "_delimiter",
        "_given_on",
        "_ignored",
        "_max_section",
        "_position",
        "_searched",
        "_skip",
        "_step",
        "boundary",
    )

    def __init__(self, boundary: str, limits: Limits) -> None:
        number = int.from_bytes(os.urandom(_BOUNDARY_BITS // 8))
        self.boundary = f"{number:0{_BOUNDARY_BITS}b}".encode().translate(_BOUNDARY_CHARS)
        self._given_on = b"\r\n--" + self.boundary
        self._delimiter = f"\r\n--{boundary}".encode()
        self._max_section = limits.max_part_headers * (limits.max_part_header_bytes + len(b"\r\n"))
        self._ignored = 0  # bytes of preamble and epilogue
        self._buffer = b""
        self._position = 0  # up to here the buffer is done with
        self._searched = 0  # up to here it came with earlier chunks
        self._skip = 0  # bytes from the position on that may begin a delimiter, but are no content
        self._step: Callable[[DelimiterFilter], bytes | None] = DelimiterFilter._preamble

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Take the next bytes of the body, and give what is certain of the body to give on."""
        self._searched = len(self._buffer)
        self._buffer += chunk
        while (piece := self._step(self)) is not None:
            if piece:
                yield piece
        self._buffer = self._buffer[self._position :]
        self._position = 0

    def finish(self) -> bytes:
        """Give the rest; the body has ended."""
        if self._step in (DelimiterFilter._preamble, DelimiterFilter._content):
            line = self._buffer.removeprefix(b"\r\n")
            if line.rstrip(b" \t") == self._delimiter[2:] + b"--":
                return self._close_delimiter()
        if self._step != DelimiterFilter._epilogue:
            raise HTTPError(400, "the multipart body is incomplete")
        return b""

    # Each step does what can be done with the buffer from the position on. It gives bytes, perhaps none, when
    # there may be more to do, and None when it needs the next chunk.

    def _preamble(self) -> bytes | None:
        """Ignore what stands before the first delimiter.

        The first dash-boundary must be that of a delimiter: if it was passed over, so would be the part behind.
        """
        buffer, delimiter = self._buffer, self._delimiter
        dashes = buffer.find(delimiter[2:])
        if dashes < 0:  # keep what a delimiter that goes on in the next chunk may have begun with
            self._ignore_up_to(max(0, len(buffer) - len(delimiter) + 1))
            return None
        behind = dashes + len(delimiter) - 2
        # With so much kept, only at the start of the body is there no room for its CRLF, nor need for it.
        at_line_start = dashes == 0 or buffer.startswith(delimiter, dashes - 2)
        end = self._line_end(behind) if at_line_start else 0
        if end == 0:
            raise HTTPError(400, "what looks like the first delimiter of the multipart body is none")
        self._ignore_up_to(max(0, dashes - 2))
        if end is None:
            return None
        self._pass_delimiter(behind, end)
        return b""

    def _header_section(self) -> bytes | None:
        """Give the delimiter and the headers of a part. The position is at the CRLF of the delimiter line."""
        buffer, start = self._buffer, self._position
        end = buffer.find(b"\r\n\r\n", max(start, self._searched - 3))
        if (len(buffer) - 3 if end < 0 else end) - start > self._max_section:
            raise HTTPError(400, f"the header section of a part is longer than {self._max_section} bytes")
        if end < 0:
            return None
        lines = [self._header_line(line) for line in buffer[start:end].split(b"\r\n")[1:]]
        self._position = end + 2
        self._skip = 2  # the CRLF of the blank line is that of a delimiter, if one follows at once
        self._step = DelimiterFilter._content
        return b"\r\n".join([self._given_on, *lines, b"", b""])

    def _header_line(self, line: bytes) -> bytes:
        """Give the line with a name that the parser takes."""
        name, colon, value = line.partition(b":")
        if not (colon and name) or name.translate(None, _TOKEN) or value.translate(None, b"\r\n\0") != value:
            raise HTTPError(400, "a header line of a part is malformed")
        if name in _USUAL_NAMES:
            return line
        start, dashes, rest = line.partition(self._delimiter[2:])  # a boundary may hold a colon
        if dashes and not start and not rest.removeprefix(b"--").strip(b" \t"):
            raise HTTPError(400, "there is a delimiter in the header section of a part")
        taken = name.translate(_TO_HYPHEN)
        if taken != name and taken.lower() in _NAMES_WITH_MEANING:
            raise HTTPError(400, "a header name of a part is too like another")
        return taken + b":" + value

    def _content(self) -> bytes | None:
        """Give content up to the next delimiter, or as far as it is certain to be content."""
        buffer, delimiter = self._buffer, self._delimiter
        behind = self._position
        while (found := buffer.find(delimiter, behind)) >= 0:
            behind = found + len(delimiter)
            end = self._line_end(behind)
            if end is None:
                return self._content_up_to(found) or None
            if end:
                piece = self._content_up_to(found)
                self._pass_delimiter(behind, end)
                return piece
        start = buffer.rfind(b"\r", max(behind, len(buffer) - len(delimiter) + 1))
        begun = start >= 0 and delimiter.startswith(buffer[start:])
        return self._content_up_to(start if begun else len(buffer)) or None

    def _content_up_to(self, end: int) -> bytes:
        start = self._position
        if end > start:
            start += self._skip
            self._skip = 0
        self._position = end
        return self._buffer[start:end]

    def _close_delimiter(self) -> bytes:
        self._step = DelimiterFilter._epilogue
        return self._given_on + b"--"

    def _epilogue(self) -> None:
        self._ignore_up_to(len(self._buffer))

    def _line_end(self, position: int) -> int | None:
        """Give where the line ends whose dash-boundary ends at `position`.

        Returns:
            The index behind its CRLF; 0 if it is no delimiter; None if the bytes so far do not tell.
        """
        line_end = _LINE_END.match(self._buffer, position)
        if line_end is None:
            return 0
        if line_end[2]:
            raise HTTPError(400, f"a delimiter has more than {_MAX_PADDING} bytes of padding")
        return line_end.end() if line_end[1] else None

    def _pass_delimiter(self, behind: int, end: int) -> None:
        """Go on behind a delimiter line, given where its dash-boundary and the line end."""
        if self._buffer.startswith(b"--", behind):
            self._position = end
            self._step = DelimiterFilter._close_delimiter
        else:
            self._position = end - 2
            self._step = DelimiterFilter._header_section

    def _ignore_up_to(self, end: int) -> None:
        self._ignored += end - self._position
        self._position = end
        if self._ignored > self._max_section:
            raise HTTPError(400, f"the form has more than {self._max_section} bytes outside its parts")
