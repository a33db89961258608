from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ambi.core.preconditions import ETags, evaluate, holds_if_range, parse_http_date
from tests.core.fakes import make_request
from tests.core.scaling import assert_linear
from tests.core.vectors import vectors

OPAQUE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_characters='"\x7f'), max_size=10)
UTC_TIMES = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59), timezones=st.just(UTC))  # noqa: DTZ001


# --- entity tags ---


@given(st.lists(st.tuples(st.booleans(), OPAQUE)), st.sampled_from([",", ", ", " \t,\t, ,"]))
def test_tags_are_read_as_they_were_written(tags: list[tuple[bool, str]], separator: str) -> None:
    etags = ETags(separator.join(("W/" if weak else "") + f'"{opaque}"' for weak, opaque in tags))
    assert etags.weak == {opaque for weak, opaque in tags if weak}
    assert etags.strong == {opaque for weak, opaque in tags if not weak}
    assert not etags.any
    assert bool(etags) is bool(tags)


@pytest.mark.parametrize(
    ("header", "etag", "strong", "weak"),
    [  # the table of RFC 9110 8.8.3.2
        ('W/"1"', 'W/"1"', False, True),
        ('W/"1"', 'W/"2"', False, False),
        ('W/"1"', '"1"', False, True),
        ('"1"', 'W/"1"', False, True),
        ('"1"', '"1"', True, True),
        ('"1", "2", W/"3"', '"2"', True, True),
        ('"1", "2", W/"3"', '"3"', False, True),
        ("*", '"1"', True, True),
        (" * ", 'W/"1"', True, True),
        ("", '"1"', False, False),
        ('""', '""', True, True),
        ('"a,b"', '"a,b"', True, True),
        ('"a,b"', '"a"', False, False),
        ('"A"', '"a"', False, False),
        ('w/"1"', '"1"', False, False),
        ('W/"1', '"1"', False, False),
    ],
)
def test_tags_are_compared_strongly_and_weakly(header: str, etag: str, strong: bool, weak: bool) -> None:
    etags = ETags(header)
    assert etags.matches_strong(etag) is strong
    assert etags.matches_weak(etag) is weak


@pytest.mark.parametrize(
    "header",
    [
        "garbage",
        "1",
        "'1'",
        '*, "1"',
        "W/",
        '"',
        '"1',
        "W/W/",
        'W/W/"1"',
        'x"1"',
        '"2", x"1"',
        '"2"; "1"',
        '"2" W/ x"1"',
        '"1" junk',
        '"1", junk',
        'junk, "1"',
        '"1" "2"',
        '"1""2"',
        '"2", "1',
        '"1", W/',
        'W/ "1"',
        'W/,"1"',
        '"1", *',
        ",",
    ],
)
def test_what_is_no_tag_matches_nothing(header: str) -> None:
    etags = ETags(header)
    assert not etags.matches_strong('"1"')
    assert not etags.matches_weak('"1"')
    assert not etags.any


@pytest.mark.parametrize("header", ['"1" junk', '"2"; "3"', "garbage", '"1', "*, *"])
def test_a_condition_that_cannot_be_read_changes_nothing_and_sends_all(header: str) -> None:
    """What is asked for with `If-None-Match: "1" junk` may be in order; what is to be written is not."""
    for name in ("if-match", "if-none-match"):
        for method, wanted in (("GET", 412 if name == "if-match" else 200), ("PUT", 412)):
            assert evaluate(make_request({name: header}, method=method), '"1"', "") == wanted
            assert evaluate(make_request({name: header}, method=method), "", "") == wanted
    assert evaluate(make_request({"if-none-match": header}, method="PUT"), "", "", exists=False) == 200


def test_a_write_is_not_let_pass_by_a_tag_past_the_last_that_is_read() -> None:
    request = make_request({"if-none-match": '"x", ' * 256 + '"1"'}, method="PUT")
    assert evaluate(request, '"1"', "") == 412
    assert evaluate(make_request({"if-none-match": '"x", ' * 256}, method="PUT"), '"1"', "") == 200


