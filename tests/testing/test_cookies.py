"""The jar keeps and sends cookies as RFC 6265 has it. It knows no gateway, so there is no cell."""

import time

import pytest

from ambi.testing import CookieConflict, Cookies
from ambi.testing.cookies import default_path, parse_cookie_date


def jar_of(*lines: str, host: str = "shop.example", path: str = "/a/b") -> Cookies:
    jar = Cookies()
    for line in lines:
        jar.keep(line, host, path)
    return jar


def sent(jar: Cookies, url: str) -> list[str]:
    """Give the names of the cookies that go with a request."""
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    return [name for name, _ in jar.for_request(scheme, host, f"/{path}")]


@pytest.mark.parametrize(
    ("line", "goes", "stays"),
    [
        ("a=1; Path=/", ["http://shop.example/", "http://SHOP.example:8000/x"], ["http://www.shop.example/", "http://example/"]),
        ("a=1; Path=/; Domain=shop.example", ["http://shop.example/", "http://www.shop.example/"], ["http://notshop.example/"]),
        ("a=1; Path=/; Domain=.SHOP.example", ["http://shop.example/", "http://a.b.shop.example/"], ["http://example/"]),
        ("a=1; Path=/x", ["http://shop.example/x", "http://shop.example/x/y"], ["http://shop.example/xy", "http://shop.example/"]),
        ("a=1; Path=/x/", ["http://shop.example/x/", "http://shop.example/x/y"], ["http://shop.example/x"]),
        ("a=1", ["http://shop.example/a", "http://shop.example/a/z"], ["http://shop.example/", "http://shop.example/ab"]),
        ("a=1; Path=relative", ["http://shop.example/a"], ["http://shop.example/"]),
        ("a=1; Path=/; Secure", ["https://shop.example/"], ["http://shop.example/"]),
    ],
)  # fmt: skip
def test_a_cookie_goes_where_it_belongs(line: str, goes: list[str], stays: list[str]) -> None:
    jar = jar_of(line)
    assert [sent(jar, url) for url in goes] == [["a"]] * len(goes)
    assert [sent(jar, url) for url in stays] == [[]] * len(stays)


@pytest.mark.parametrize(
    ("line", "host"),
    [
        ("a=1; Domain=other.example", "shop.example"),
        ("a=1; Domain=example", "shop.example"),
        ("a=1; Domain=www.shop.example", "shop.example"),
        ("a=1; Domain=0.0.1", "127.0.0.1"),
        ("no-equals-sign", "shop.example"),
        ("=no name", "shop.example"),
    ],
)
def test_what_is_no_cookie_of_this_host_is_ignored(line: str, host: str) -> None:
    assert jar_of(line, host=host).jar == []


def test_an_address_has_cookies_of_its_own() -> None:
    jar = jar_of("a=1; Path=/", host="[::1]:8000")
    assert (sent(jar, "http://[::1]:9000/"), sent(jar, "http://[::2]/")) == (["a"], [])


@pytest.mark.parametrize(
    "line",
    [
        "a=2; Path=/; Max-Age=0", "a=2; Path=/; Max-Age=-5", "a=2; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        "a=2; Path=/; Max-Age=0; Expires=Fri, 01 Jan 2100 00:00:00 GMT",
    ],
)  # fmt: skip
def test_an_expiry_in_the_past_deletes(line: str) -> None:
    assert dict(jar_of("a=1; Path=/", line)) == {}
    assert dict(jar_of("a=1; Path=/other", line)) == {"a": "1"}


@pytest.mark.parametrize(
    "line",
    [
        "a=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        "a=1; Max-Age=soon",
        "a=1; Expires=soon",
        "a=1; Max-Age=",
    ],
)
def test_max_age_wins_and_nonsense_is_no_expiry(line: str) -> None:
    assert dict(jar_of(line)) == {"a": "1"}


