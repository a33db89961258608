"""The multipart reader: a form is the same however its body is cut, and is read again as it was written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from ambi import Limits, UploadFile
from ambi.core.forms import MultipartReader
from tests.fuzz.finding import found, of_corpus, small_body, table
from tests.fuzz.properties import Refusal, attempt, check_work, chunks

CUTS = 4
"""So many bytes in front of the body say where it is cut."""
BOUNDARY = "B"
LIMITS = Limits(
    max_form_fields=20, max_form_files=10, max_form_parts=25, max_field_bytes=1000, max_fields_bytes=2000,
    spool_bytes=1024, max_part_header_bytes=300,
)  # fmt: skip
FREE = Limits(max_part_header_bytes=300)
"""With the same limit for headers, of which what stands outside of parts depends."""
STATUSES = frozenset((400, 413))
_AMBIGUOUS = re.compile(r"%22|\\\\|\\\0")
"""What browsers write as if it were something else: %22 stands for a quote, and a backslash escapes one, or another."""
_ESCAPES = {ord("\n"): "%0A", ord("\r"): "%0D", ord('"'): "%22"}


def read(pieces: Iterable[bytes], boundary: str = BOUNDARY, limits: Limits = LIMITS) -> list[Any]:
    """Read a form as `load_body` does."""
    reader = MultipartReader(boundary, limits)
    try:
        for piece in pieces:
            reader.feed(piece)
            if reader.wants_to_write:
                reader.write()
        reader.write()
        return [
            (name, (v.filename, v.content_type, v.size, v.read()) if isinstance(v, UploadFile) else v)
            for name, v in reader.finish().pairs()
        ]
    finally:
        reader.close()


def written(parts: list[Any], boundary: str) -> bytes:
    """Write a form as browsers do. See: the HTML standard, "multipart/form-data encoding algorithm"."""
    body = b""
    for name, value in parts:
        head = f'Content-Disposition: form-data; name="{name.translate(_ESCAPES)}"'
        content = value
        if isinstance(value, tuple):
            filename, content_type, _, content = value
            head += f'; filename="{filename.translate(_ESCAPES)}"\r\nContent-Type: {content_type}'
        body += f"--{boundary}\r\n{head}\r\n\r\n".encode()
        body += (content if isinstance(content, bytes) else content.encode()) + b"\r\n"
    return body + f"--{boundary}--\r\n".encode()


def check(data: bytes) -> None:
    """Check one body."""
    cuts, body = data[:CUTS], data[CUTS:]
    whole = attempt(read, [body], statuses=STATUSES)
    assert attempt(read, chunks(body, cuts), statuses=STATUSES) == whole
    if len(body) < 200:
        assert attempt(read, chunks(body, b""), statuses=STATUSES) == whole
    _check_limits(body, whole)
    if _first_is_none(body):
        assert whole == Refusal(400)
    if not isinstance(whole, Refusal) and not any(_AMBIGUOUS.search(_names(part)) for part in whole):
        boundary = "x"
        while boundary.encode() in body:
            boundary += "x"
        again = written(whole, boundary)
        assert read([again], boundary, Limits()) == whole, again
    check_work(body, lambda large: read([large], limits=Limits()))


def _check_limits(body: bytes, whole: Any) -> None:
    """See that exactly those forms are refused with 413 that pass a limit."""
    free = attempt(read, [body], BOUNDARY, FREE, statuses=STATUSES)
    if isinstance(free, Refusal):
        assert isinstance(whole, Refusal)
        return
    texts = [value for _, value in free if isinstance(value, str)]
    sizes = [len(text.encode()) for text in texts]
    files = len(free) - len(texts)
    is_over = (
        max(sizes, default=0) > LIMITS.max_field_bytes
        or sum(sizes) > LIMITS.max_fields_bytes
        or len(texts) > LIMITS.max_form_fields
        or files > LIMITS.max_form_files
        or len(free) > LIMITS.max_form_parts
    )
    if not any("\ufffd" in text for text in texts):  # which stands for fewer bytes than it has
        assert whole == (Refusal(413) if is_over else free)


def _first_is_none(body: bytes) -> bool:
    """Tell whether the first boundary with its dashes is no delimiter, which is a line of its own."""
    at = body.find(b"--B")
    begins = at == 0 or body[:at].endswith(b"\r\n")
    return at >= 0 and not (begins and re.match(rb"(?:--)?[ \t]*(?:\r\n|\r?\Z)", body[at + 3 :]))


def _names(part: Any) -> str:
    name, value = part
    return f"{name}\0{value[0]}\0" if isinstance(value, tuple) else f"{name}\0"


def seeds() -> Iterator[bytes]:
    """Give bodies with the boundary of this target."""
    yield from found("multipart")
    for body in table("multipart-refused", "body"):
        yield b"\0\0\0\0" + body
    for disposition in table("dispositions", "value"):
        yield b"\1\3\5\7--B\r\nContent-Disposition: " + disposition + b"\r\n\r\nx\r\n--B--\r\n"
    for case_body in of_corpus("multipart", _with_our_boundary):
        yield b"\7\0\x20\1" + case_body
    field = b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n'
    for text, count in ((b"x" * 600, 2), (b"x" * 1000, 1), (b"x" * 1001, 1), (b"x" * 600, 4), (b"", 20), (b"", 21)):
        yield b"\x1f\x1f\x1f\x1f" + (field + text + b"\r\n") * count + b"--B--\r\n"
    yield b'\1\1\1\1x--B\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n--B--\r\n'
    yield (
        b'\5\1\0\0--B\r\nContent-Disposition: form-data; name="f"; filename="a.txt"\r\nContent-Type: text/plain\r\n'
        b'X-A: b\r\n\r\nfile\r\n--B \r\ncontent-disposition: form-data; name="a"\r\n\r\n\r\n--B--\r\nepilogue'
    )


def _with_our_boundary(case: Any) -> Iterator[bytes]:
    types = [value for name, value in case.headers if name.lower() == "content-type"]
    for body in small_body(case):
        for content_type in types:
            boundary = content_type.partition("boundary=")[2].strip('"').encode("latin-1", "replace")
            yield body.replace(boundary, b"B") if boundary else body
