import functools
import pickle
from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ambi.core.errors import ConfigurationError, HTTPError, describe, quote_for_log

# --- answers ---


def test_an_error_says_what_it_is() -> None:
    error = HTTPError(404, "no such user", headers={"retry-after": "1"}, extensions={"id": 7})
    assert (error.status, error.title, error.detail, error.type) == (404, "Not Found", "no such user", "about:blank")
    assert str(error) == "404 Not Found: no such user"
    assert str(HTTPError(404)) == "404 Not Found"
    assert str(HTTPError(499)) == "499 Error"
    assert str(HTTPError(400, title="Bad basket")) == "400 Bad basket"


@pytest.mark.parametrize("status", [0, 99, 200, 304, 399, 600, -404])
def test_an_error_has_an_error_status(status: int) -> None:
    with pytest.raises(ValueError, match=f"from 400 to 599, not {status}; return a Response instead"):
        HTTPError(status)


@pytest.mark.parametrize("status", [400, 418, 499, 500, 599])
def test_every_error_status_may_be_raised(status: int) -> None:
    assert HTTPError(status).status == status


def test_an_error_survives_another_process() -> None:
    error = pickle.loads(pickle.dumps(HTTPError(429, "slow down", headers={"retry-after": "1"}, title="Busy")))
    assert (error.status, error.detail, error.headers, error.title) == (429, "slow down", {"retry-after": "1"}, "Busy")


# --- where a function of the user stands ---


def plain() -> None: ...


def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any) -> Any:
        return function(*args)

    return wrapper


class Empty: ...


class Task:
    def __call__(self) -> None: ...

    def method(self) -> None: ...


HERE = __file__
PLAIN = f"plain ({HERE}:{plain.__code__.co_firstlineno})"


@pytest.mark.parametrize(
    ("function", "described"),
    [
        (plain, PLAIN),
        (decorated(plain), PLAIN),
        (decorated(decorated(plain)), PLAIN),
        (functools.partial(plain), PLAIN),
        (functools.partial(decorated(functools.partial(plain))), PLAIN),
        (Task().method, f"Task.method ({HERE}:{Task.method.__code__.co_firstlineno})"),
        (len, "len"),
        (Empty, "Empty"),
        ("text", "'text'"),
    ],
)
def test_a_function_is_described_by_name_file_and_line(function: object, described: str) -> None:
    assert describe(function) == described


def test_a_callable_object_is_described_by_the_line_of_its_call() -> None:
    assert describe(Task()).endswith(f" ({HERE}:{Task.__call__.__code__.co_firstlineno})")


def test_an_object_that_has_every_attribute_is_described() -> None:
    assert "Mock" in describe(Mock())


def test_a_wrong_configuration_names_the_place() -> None:
    assert str(ConfigurationError.at(plain, "it is wrong")) == f"{PLAIN}: it is wrong"


# --- client text in logs ---


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text / 1=2", "plain text / 1=2"),
        ("ü€😀", "ü€😀"),
        ("a\r\nERROR forged", "a\\r\\nERROR forged"),
        ("\x1b[2J\x07", "\\x1b[2J\\x07"),
        ("\x00\x7f\x85\xa0", "\\x00\\x7f\\x85\\xa0"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\u2028\u2066\u200b\ufeff", "\\u2028\\u2066\\u200b\\ufeff"),
        ("\ud800", "\\ud800"),
        (HTTPError(400, "a\nb"), "400 Bad Request: a\\nb"),
        (None, "None"),
    ],
)
def test_client_text_in_a_log_is_one_line_that_shows_what_it_holds(text: object, shown: str) -> None:
    assert quote_for_log(text) == shown


@given(st.text(max_size=50))
def test_no_client_text_writes_a_line_of_its_own(text: str) -> None:
    shown = quote_for_log(text)
    assert shown.isprintable()
    assert len(shown.splitlines()) <= 1


def test_long_client_text_is_cut() -> None:
    assert quote_for_log("x" * 1024) == "x" * 1024
    assert quote_for_log("x" * 1025) == "x" * 1024 + "…"
    assert quote_for_log("abc", 2) == "ab…"
    assert len(quote_for_log("\0" * 10**6)) < 5000
