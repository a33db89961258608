"""The head of a request, read strictly: what two readers could take for two things is refused.

Facts
- Who reads a head leniently finds other ends of requests than a proxy before it does, and takes the body of one for
  the next. A page of another site may send bodies, so this concerns a server on the own machine as well.
- The parser of the standard library is that of mails: it ends a head at a line that it does not know, and a line at a
  bare CR.
- See: RFC 9112 2.2 to 6.3, 9.3.
"""

from __future__ import annotations

import re
from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from io import BufferedIOBase

LINE_BYTES = 65536
_HEAD_BYTES = 2 * LINE_BYTES
_MAX_FIELDS = 200
"""Above the limits of an application, which answers for itself."""
_EMPTY_LINES = 4
_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_REQUEST_LINE = re.compile(rb"(" + _TOKEN + rb") ([!-~]+) HTTP/([0-9])\.([0-9])\r\n")
_FIELD = re.compile(rb"(" + _TOKEN + rb"):([\t -~\x80-\xff]*)\r\n")
_ABSOLUTE = re.compile(r"(?i:https?)://([^/?#]+)(.*)")
_LENGTH = re.compile(r"[0-9]{1,18}")


class RefusedError(Exception):
    """Say that a request is refused. `status` is what it is answered with."""

    def __init__(self, status: str, why: str) -> None:
        super().__init__(why)
        self.status = status


class Head(NamedTuple):
    """The head of a request.

    Attributes:
        method: as sent; upper and lower case are different methods.
        target: as sent.
        path: of the target, percent-encoded, without the query.
        query: of the target, without the question mark.
        version: "HTTP/1.0" or "HTTP/1.1".
        fields: the header fields, names in lower case.
        length: of the body, in bytes; 0 where it is chunked.
        is_chunked: whether the body tells its end by itself.
        asks_first: whether the client waits with the body until it is asked for it.
        keeps_alive: whether another request may follow on the connection.
    """

    method: str
    target: str
    path: str
    query: str
    version: str
    fields: list[tuple[str, str]]
    length: int
    is_chunked: bool
    asks_first: bool
    keeps_alive: bool


def read_head(stream: BufferedIOBase) -> Head | None:
    """Read the head of the next request; None where the client has left.

    Raises:
        RefusedError: it is no valid one.
        OSError: the connection broke.
    """
    line = stream.readline(LINE_BYTES + 1)
    for _ in range(_EMPTY_LINES):  # some clients send one after a body
        if line != b"\r\n":
            break
        line = stream.readline(LINE_BYTES + 1)
    if not line:
        return None
    if len(line) > LINE_BYTES:
        raise RefusedError("414 URI Too Long", f"the request line has more than {LINE_BYTES:,} bytes")
    method, target, version = _request_line(line)
    fields = _read_fields(stream)
    path, query = _split_target(method, target, _host(fields, version))
    length, is_chunked = _framing(fields, version)
    expected, options = _values(fields, "expect"), _values(fields, "connection")
    return Head(
        method, target, path, query, version, fields, length, is_chunked,
        asks_first=version == "HTTP/1.1" and "100-continue" in expected and (is_chunked or length > 0),
        keeps_alive="close" not in options and (version == "HTTP/1.1" or "keep-alive" in options),
    )  # fmt: skip


def _request_line(line: bytes) -> tuple[str, str, str]:
    found = _REQUEST_LINE.fullmatch(line)
    if found is None:
        raise _bad("the first line is no request line: METHOD /path HTTP/1.1 with CRLF was expected")
    method, target, major, minor = (part.decode("ascii") for part in found.groups())
    if major != "1":
        raise RefusedError("505 HTTP Version Not Supported", f"HTTP/{major}.{minor}: HTTP/1.1 was expected")
    return method, target, "HTTP/1.0" if minor == "0" else "HTTP/1.1"


def _read_fields(stream: BufferedIOBase) -> list[tuple[str, str]]:
    fields: list[tuple[str, str]] = []
    left = _HEAD_BYTES
    while (line := stream.readline(min(left, LINE_BYTES) + 1)) != b"\r\n":
        left -= len(line)
        if left < 0 or len(line) > LINE_BYTES or len(fields) >= _MAX_FIELDS:
            raise RefusedError("431 Request Header Fields Too Large", "the header fields are too many, or too large")
        found = _FIELD.fullmatch(line)
        if found is None:
            raise _bad("a line of the head is no header field: name, colon, value and CRLF were expected")
        fields.append((found[1].decode("ascii").lower(), found[2].strip(b" \t").decode("latin-1")))
    return fields


def _host(fields: list[tuple[str, str]], version: str) -> str:
    """Give the host. See: RFC 9112 3.2."""
    hosts = [value for name, value in fields if name == "host"]
    if len(hosts) > 1 or (not hosts and version == "HTTP/1.1"):
        raise _bad(f"there are {len(hosts)} Host fields: one was expected")
    return hosts[0] if hosts else ""


def _split_target(method: str, target: str, host: str) -> tuple[str, str]:
    """Give path and query."""
    rest = target
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is not None:
        if absolute[1].lower() != host.lower():
            raise _bad("the host of the request line is not that of the Host field")
        rest = absolute[2] if absolute[2][:1] == "/" else f"/{absolute[2]}"
    if "#" in rest or not (rest[:1] == "/" or (rest == "*" and method == "OPTIONS")):
        raise _bad("the request line has no path: METHOD /path HTTP/1.1 was expected")
    path, _, query = rest.partition("?")
    return path, query


def _framing(fields: list[tuple[str, str]], version: str) -> tuple[int, bool]:
    """Give the length of the body, and whether it is chunked instead. See: RFC 9112 6.1, 6.3."""
    lengths = [value for name, value in fields if name == "content-length"]
    codings = [value.lower() for name, value in fields if name == "transfer-encoding"]
    if codings:
        if lengths or version == "HTTP/1.0":
            raise _bad("there is a Transfer-Encoding together with a Content-Length, or in HTTP/1.0")
        if codings != ["chunked"]:
            raise RefusedError("501 Not Implemented", "another Transfer-Encoding than chunked alone is not known")
        return 0, True
    if len(lengths) > 1 or not all(map(_LENGTH.fullmatch, lengths)):
        raise _bad("the Content-Length is not one number")
    return int(lengths[0]) if lengths else 0, False


def _values(fields: list[tuple[str, str]], wanted: str) -> set[str]:
    """Give the members of a list field, in lower case."""
    return {one.strip(" \t").lower() for name, value in fields if name == wanted for one in value.split(",")}


def _bad(why: str) -> RefusedError:
    return RefusedError("400 Bad Request", why)