@pytest.mark.parametrize("header", ["garbage", "1", "W/", '"'])
def test_a_malformed_condition_is_a_condition_still(header: str) -> None:
    """An `If-Match` that cannot be read must not let a write pass."""
    assert ETags(header)


def test_the_last_of_many_tags_counts_as_the_first() -> None:
    """An `If-None-Match` of which only the beginning was read would let a write pass."""
    etags = ETags('"x", ' * 10_000 + '"1"')
    assert etags.matches_strong('"1"')
    assert etags.matches_weak('"1"')


def test_no_header_is_no_condition() -> None:
    assert not ETags("")
    assert ETags("*")
    assert ETags('""')


def test_tags_show_what_they_are() -> None:
    assert repr(ETags('"b", W/"c", "a"')) == "ETags(any=False, strong=['a', 'b'], weak=['c'])"


@pytest.mark.parametrize("piece", ['"a",', '"', ",", 'W/"a",', "W/", " ", 'a"', '""'])
def test_tags_take_linear_time(piece: str) -> None:
    assert_linear(lambda n: '"' + piece * n, ETags)
    assert_linear(lambda n: piece * n, ETags)


def test_many_different_tags_take_linear_time() -> None:
    assert_linear(lambda n: ",".join(f'"{i}"' for i in range(n)), ETags)


# --- dates ---


@given(UTC_TIMES)
def test_a_date_comes_back_in_each_of_its_forms(when: datetime) -> None:
    when = when.replace(microsecond=0)
    assert parse_http_date(format_datetime(when, usegmt=True)) == when
    asctime = f"{when:%a %b} {when.day:2} {when:%H:%M:%S} {when.year:04}"
    assert parse_http_date(asctime) == when


@given(st.integers(-49, 50))
def test_a_year_of_two_digits_is_within_fifty_years(offset: int) -> None:
    year = datetime.now(UTC).year + offset
    when = datetime(year, 3, 1, 8, 49, 37, tzinfo=UTC)
    assert parse_http_date(f"{when:%A}, 01-Mar-{year % 100:02} 08:49:37 GMT") == when


def test_the_three_examples_of_the_standard_are_one_date() -> None:
    expected = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)
    for text in ("Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"):
        assert parse_http_date(text) == expected


def test_a_leap_second_is_a_second() -> None:
    found = parse_http_date("Sat, 31 Dec 2016 23:59:60 GMT")
    assert found is not None
    assert found - datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC) <= timedelta(seconds=1)


@vectors("dates-refused", "text")
def test_what_is_no_date_is_none(text: str) -> None:
    assert parse_http_date(text) is None


def test_a_year_too_long_to_convert_is_none() -> None:
    assert parse_http_date(f"Sun, 06 Nov {'9' * 5000} 08:49:37 GMT") is None


@pytest.mark.parametrize("piece", ["Sun, ", ",", "-", " ", "9", ":", "Nov "])
def test_a_date_takes_linear_time(piece: str) -> None:
    assert_linear(lambda n: piece * n, parse_http_date)
    assert_linear(lambda n: "Sun, 06 Nov 1994 08:" + piece * n + ":37 GMT", parse_http_date)


# --- what follows ---

THEN, DATE = datetime(2015, 10, 21, 7, 28, tzinfo=UTC), "Wed, 21 Oct 2015 07:28:00 GMT"
EARLIER, LATER = "Wed, 21 Oct 2015 07:27:59 GMT", "Wed, 21 Oct 2015 07:28:01 GMT"


