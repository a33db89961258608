"""The scanner of `value; name="quoted"`, and of lists: what it reads is read again as it was written."""

from __future__ import annotations

from collections.abc import Iterator

from ambi.core.forms import boundary_of
from ambi.core.headers import is_private, parse_parameters, split_list
from tests.fuzz.finding import found, of_corpus, table, values_of
from tests.fuzz.properties import Refusal, attempt, check_work


def check(data: bytes) -> None:
    """Check one field value, in both readings of its bytes."""
    for text in (data.decode("latin-1"), data.decode("utf-8", "replace")):
        for escapable in ("", '"\\'):
            _check_parameters(text, escapable)
        boundary = attempt(boundary_of, text)
        assert isinstance(boundary, Refusal) or 0 < len(boundary) <= 70
        parts = split_list(text)
        assert split_list(", ".join(parts)) == parts
        assert all(part == part.strip(" \t") for part in parts)
        is_private(text)
    check_work(data, _all)


def _check_parameters(text: str, escapable: str) -> None:
    value, pairs = parse_parameters(text, escapable)
    assert ";" not in value
    assert len(pairs) <= text.count("=")
    assert all(name == name.lower() == name.strip(" \t") for name, _ in pairs)
    quoted = "".join(f'; {name}="{_escaped(content)}"' for name, content in pairs)
    assert parse_parameters(value + quoted, escapable) == (value, pairs)


def _escaped(content: str) -> str:
    return content.replace("\\", "\\\\").replace('"', '\\"')


def _all(data: bytes) -> None:
    text = data.decode("latin-1")
    parse_parameters(text)
    parse_parameters(text, '"\\')
    split_list(text)
    is_private(text)


def seeds() -> Iterator[bytes]:
    """Give field values."""
    yield from found("parameters")
    yield from table("parameters", "text")
    yield from table("dispositions", "value")
    yield from of_corpus("headers", values_of("content-type"))
    yield from of_corpus("multipart", values_of("content-type"))
    yield from (
        b'multipart/form-data; boundary="a b"; charset=utf-8',
        b'private="set-cookie", max-age=1',
        b'a, "b, c\\"", d',
    )
