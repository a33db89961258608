"""What is mounted shows whether it is a WSGI or an ASGI application; what does not show it is asked about."""

import functools
import operator
from typing import Any

import pytest

from ambi import App, ConfigurationError
from ambi.features.mount.detecting import interface_of


def wsgi(environ: Any, start_response: Any) -> list[bytes]:
    return []


async def asgi(scope: Any, receive: Any, send: Any) -> None: ...


def plain_asgi(scope: Any, receive: Any, send: Any) -> Any:
    return asgi(scope, receive, send)


class WSGI:
    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        return []

    def method(self, environ: Any, start_response: Any) -> list[bytes]:
        return []


class ASGI:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...

    async def method(self, scope: Any, receive: Any, send: Any) -> None: ...


def more(first: int, environ: Any, start_response: Any, last: int = 0) -> list[bytes]:
    return []


def anything(*args: Any) -> Any: ...


def two_or_three(first: Any, second: Any, third: Any = None) -> Any: ...


@functools.wraps(wsgi)
def wrapped(*args: Any) -> Any:
    return wsgi(*args)


@pytest.mark.parametrize(
    "application", [wsgi, WSGI(), WSGI().method, functools.partial(more, 1, last=2), lambda e, s: [], wrapped],
    ids=["function", "object", "method", "partial", "lambda", "wrapped"],
)  # fmt: skip
def test_a_wsgi_application_takes_two_arguments(application: Any) -> None:
    assert interface_of("/x", application, None) == "wsgi"


@pytest.mark.parametrize(
    "application", [asgi, ASGI(), ASGI().method, plain_asgi, functools.partial(asgi), App().asgi],
    ids=["function", "object", "method", "def", "partial", "ours"],
)  # fmt: skip
def test_an_asgi_application_takes_three_or_is_async(application: Any) -> None:
    assert interface_of("/x", application, None) == "asgi"


@pytest.mark.parametrize("application", [anything, two_or_three, operator.itemgetter, print], ids=repr)
def test_what_shows_neither_is_asked_about(application: Any) -> None:
    if isinstance(application, type):
        with pytest.raises(ConfigurationError, match="was given a class"):
            interface_of("/x", application, None)
        return
    with pytest.raises(ConfigurationError, match="say interface='wsgi' or interface='asgi'"):
        interface_of("/x", application, None)
    assert interface_of("/x", application, "wsgi") == "wsgi"
    assert interface_of("/x", application, "asgi") == "asgi"


def test_a_function_of_one_argument_is_neither() -> None:
    with pytest.raises(ConfigurationError, match="cannot be told"):
        App().mount("/x", lambda scope: scope)


def test_an_interface_that_there_is_not() -> None:
    with pytest.raises(ConfigurationError, match="'wsgi' or 'asgi' was expected"):
        App().mount("/x", wsgi, interface="cgi")  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"interface": "wsgi"}, {"max_body_bytes": 1}, {"csrf": True}])
def test_an_app_has_both_interfaces_limits_and_checks_of_its_own(options: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"{next(iter(options))}= is for other applications"):
        App().mount("/x", App(), **options)


def test_a_guest_cannot_be_checked_where_nothing_is() -> None:
    with pytest.raises(ConfigurationError, match=r"App\(csrf=False\) checks nothing"):
        App(csrf=False).mount("/x", wsgi, csrf=True)


@pytest.mark.parametrize("limit", [0, -1, "1"])
def test_a_limit_is_a_positive_number(limit: Any) -> None:
    with pytest.raises(ConfigurationError, match="must be a positive int"):
        App().mount("/x", wsgi, max_body_bytes=limit)