@pytest.mark.parametrize(
    ("fields", "status"),
    [  # in the order of the steps of RFC 9110 13.2.2
        ({}, 200),
        ({"if-match": '"v1"'}, 200),
        ({"if-match": "*"}, 200),
        ({"if-match": '"v0", "v1"'}, 200),
        ({"if-match": '"v2"'}, 412),
        ({"if-match": 'W/"v1"'}, 412),
        ({"if-match": "v1"}, 412),
        ({"if-match": '"v1"', "if-unmodified-since": EARLIER}, 200),
        ({"if-match": '"v2"', "if-none-match": '"v1"'}, 412),
        ({"if-unmodified-since": EARLIER}, 412),
        ({"if-unmodified-since": DATE}, 200),
        ({"if-unmodified-since": LATER}, 200),
        ({"if-unmodified-since": "yesterday"}, 200),
        ({"if-none-match": '"v1"'}, 304),
        ({"if-none-match": 'W/"v1"'}, 304),
        ({"if-none-match": "*"}, 304),
        ({"if-none-match": '"v2"'}, 200),
        ({"if-none-match": 'abc, "a,b", W/, W/"'}, 200),
        ({"if-none-match": '"v2"', "if-modified-since": DATE}, 200),
        ({"if-none-match": '"v1"', "if-modified-since": EARLIER}, 304),
        ({"if-modified-since": EARLIER}, 200),
        ({"if-modified-since": DATE}, 304),
        ({"if-modified-since": LATER}, 304),
        ({"if-modified-since": "yesterday"}, 200),
        ({"if-match": '"v1"', "if-none-match": '"v1"'}, 304),
        ({"if-unmodified-since": DATE, "if-modified-since": DATE}, 304),
    ],
)
def test_conditions_are_evaluated_in_the_order_of_the_standard(fields: dict[str, str], status: int) -> None:
    assert evaluate(make_request(fields), '"v1"', DATE) == status


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"if-match": '"v1"'}, 412),
        ({"if-match": '""'}, 412),
        ({"if-match": "*"}, 200),
        ({"if-none-match": '""'}, 200),
        ({"if-none-match": "*"}, 304),
        ({"if-modified-since": DATE}, 200),
        ({"if-unmodified-since": EARLIER}, 200),
    ],
)
def test_what_has_neither_tag_nor_date_meets_no_tag_and_no_date(fields: dict[str, str], status: int) -> None:
    assert evaluate(make_request(fields), "", "") == status


@pytest.mark.parametrize(
    ("header", "holds"),
    [
        ("", True),
        ('"v1"', True),
        ('"v2"', False),
        ('W/"v1"', False),
        ('"v1", "v2"', False),
        ('"v1","v1"', False),
        (',"v1"', False),
        ('"v1",', False),
        ('"v1" junk', False),
        ('"v1', False),
        ('v1"', False),
        ("*", False),
        ("v1", False),
        (DATE, True),
        (f" {DATE} ", True),
        (' "v1"', True),
        ('\t"v1" ', True),
        ('"v1"\t', True),
        (" \t", True),
        (EARLIER, False),
        (LATER, False),
        ("not a date", False),
    ],
)
def test_a_range_holds_for_the_very_same_bytes(header: str, holds: bool) -> None:
    assert holds_if_range(header, '"v1"', DATE, THEN.timestamp() + 100) is holds


def test_a_range_holds_for_no_weak_tag_and_no_date_of_this_second() -> None:
    assert not holds_if_range('W/"v1"', 'W/"v1"', DATE, THEN.timestamp() + 100)
    assert not holds_if_range('"v1"', 'W/"v1"', DATE, THEN.timestamp() + 100)
    assert not holds_if_range('""', "", "", THEN.timestamp() + 100)
    assert not holds_if_range(DATE, '"v1"', DATE, THEN.timestamp() + 0.9)
    assert holds_if_range(DATE, '"v1"', DATE, THEN.timestamp() + 1)
    assert holds_if_range(DATE, '"v1"', DATE, THEN.timestamp() + 1.5)
    assert not holds_if_range(DATE, '"v1"', "", THEN.timestamp() + 100)
    assert not holds_if_range("not a date", '"v1"', "", THEN.timestamp() + 100)
