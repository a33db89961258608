from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from http.cookies import SimpleCookie
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ambi.core.cookies import MAX_COOKIE_BYTES, SetCookie, http_date, parse_cookies
from tests.core.scaling import assert_linear
from tests.core.vectors import vectors

PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=60)
UTC_TIMES = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59), timezones=st.just(UTC))  # noqa: DTZ001


def line(name: str = "a", value: str = "1", *, loopback: bool = False, **attributes: Any) -> str:
    return SetCookie(name, value, **attributes).header_value(loopback=loopback)


def read(header: str) -> dict[str, str]:
    return parse_cookies(header, 200, 32768)


# --- read ---


@vectors("cookies", "header", "cookies")
def test_a_header_is_read_into_cookies(header: str, cookies: dict[str, str]) -> None:
    assert read(header) == cookies


def test_cookies_come_in_the_order_sent() -> None:
    assert list(read("b=1; a=2; b=3; c=4")) == ["b", "a", "c"]


def test_cookies_beyond_the_limit_are_ignored() -> None:
    header = "; ".join(f"n{i}={i}" for i in range(10))
    assert list(parse_cookies(header, 3, 1000)) == ["n0", "n1", "n2"]


def test_a_repeated_cookie_counts_once() -> None:
    assert parse_cookies("a=1; a=2; a=3; b=4", 2, 1000) == {"a": "1", "b": "4"}


@pytest.mark.parametrize("length", range(len("a=1; bb=23; c=4") + 2))
def test_a_cookie_that_the_limit_cuts_through_is_ignored_whole(length: int) -> None:
    header = "a=1; bb=23; c=4"
    whole = {"a": "1"} if length >= 3 else {}
    whole |= {"bb": "23"} if length >= 10 else {}
    whole |= {"c": "4"} if length >= 15 else {}
    assert parse_cookies(header, 200, length) == whole


@pytest.mark.parametrize("piece", ["a=1;", ";", "=", '"', "\\", '\\"', "a", " ", '="";', "é"])
def test_cookies_take_linear_time(piece: str) -> None:
    for start, end in (("a=", ""), ('a="', '"')):
        assert_linear(
            lambda n, start=start, end=end: (start + piece * n + end).encode().decode("latin-1"),  # type: ignore[misc]
            lambda header: parse_cookies(header, 10**9, 10**9),
        )


def test_many_cookies_of_different_names_take_linear_time() -> None:
    assert_linear(lambda n: ";".join(f"{i}=1" for i in range(n)), lambda header: parse_cookies(header, 10**9, 10**9))


# --- set ---


@given(PRINTABLE)
def test_a_value_comes_back_as_it_was_set(value: str) -> None:
    pair, *attributes = line("sid", value).split("; ")
    assert read(pair + "; other=1") == {"sid": value, "other": "1"}
    assert attributes == ["Path=/", "HttpOnly", "SameSite=Lax", "Secure"], "the value made an attribute"


@given(PRINTABLE)
def test_a_value_reads_as_others_wrote_it(value: str) -> None:
    theirs = SimpleCookie()
    theirs["sid"] = value
    assert read(theirs.output(header="").strip()) == {"sid": value}


def test_a_value_is_quoted_only_where_a_character_of_it_is_no_cookie_octet() -> None:
    """Those of RFC 6265 4.1.1: neither space nor double quote, comma, semicolon or backslash."""
    octets = {chr(code) for code in range(0x21, 0x7F)} - set('",;\\')
    for code in range(0x20, 0x7F):
        written = line("a", f"x{chr(code)}x").removeprefix("a=").partition("; ")[0]
        assert (written == f"x{chr(code)}x") is (chr(code) in octets)


@pytest.mark.parametrize(
    ("value", "written"),
    [("a b", '"a b"'), ("a,b;c", r'"a\054b\073c"'), ('say "a"', r'"say \"a\""'), ("a\\b", r'"a\\b"'), ("", "")],
)
def test_a_quoted_value_is_written_as_old_readers_expect_it(value: str, written: str) -> None:
    assert line("a", value).partition("; Path")[0] == "a=" + written


def test_every_octal_escape_is_its_character() -> None:
    for code in range(0o400):
        assert read(f'a="\\{code:03o}"') == {"a": chr(code)}


@pytest.mark.parametrize("text", ["400", "081", "091", "018", "019", "0a1", "01a", "01", "8", "a"])
def test_what_is_no_octal_escape_escapes_one_character(text: str) -> None:
    assert read(f'a="\\{text}"') == {"a": text}
    assert read(f'a="x101{text}\\""') == {"a": f'x101{text}"'}


