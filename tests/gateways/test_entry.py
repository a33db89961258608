"""What both gateways ask of a request that comes in, each by itself. Nothing is served here, so there is no cell."""

from collections.abc import Callable
from typing import Any

import pytest

from ambi import HTTPError
from ambi.gateways.entry import check_coding, host_of_server, parse_content_length


def refusal_of(function: Callable[..., Any], *args: Any, **options: Any) -> int:
    """Give the status with which something is refused."""
    with pytest.raises(HTTPError) as caught:
        function(*args, **options)
    return caught.value.status


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("0", 0),
        ("007", 7),
        ("1048576", 1 << 20),
        ("9" * 17, 10**17 - 1),
        ("9" * 18, 10**18 - 1),
        (" 5\t", 5),
        ("\t 5", 5),
    ],
)
def test_a_content_length_of_18_digits_at_most_is_read(text: str, length: int) -> None:
    assert parse_content_length(text) == length


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("9" * 19, 413), ("9" * 5000, 413), ("0" * 19, 413), (" " + "9" * 19, 413), ("", 400), (" \t" * 20, 400),
        ("x" * 19, 400), ("-" + "9" * 18, 400), ("5 5", 400), ("5\x0b", 400), ("5\xa0", 400), ("\u0665", 400), ("5_0", 400),
    ],
    ids=lambda value: ascii(value)[:12],
)  # fmt: skip
def test_a_content_length_that_is_none_or_beyond_all_is_refused(text: str, status: int) -> None:
    assert refusal_of(parse_content_length, text) == status


@pytest.mark.parametrize(
    ("coding", "protocol", "has_length", "status"),
    [
        ("chunked", "HTTP/1.0", False, 400), ("chunked", "HTTP/1.1", True, 400), ("gzip", "HTTP/1.0", True, 400),
        ("gzip", "HTTP/1.1", False, 501), ("", "HTTP/1.1", False, 501),
    ],
)  # fmt: skip
def test_a_coding_is_for_http_1_1_alone_and_beside_no_length(
    coding: str, protocol: str, has_length: bool, status: int
) -> None:
    assert refusal_of(check_coding, coding, protocol, has_length=has_length) == status
    check_coding(" Chunked\t", "HTTP/1.1", has_length=False)


@pytest.mark.parametrize(
    ("name", "port", "scheme", "host"),
    [
        ("inside", "80", "http", "inside"), ("inside", "443", "https", "inside"), ("inside", "443", "http", "inside:443"),
        ("inside", "80", "https", "inside:80"), ("inside", "8000", "http", "inside:8000"), ("inside", "", "http", "inside"),
        ("inside", "", "https", "inside"), ("::1", "80", "http", "[::1]"), ("::1", "81", "http", "[::1]:81"),
        ("/run/shop.sock", "", "http", ""), ("", "80", "http", ""), ("inside", "80", "other", "inside"), ("inside", "x", "http", ""),
    ],
)  # fmt: skip
def test_the_host_of_a_server_has_the_port_that_the_scheme_does_not_say(
    name: str, port: str, scheme: str, host: str
) -> None:
    assert host_of_server(name, port, scheme) == host
