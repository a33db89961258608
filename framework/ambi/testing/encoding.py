"""From what a test gives (`params`, `data`, `files`, `json`, `content`) to a query and a body.

See: RFC 7578; the HTML standard, "multipart/form-data encoding algorithm" (names are quoted as browsers do it).
"""

from __future__ import annotations

import json as json_module
from base64 import b64encode
from pathlib import PurePath

from ..core.headers import check_value, is_token
from ..core.url import encode_query

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Iterable, Iterator, Mapping, Sequence
    from typing import IO, Any, TypedDict

    Pairs = Mapping[str, Any] | Sequence[tuple[str, Any]]
    HeaderPairs = Mapping[str, str] | Sequence[tuple[str, str]]
    FileContent = bytes | str | IO[bytes] | IO[str]
    File = (
        FileContent
        | tuple[str | None, FileContent]
        | tuple[str | None, FileContent, str | None]
        | tuple[str | None, FileContent, str | None, Mapping[str, str]]
    )
    Files = Mapping[str, File] | Sequence[tuple[str, File]]
    Content = bytes | str | Iterable[bytes] | AsyncIterable[bytes]
    Body = bytes | Iterable[bytes] | AsyncIterable[bytes]

    class BuildOptions(TypedDict, total=False):
        """What a request may have; see `Client.request`."""

        params: Pairs | None
        headers: HeaderPairs | None
        cookies: Mapping[str, str] | None
        auth: tuple[str, str] | None
        content: Content | None
        data: Pairs | None
        files: Files | None
        json: Any

    class RequestOptions(BuildOptions, total=False):
        """The same, and what is done with the answer."""

        follow_redirects: bool | None


_BOUNDARY = "ambi-testing-boundary"
_QUOTED = {ord("\n"): "%0A", ord("\r"): "%0D", ord('"'): "%22"}


def as_pairs(pairs: Any) -> list[tuple[str, Any]]:
    """Give the pairs of a mapping, or of what is a sequence of them already.

    Raises:
        TypeError: it is text or bytes, as other clients take for a query or a body.
    """
    if isinstance(pairs, (str, bytes, bytearray)):
        raise TypeError(
            f"names and values were expected, as {{'name': 'value'}}, not {pairs!r:.80};"
            " a body goes to content=, a query to the URL"
        )
    return list(pairs.items()) if hasattr(pairs, "items") else list(pairs)


def header_lines(pairs: HeaderPairs) -> list[tuple[str, str]]:
    """Give header fields as they are sent, names in lower case.

    Raises:
        TypeError: a value is neither text nor a number.
        ValueError: a name or a value that no client could send. See: RFC 9110 5.1 and 5.5.
    """
    return [(_checked_name(name), _checked_value(name, value)) for name, value in as_pairs(pairs)]


def over_defaults(defaults: Iterable[tuple[str, str]], given: HeaderPairs | None) -> list[tuple[str, Any]]:
    """Give header fields, names in lower case, behind those defaults that they do not name."""
    own = [(str(name).lower(), value) for name, value in as_pairs(given or ())]
    named = {name for name, _ in own}
    return [line for line in defaults if line[0] not in named] + own


def _checked_name(name: str) -> str:
    if not is_token(name):
        raise ValueError(f"{name!r} is no header field name: a token was expected (RFC 9110 5.1)")
    return name.lower()


def _checked_value(name: str, value: Any) -> str:
    if not isinstance(value, (str, int, float)):
        raise TypeError(f"the header field {name!r} must be text, not {value!r:.80}; leave out what has no value")
    check_value(str(value))
    return str(value)  # with the space around it: a test may well send that


def basic_credentials(auth: Any) -> str:
    """Write a name and a password as an Authorization field has them.

    Raises:
        TypeError: they are no pair of texts.
        ValueError: the name has a colon, which ends it.

    See: RFC 7617 2.
    """
    parts = list(auth) if auth.__class__ in (tuple, list) else []
    if [part.__class__ for part in parts] != [str, str]:
        raise TypeError(f"auth is a name and a password, as ('ann', 'secret'), not {type(auth).__name__}")
    name, password = parts
    if ":" in name:
        raise ValueError(f"the name {name!r} has a colon, and the password would begin there")
    return f"Basic {b64encode(f'{name}:{password}'.encode()).decode()}"


