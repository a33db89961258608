"""Services that collect errors: each error is told of once, with the request, whichever way they listen.

The application answers an error with a 500, so that a wrapper sees no exception. It is told of by the line in the log,
which Sentry's client collects by itself, or by a layer of the application (docs/how-to/ecosystem.md).
"""

import warnings
from typing import Any

import anyio
import pytest

from ambi import Middleware, Request
from tests.interop.drivers import HOST, Site, ask_wsgi, in_process
from tests.interop.ours import Ours
from tests.interop.reporting import events_of_sentry

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # what other packages use is their affair


def report(request: Request) -> Middleware:
    """Tell Sentry of what no handler took."""
    import sentry_sdk

    try:
        yield
    except Exception as exc:
        sentry_sdk.capture_exception(exc)
        raise


def ask(gateway: str, app: Any, *targets: str) -> list[int]:
    """Ask an application, wrapped by Sentry, through a gateway."""
    from sentry_sdk.integrations.asgi import SentryAsgiMiddleware
    from sentry_sdk.integrations.wsgi import SentryWsgiMiddleware

    if gateway == "wsgi":
        with in_process(app):
            return [ask_wsgi(SentryWsgiMiddleware(app), target).status for target in targets]

    async def main() -> list[int]:
        site = Site(SentryAsgiMiddleware(app))
        return [(await site.ask(target)).status for target in targets]

    return anyio.run(main)


@pytest.mark.parametrize("target", ["/boom", "/boom-def"])
@pytest.mark.parametrize("gateway", ["wsgi", "asgi"])
@pytest.mark.parametrize("how", ["by its log", "by a layer", "by both"])
def test_an_error_is_told_of_once_with_its_request(how: str, gateway: str, target: str) -> None:
    ours = Ours(middleware=[] if how == "by its log" else [report])
    with events_of_sentry(plain=how == "by a layer") as events:
        assert ask(gateway, ours.app, target) == [500]
    [event] = events
    exception = event["exception"]["values"][-1]
    assert (exception["type"], exception["value"]) == ("RuntimeError", "boom")
    assert event["request"]["url"] == f"http://{HOST}{target}"


@pytest.mark.parametrize("gateway", ["wsgi", "asgi"])
def test_what_is_an_answer_is_not_told_of(gateway: str) -> None:
    ours = Ours(middleware=[report])
    with events_of_sentry() as events:
        assert ask(gateway, ours.app, "/teapot", "/nowhere", "/hello") == [418, 404, 200]
    assert events == []


@pytest.mark.parametrize("gateway", ["wsgi", "asgi"])
def test_a_stream_that_fails_is_told_of_by_the_log(gateway: str) -> None:
    ours = Ours()

    @ours.app.get("/broken")
    def broken() -> Any:
        raise RuntimeError("before the first item")
        yield

    with events_of_sentry() as events, warnings.catch_warnings():
        assert ask(gateway, ours.app, "/broken") == [500]
    [event] = events
    assert event["request"]["url"] == f"http://{HOST}/broken"