def test_a_cookie_expires_in_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    jar = jar_of("a=1; Path=/; Max-Age=60")
    assert sent(jar, "http://shop.example/") == ["a"]
    later = time.time() + 61
    monkeypatch.setattr("time.time", lambda: later)
    assert (sent(jar, "http://shop.example/"), dict(jar), jar.jar) == ([], {}, [])


def test_longer_paths_come_first_and_then_the_older_ones() -> None:
    jar = jar_of("a=1; Path=/", "b=1; Path=/x/y", "c=1; Path=/x", "d=1; Path=/x")
    assert sent(jar, "http://shop.example/x/y") == ["b", "c", "d", "a"]


def test_both_cookies_of_a_name_are_sent_but_not_read_as_one() -> None:
    jar = jar_of("a=1; Path=/", "a=2; Path=/x")
    assert jar.for_request("http", "shop.example", "/x") == [("a", "2"), ("a", "1")]
    with pytest.raises(CookieConflict, match="several cookies named 'a'"):
        jar["a"]
    assert (jar.get("a", path="/x"), jar.get("a", domain="shop.example", path="/")) == ("2", "1")
    assert (list(jar), len(jar)) == (["a"], 1)


def test_a_jar_is_a_mapping() -> None:
    jar = Cookies({"a": "1"})
    jar["b"] = "2"
    jar.set("c", "3", domain=".shop.example", path="/x")
    assert dict(jar) == {"a": "1", "b": "2", "c": "3"}
    assert (jar.get("none"), jar.get("none", "default"), jar.get("c", domain="other.example")) == (
        None,
        "default",
        None,
    )
    assert [sent(jar, url) for url in ("http://any.example/", "https://shop.example/x")] == [
        ["a", "b"],
        ["c", "a", "b"],
    ]
    del jar["a"]
    with pytest.raises(KeyError):
        jar["a"]
    with pytest.raises(KeyError):
        jar.delete("a")
    assert repr(jar) == "<Cookies [<Cookie b=2 for every host/>, <Cookie c=3 for shop.example/x>]>"
    jar.clear(domain="shop.example", path="/")
    assert len(jar) == 2
    jar.clear(domain="shop.example")
    assert dict(jar) == {"b": "2"}
    jar.clear()
    assert jar == {}


def test_the_parts_of_a_line_are_trimmed_and_quotes_kept() -> None:
    assert dict(jar_of('  a \t=\t "1 2" ;Path=/')) == {"a": '"1 2"'}


@pytest.mark.parametrize(
    ("path", "expected"), [("/", "/"), ("/a", "/"), ("/a/", "/a"), ("/a/b", "/a"), ("", "/"), ("a/b", "/")]
)
def test_the_default_path_is_up_to_the_last_slash(path: str, expected: str) -> None:
    assert default_path(path) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "6 november 1994 8:49:37",
        "Sun, 06-Nov-1994 08:49:37 GMT",
    ],
)  # fmt: skip
def test_dates_are_read_as_user_agents_read_them(text: str) -> None:
    assert parse_cookie_date(text) == 784111777


@pytest.mark.parametrize(
    "text",
    [
        "", "Sun, 06 Nov 1994", "06 Nov 08:49:37", "Nov 1994 08:49:37", "06 1994 08:49:37", "06 Nov 1994 08:49:99", "06 Nov 1600 08:49:37",
        "31 Feb 1994 08:49:37", "06 Nov 1994 a:b:c", "06 Nov 1994 081:49:37",
    ],
)  # fmt: skip
def test_what_is_no_date_is_none(text: str) -> None:
    assert parse_cookie_date(text) is None


def test_a_year_of_two_digits_is_of_this_century_or_the_last() -> None:
    assert parse_cookie_date("1 Jan 69 00:00:00") == parse_cookie_date("1 Jan 2069 00:00:00")
    assert parse_cookie_date("1 Jan 70 00:00:00") == 0
