import contextlib
import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum, IntEnum
from types import MappingProxyType
from typing import Any, ClassVar
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ambi.core.errors import HTTPError
from ambi.core.json import StandardJSON, check_depth, read_json
from ambi.core.multidict import MultiDict
from tests.core.scaling import assert_linear
from tests.core.vectors import vectors

CODEC = StandardJSON()

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda values: st.lists(values, max_size=4) | st.dictionaries(st.text(max_size=5), values, max_size=4),
    max_leaves=20,
)


# --- read ---


@vectors("json-refused", "text")
def test_what_is_no_json_is_a_400(text: str) -> None:
    with pytest.raises(HTTPError, match="the body is not valid JSON") as caught:
        read_json(CODEC, text.encode("latin-1"), 500)
    assert caught.value.status == 400


@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"a":['])
def test_deep_nesting_is_a_400(opening: str) -> None:
    with pytest.raises(HTTPError, match="JSON") as caught:
        read_json(CODEC, opening.encode() * 100_000, 500)
    assert caught.value.status == 400


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[0,{"[":', "}]"), ('["\\\\",', "]")])
def test_a_document_has_a_greatest_depth(opening: str, closing: str) -> None:
    deepest = opening * (500 // len(closing)) + "1" + closing * (500 // len(closing))
    assert read_json(CODEC, deepest.encode(), 500)
    with pytest.raises(HTTPError, match="nested too deeply") as caught:
        read_json(CODEC, f"[{deepest}]".encode(), 500)
    assert caught.value.status == 400


def test_depth_is_counted_through_however_many_brackets() -> None:
    """It is counted in pieces of 10,000: nine of the brackets that stay open are of the first piece."""
    before = b"[" + b"[]," * 4995
    check_depth(before + b"[" * 399, 400)
    with pytest.raises(HTTPError, match="too deeply"):
        check_depth(before + b"[" * 400, 400)


@pytest.mark.parametrize("between", [b"X", b"\xff", b"\x80", b'""', b'"[["', b"\0"])
def test_nothing_but_brackets_counts(between: bytes) -> None:
    """Also where it is no JSON: what an application reads it with may take more."""
    check_depth(between * 500 + b"[]" * 500 + b"[" * 400, 400)
    with pytest.raises(HTTPError, match="too deeply"):
        check_depth(between * 500 + b"[" * 401, 400)


def test_a_reader_that_is_in_too_deep_is_a_400() -> None:
    class Codec(StandardJSON):
        def loads(self, data: bytes, /) -> Any:
            raise RecursionError

    with pytest.raises(HTTPError, match="too deeply") as caught:
        read_json(Codec(), b"[]", 400)
    assert caught.value.status == 400


def depth_of(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth_of, inner), default=0)


@given(st.recursive(st.text(alphabet='[]{}"\\a'), lambda v: st.lists(v) | st.dictionaries(st.text('[]{}"\\a'), v)))
def test_the_depth_is_that_of_the_value(value: Any) -> None:
    depth = depth_of(value)
    for indent in (None, 1):
        data = json.dumps(value, indent=indent).encode()
        assert read_json(CODEC, data, depth) == value
        if depth:
            with pytest.raises(HTTPError, match="nested too deeply"):
                read_json(CODEC, data, depth - 1)


@pytest.mark.parametrize("digits", [5_000, 500_000])
def test_an_integer_too_long_to_convert_is_a_400(digits: int) -> None:
    with pytest.raises(HTTPError) as caught:
        read_json(CODEC, b"[" + b"9" * digits + b"]", 500)
    assert caught.value.status == 400


def test_of_repeated_names_the_last_wins() -> None:
    assert CODEC.loads(b'{"a": 1, "a": 2}') == {"a": 2}


@given(VALUES)
def test_a_value_comes_back_as_it_was_written(value: Any) -> None:
    assert CODEC.loads(CODEC.dumps(value)) == value


@given(VALUES)
def test_others_read_what_we_write(value: Any) -> None:
    assert json.loads(CODEC.dumps(value)) == value


def test_white_space_and_escapes_are_read() -> None:
    assert CODEC.loads(' {"\\u00fc": "\\n€"} \r\n'.encode()) == {"ü": "\n€"}


@pytest.mark.parametrize("piece", ["[", '"a",', "1e5,", "1,", '{"a":1},', "\\u00e9", '"\\"",', " "])
def test_reading_takes_linear_time(piece: str) -> None:
    def read(data: bytes) -> None:
        with contextlib.suppress(HTTPError):
            read_json(CODEC, data, 500)

    assert_linear(lambda n: b"[" + piece.encode() * n + b"0]", read)
    assert_linear(lambda n: b'"' + piece.encode() * n, read)


# --- write ---


def test_json_is_compact_utf_8() -> None:
    assert CODEC.dumps({"a": [1, "ü"], "b": None}) == '{"a":[1,"ü"],"b":null}'.encode()


def test_a_lone_surrogate_is_given_back_as_the_escape_it_came_in() -> None:
    value = CODEC.loads(b'{"a": "\\ud800"}')
    assert CODEC.dumps(value) == b'{"a":"\\ud800"}'


class Colour(Enum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


@dataclass
class Point:
    x: int
    y: int
    kind: ClassVar[str] = "point"


@dataclass(slots=True)
class Line:
    ends: list[Point]
    when: date | None = field(default=None, repr=False)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (datetime(2024, 2, 29, 12, 30, tzinfo=UTC), '"2024-02-29T12:30:00+00:00"'),
        (date(2024, 2, 29), '"2024-02-29"'),
        (time(12, 30), '"12:30:00"'),
        (UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (Decimal("1.10"), '"1.10"'),
        (Colour.RED, '"red"'),
        (Level.HIGH, "3"),
        ({7}, "[7]"),
        (frozenset("a"), '["a"]'),
        ((1, (2,)), "[1,[2]]"),
        (Point(1, 2), '{"x":1,"y":2}'),
        (Line([Point(1, 2)], date(2024, 1, 1)), '{"ends":[{"x":1,"y":2}],"when":"2024-01-01"}'),
        (MappingProxyType({"a": 1}), '{"a":1}'),
        (MultiDict([("a", "1"), ("a", "2")]), '{"a":"1"}'),
        ({1: "a", False: "b", None: "c", 1.5: "d"}, '{"1":"a","false":"b","null":"c","1.5":"d"}'),
    ],
    ids=lambda value: type(value).__name__,
)
def test_common_types_are_written(value: Any, written: str) -> None:
    assert CODEC.dumps(value).decode() == written
    assert CODEC.dumps({"in": [value]}).decode() == f'{{"in":[{written}]}}'


@pytest.mark.parametrize("value", [object(), b"bytes", len, Point, 1j, iter([])], ids=repr)
def test_what_cannot_be_written_is_named(value: Any) -> None:
    with pytest.raises(TypeError, match=f"{type(value).__qualname__} is not JSON serializable; return a dict"):
        CODEC.dumps({"a": value})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [float("-inf")]], ids=repr)
def test_what_is_no_json_is_not_written(value: Any) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        CODEC.dumps(value)


def test_a_value_that_holds_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(ValueError, match="Circular"):
        CODEC.dumps(value)
