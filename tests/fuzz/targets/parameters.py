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
        assert parts == slow_list(text)
        assert all(part == part.strip(" \t") for part in parts)
        is_private(text)
    check_work(data, _all)


def _check_parameters(text: str, escapable: str) -> None:
    value, pairs = parse_parameters(text, escapable)
    assert ";" not in value
    assert len(pairs) <= text.count("=")
    assert all(name == name.lower() == name.strip(" \t") for name, _ in pairs)
    assert pairs == slow_parameters(text, escapable)
    quoted = "".join(f'; {name}="{_escaped(content)}"' for name, content in pairs)
    assert parse_parameters(value + quoted, escapable) == (value, pairs)


def slow_parameters(text: str, escapable: str) -> list[tuple[str, str]]:
    """Read parameters character by character."""
    pairs: list[tuple[str, str]] = []
    left = list(text.partition(";")[2])
    while left:
        name = content = ""
        while left and left[0] not in "=;":
            name += left.pop(0)
        if left and left.pop(0) == "=":
            if left[:1] == ['"']:
                content = _slow_quoted(left, escapable)
                while left and left.pop(0) != ";":
                    pass
            else:
                while left and (character := left.pop(0)) != ";":
                    content += character
                content = content.strip(" \t")
            pairs.append((name.strip(" \t").lower(), content))
    return pairs


def _slow_quoted(left: list[str], escapable: str) -> str:
    content = ""
    left.pop(0)
    while left and (character := left.pop(0)) != '"':
        if character == "\\" and left and (not escapable or left[0] in escapable):
            character = left.pop(0)
        content += character
    return content


def slow_list(text: str) -> list[str]:
    """Split a list character by character."""
    parts, is_quoted, is_escaped = [""], False, False
    for character in text:
        if character == "," and not is_quoted:
            parts.append("")
            continue
        parts[-1] += character
        if is_escaped:
            is_escaped = False
        elif is_quoted and character == "\\":
            is_escaped = True
        elif character == '"':
            is_quoted = not is_quoted
    return [part.strip(" \t") for part in parts if part.strip(" \t")]


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
        b'a, "b\\", c", d',
        b'a;b="c\\',
        b'a;b="\\"\\',
        b'a;b="c\\"; d=e',
        b'"a\\\\", b',
        b'a; b="c" x; d = e ;f;g="h;i=j',
    )
    yield from (
        b'multipart/form-data; boundary="a b"; charset=utf-8',
        b'private="set-cookie", max-age=1',
        b'a, "b, c\\"", d',
    )