def encode_pairs(pairs: Pairs) -> str:
    """Write pairs as a query or a urlencoded form; a list gives a pair for each of its items."""
    return encode_query([(name, _plain(value)) for name, value in _each(pairs)])


def _each(pairs: Pairs) -> Iterator[tuple[str, Any]]:
    for name, value in as_pairs(pairs):
        items: Iterable[Any] = value if hasattr(value, "__iter__") and not isinstance(value, (str, bytes)) else (value,)
        yield from ((name, item) for item in items)


def _plain(value: Any) -> Any:
    """Give a value as forms have it: `true`, `false`, nothing for None, anything else by `str`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else value


def encode_body(content: Content | None, data: Pairs | None, files: Files | None, json: Any) -> tuple[Body, str]:
    """Give the body of a request and its content type, "" for none.

    Raises:
        TypeError: there are several bodies; content is a mapping; a file is neither bytes nor text nor open.
    """
    form = data if files is None else files
    given = [name for name, body in (("content", content), ("json", json), ("a form", form)) if body is not None]
    if len(given) > 1:
        raise TypeError(f"a request has one body, not {' and '.join(given)}")
    if content is not None:
        return _encode_content(content), ""
    if json is not None:
        return json_module.dumps(json).encode(), "application/json"
    if files:
        return _encode_multipart(data or (), files)
    if data is not None:
        return encode_pairs(data).encode(), "application/x-www-form-urlencoded"
    return b"", ""


def _encode_content(content: Any) -> Body:
    if isinstance(content, str):
        return content.encode()
    if isinstance(content, (bytearray, memoryview)):
        return bytes(content)  # pyright: ignore[reportUnknownArgumentType]  # a memoryview of anything
    if hasattr(content, "items"):
        raise TypeError(f"content is sent as it is; a {type(content).__name__} goes to json= or data=")
    body: Body = content
    return body


def _encode_multipart(fields: Pairs, files: Files) -> tuple[bytes, str]:
    parts = [(_disposition(name), str(_plain(value)).encode()) for name, value in _each(fields)]
    parts += [_file_part(name, file) for name, file in as_pairs(files)]
    boundary = _BOUNDARY  # always the same, so that both gateways get the same bytes; unless it occurs in them
    while any(boundary.encode() in data for _, data in parts):
        boundary += "-"
    delimiter = f"--{boundary}\r\n".encode()
    pieces = [piece for head, data in parts for piece in (delimiter, head.encode(), b"\r\n\r\n", data, b"\r\n")]
    return b"".join((*pieces, f"--{boundary}--\r\n".encode())), f"multipart/form-data; boundary={boundary}"


def _disposition(name: str, filename: str | None = None) -> str:
    line = f'content-disposition: form-data; name="{name.translate(_QUOTED)}"'
    return line if filename is None else f'{line}; filename="{filename.translate(_QUOTED)}"'


def _file_part(name: str, file: Any) -> tuple[str, bytes]:
    """Give the head and the content of a file's part; a file name of None makes a field with a type of it."""
    parts: tuple[Any, ...] = file
    if not isinstance(file, tuple):
        parts = (PurePath(str(getattr(file, "name", "upload"))).name, file)
    elif not 2 <= len(parts) <= 4:
        raise TypeError(f"the file {name!r} is a tuple of (name, content, type, header fields), the last two at will")
    filename, content, content_type, fields = (*parts, None, None)[:4]
    lines = [_disposition(name, filename)]
    content_type = _guess_type(filename) if content_type is None else content_type
    if content_type:
        lines.append(f"content-type: {content_type}")
    lines += [f"{field}: {value}" for field, value in as_pairs(fields or ())]
    return "\r\n".join(lines), _bytes_of(name, content)


def _guess_type(filename: str | None) -> str | None:
    if filename is None:
        return None
    from mimetypes import guess_type

    return guess_type(filename)[0] or "application/octet-stream"


def _bytes_of(name: str, content: Any) -> bytes:
    data: Any = content.read() if hasattr(content, "read") else content
    if isinstance(data, str):
        return data.encode()
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError(f"the file {name!r} must be bytes, text or an open file, not {type(content).__name__}")
    return bytes(data)  # pyright: ignore[reportUnknownArgumentType]  # a memoryview of anything
