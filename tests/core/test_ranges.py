"""Nothing is served here, so there is no cell."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ambi.core.ranges import ByteRange
from tests.core.fakes import make_request
from tests.core.scaling import assert_linear

POSITIONS = st.integers(0, 40) | st.just(10**30)


@pytest.mark.parametrize(
    ("header", "first", "last"),
    [
        ("bytes=0-499", 0, 499),
        ("bytes=500-", 500, None),
        ("bytes=-500", None, 500),
        ("bytes=-0", None, 0),
        ("bytes=0-0", 0, 0),
        ("Bytes=1-2", 1, 2),
        ("bytes= 1-2 ", 1, 2),
        ("bytes=,1-2, ,", 1, 2),
        ("bytes=0001-0002", 1, 2),
        ("bytes=" + "0" * 5000 + "1-2", 1, 2),
        ("bytes=1-" + "9" * 5000, 1, 10**19),
        ("bytes=1-" + "9" * 20, 1, 10**19),
        ("bytes=1-1234567890123456789", 1, 1234567890123456789),
        ("bytes=" + "0-1".rjust(63, ","), 0, 1),
        ("bytes=" + "0-1".rjust(99, " "), 0, 1),
    ],
)
def test_one_range_of_bytes_is_read(header: str, first: int | None, last: int | None) -> None:
    assert ByteRange.parse(header) == ByteRange(first, last)
    assert make_request({"range": header}).range == ByteRange(first, last)


@pytest.mark.parametrize(
    "header",
    [
        "", "bytes", "bytes=", "bytes=-", "bytes=,", "bytes=5-4", "bytes=0-1,5-6", "bytes=0-1,0-1", "lines=0-1",
        "bytes=0-1-2", "bytes=--1", "bytes=+1-2", "bytes=1_0-20", "bytes=0x1-2", "bytes=1", "bytes=a-b", "bytes=1 -2",
        "bytes=1- 2", "bytes =1-2", "bytes=1-2, bytes=3-4", "bytes=\u0661-\u0662", "bytes=1.0-2", "0-1", "=0-1",
        "bytes=" + "0-0," * 1000, "bytes=" + "0-1".rjust(64, ","),
    ],
)  # fmt: skip
def test_what_is_no_single_valid_range_is_the_whole(header: str) -> None:
    assert ByteRange.parse(header) is None


def test_ranges_are_equal_by_their_positions() -> None:
    assert ByteRange(0, 1) == ByteRange(0, 1)
    assert hash(ByteRange(0, 1)) == hash(ByteRange(0, 1))
    assert ByteRange(0, 1) not in (ByteRange(0, 2), ByteRange(1, 1), ByteRange(None, 1), (0, 1))
    assert repr(ByteRange(None, 5)) == "ByteRange(None, 5)"


def test_a_request_without_a_range_has_none() -> None:
    assert make_request().range is None


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("bytes=0-499", (0, 500)),
        ("bytes=500-999", (500, 500)),
        ("bytes=-500", (9500, 500)),
        ("bytes=9500-", (9500, 500)),
        ("bytes=0-0", (0, 1)),
        ("bytes=-1", (9999, 1)),
        ("bytes=0-9998", (0, 9999)),
        ("bytes=0-9999", (0, 10_000)),
        ("bytes=0-10000", (0, 10_000)),
        ("bytes=-10001", (0, 10_000)),
        ("bytes=9999-", (9999, 1)),
        ("bytes=10000-", None),
        ("bytes=-0", None),
    ],
)
def test_a_range_of_ten_thousand_bytes_is_the_part_of_rfc_9110(header: str, part: tuple[int, int] | None) -> None:
    """In 14.1.2, and at both ends."""
    found = ByteRange.parse(header)
    assert found is not None
    assert found.within(10_000) == part


@given(first=POSITIONS | st.none(), last=POSITIONS | st.none(), size=st.integers(0, 30))
def test_a_range_is_what_a_slice_of_all_positions_is(first: int | None, last: int | None, size: int) -> None:
    """Against a model that is slow and plain: of all positions, those that are asked for."""
    text = f"bytes={'' if first is None else first}-{'' if last is None else last}"
    found = ByteRange.parse(text)
    if (first is None and last is None) or (first is not None and last is not None and last < first):
        assert found is None
        return
    assert found is not None
    if first is None:
        assert last is not None
        wanted = [n for n in range(size) if size - n <= last]
        satisfiable = last > 0
    else:
        wanted = [n for n in range(size) if first <= n and (last is None or n <= last)]
        satisfiable = bool(wanted)
    part = found.within(size)
    assert (part is not None) is satisfiable
    if part is not None:
        offset, length = part
        assert list(range(size))[offset : offset + length] == wanted
        assert length == len(wanted)


@given(st.text(st.sampled_from("bytes=-0123456789, \t"), max_size=30) | st.text(max_size=30))
def test_whatever_is_sent_is_a_range_inside_or_none(text: str) -> None:
    for header in (text, "bytes=" + text):
        found = ByteRange.parse(header)
        part = found.within(10) if found is not None else None
        assert part is None or (0 <= part[0] <= 10 and 0 <= part[1] <= 10 - part[0])


@pytest.mark.parametrize("piece", ["0-0,", "0", "9", ",", " ", "-", "1-,", '"', "0-9 "])
def test_ranges_take_linear_time(piece: str) -> None:
    assert_linear(lambda n: "bytes=" + piece * n, ByteRange.parse)
    assert_linear(lambda n: "bytes=1-" + piece * n, ByteRange.parse)


def test_ranges_are_values() -> None:
    assert repr(ByteRange(None, 5)) == "ByteRange(None, 5)"
    assert len({ByteRange(1, 2), ByteRange(1, 2), ByteRange(1, None)}) == 2
    assert ByteRange(1, 2) != (1, 2)
