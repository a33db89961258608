"""Inputs that grow: ten times as much may take ten times as long, with a margin."""

from collections.abc import Callable
from typing import Any

import pytest

from ambi import App
from ambi.core.cookies import parse_cookies
from ambi.core.forms import MultipartReader
from ambi.core.limits import Limits
from ambi.core.ranges import ByteRange
from ambi.testing import Client
from ambi.testing.messages import Request
from tests.core.fakes import make_request
from tests.core.scaling import assert_linear
from tests.corpus.test_calls import covers

FORM = (
    b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n'
    b'--B\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n\r\n-\r\n--\r\r\n\r\n--B--\r\n'
)

PARSED: dict[str, list[tuple[Callable[[int], str], Callable[[str], Any]]]] = {
    "headers/accept-scan": [
        (lambda n: 'a/b;x="' + ";" * n + '"', lambda text: make_request({"accept": text}).accepts("a/b", "c/d")),
        (lambda n: "a/b," * n, lambda text: make_request({"accept": text}).accepts("a/b", "c/d")),
    ],
    "headers/options-header-escapes": [
        (lambda n: 'form-data; name="' + '\\"' * n, lambda text: make_request({"content-type": text}).content_type),
        (lambda n: '!="' + "\\" * n, lambda text: make_request({"content-type": text}).content_type),
    ],
    "headers/if-none-match": [
        (lambda n: '"a",' * n, lambda text: make_request({"if-none-match": text}).if_none_match),
    ],
    "headers/authorization-params": [
        (lambda n: 'Digest a="' + ',a="' * n, lambda text: make_request({"authorization": text}).authorization),
    ],
    "cookies/many": [
        (lambda n: "".join(f"a{number}=b;" for number in range(n)), lambda text: parse_cookies(text, n_cookies(text), len(text))),
    ],
    "range/merge": [
        (lambda n: "bytes=" + ",".join(f"{k}-{k}" for k in range(0, 2 * n, 2)), ByteRange.parse),
        (lambda n: "bytes=" + "0" * n, ByteRange.parse),
        (lambda n: "bytes=" + "0" * n + "-", ByteRange.parse),
    ],
}  # fmt: skip


def n_cookies(text: str) -> int:
    """Give as many as there are, so that no limit helps."""
    return text.count(";")


@covers(*PARSED)
@pytest.mark.parametrize("inputs", PARSED.values(), ids=PARSED)
def test_a_parser_takes_linear_time(inputs: list[tuple[Callable[[int], str], Callable[[str], Any]]]) -> None:
    for make, parse in inputs:
        assert_linear(make, parse)


@covers("cookies/many")
def test_cookies_have_a_limit() -> None:
    header = "".join(f"a{number}=b;" for number in range(10_000))
    assert len(make_request({"cookie": header}).cookies) <= 200


@covers("headers/repeated-join")
@pytest.mark.parametrize("gateway", ["wsgi", "asgi"])
def test_many_lines_of_one_field_take_linear_time(gateway: Any) -> None:
    """A WSGI server has joined them before; an ASGI server hands them on one by one."""
    app = App()
    app.get("/")(lambda: "ok")
    client = Client(app, gateway)

    def make(count: int) -> Request:
        lines = [("x-a", ", ".join(["a"] * count))] if gateway == "wsgi" else [("x-a", "a")] * count
        return Request("GET", "http", "localhost", "/", header_lines=[("host", "localhost"), *lines])

    def send(request: Request) -> None:
        assert client.send(request).status_code in (200, 431)

    with client:
        assert_linear(make, send, size=2000)


@covers("multipart/chunk-splits")
def test_a_form_is_the_same_however_it_is_cut() -> None:
    def read(*chunks: bytes) -> list[Any]:
        reader = MultipartReader("B", Limits())
        for chunk in chunks:
            reader.feed(chunk)
        form = reader.finish()
        found = [(name, value if isinstance(value, str) else value.read()) for name, value in form.pairs()]
        form.close()
        return found

    whole = read(FORM)
    assert whole == [("a", "x"), ("f", b"\r\n-\r\n--\r\r\n")]
    for first in range(1, len(FORM)):
        for second in range(first, min(first + 20, len(FORM))):
            assert read(FORM[:first], FORM[first:second], FORM[second:]) == whole, (first, second)