def test_a_cookie_is_safe_unless_said_otherwise() -> None:
    assert line("sid", "x") == "sid=x; Path=/; HttpOnly; SameSite=Lax; Secure"


def test_only_over_plain_http_to_this_machine_a_cookie_is_not_secure() -> None:
    assert line(loopback=True) == "a=1; Path=/; HttpOnly; SameSite=Lax"
    assert line(loopback=True, secure=True).endswith("; Secure")
    assert "Secure" not in line(secure=False)


def test_every_attribute_may_be_set() -> None:
    when = datetime(2030, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=1)))
    written = line(
        "a", "1", max_age=60, expires=when, domain="shop.example", path="/cart", httponly=False, samesite="Strict",
        partitioned=True,
    )  # fmt: skip
    assert written == (
        "a=1; Max-Age=60; Expires=Wed, 02 Jan 2030 02:04:05 GMT; Domain=shop.example; Path=/cart; SameSite=Strict;"
        " Partitioned; Secure"
    )


def test_zero_is_a_lifetime_too() -> None:
    assert "; Max-Age=0;" in line(max_age=0)


@pytest.mark.parametrize("attributes", [{"samesite": "none"}, {"samesite": "None"}, {"partitioned": True}])
def test_what_other_sites_get_is_secure_everywhere(attributes: dict[str, Any]) -> None:
    assert line(loopback=True, **attributes).endswith("; Secure")
    with pytest.raises(ValueError, match="need secure"):
        line(secure=False, **attributes)


@pytest.mark.parametrize("name", ["__Host-a", "__host-a", "__HOST-a", "__Secure-a", "__secure-a"])
def test_a_prefix_that_promises_secure_keeps_it(name: str) -> None:
    assert line(name, loopback=True).endswith("; Secure")
    with pytest.raises(ValueError, match=r"needs secure"):
        line(name, secure=False)


@pytest.mark.parametrize("attributes", [{"path": "/a"}, {"domain": "shop.example"}, {"path": ""}])
def test_a_prefix_that_promises_one_host_keeps_it(attributes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="path='/' and no domain"):
        line("__Host-a", **attributes)
    assert line("__Secure-a", **attributes)


@pytest.mark.parametrize("name", ["", "a b", "a;b", "a=b", "a,b", "a\r\nb", "a\0", "ü", '"a"', "\u212a"])
def test_a_name_is_a_token(name: str) -> None:
    with pytest.raises(ValueError, match="no cookie name"):
        line(name)


@pytest.mark.parametrize("value", ["a\r\nb", "a\0", "\t", "\x7f", "ü", "😀", "\u2028", "\u00a0"])
def test_a_value_is_printable_ascii(value: str) -> None:
    with pytest.raises(ValueError, match="must be printable ASCII"):
        line("a", value)


@pytest.mark.parametrize("attribute", ["path", "domain"])
@pytest.mark.parametrize(
    "value",
    ["/; HttpOnly", "/\r", "/\nset-cookie: b=1", "/\0", "/ü", "/\x01", "/\x7f", "/\t", "/\t\x1f", "/\u00a0", "/\u2028"],
)
def test_an_attribute_is_printable_and_cannot_begin_another(attribute: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"^cookie {attribute} '/.*: printable ASCII without a semicolon was expected"):
        line(**{attribute: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("samesite", ["", "laxer", "lax; Domain=evil.example"])
def test_samesite_has_three_values(samesite: str) -> None:
    with pytest.raises(ValueError, match="samesite must be"):
        line(samesite=samesite)


def test_a_cookie_that_user_agents_would_drop_is_refused() -> None:
    assert len(line("a", "x" * (MAX_COOKIE_BYTES - 1)).partition(";")[0]) == MAX_COOKIE_BYTES + 1
    with pytest.raises(ValueError, match="takes 4097 bytes; user agents keep 4096"):
        line("a", "x" * MAX_COOKIE_BYTES)
    with pytest.raises(ValueError, match="user agents keep 4096"):
        line("a", "," * 2000)  # it is the quoted value that counts


def test_an_expiry_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        line(expires=datetime(2030, 1, 1))  # noqa: DTZ001


# --- dates ---


@given(UTC_TIMES)
def test_a_date_is_written_as_others_write_it(when: datetime) -> None:
    when = when.replace(microsecond=0)
    assert http_date(when.timestamp()) == format_datetime(when, usegmt=True)


def test_every_day_and_month_has_its_name() -> None:
    for number in range(366):
        when = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=number)
        assert http_date(when.timestamp()) == format_datetime(when, usegmt=True)


def test_a_fraction_of_a_second_is_left_out() -> None:
    assert http_date(59.9) == "Thu, 01 Jan 1970 00:00:59 GMT"
