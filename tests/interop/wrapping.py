"""What the tests of other people's middlewares share, of either gateway: the table of them, and what shows their work."""

import logging
from collections.abc import Callable
from typing import Any

import pytest

from ambi import Request
from tests.interop.ours import Ours

Wrap = Callable[[Any, Ours], tuple[Any, Any]]

QUIET = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # what other packages use is their affair
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]


class Wrappers(dict[str, Wrap]):
    """How an application is wrapped by a package, by its name, and how that shows."""

    def note(self, name: str) -> Callable[[Wrap], Wrap]:
        """Take note of a package."""

        def noted(wrap: Wrap) -> Wrap:
            self[name] = wrap
            return wrap

        return noted

    def put(self, name: str, ours: Ours, side: str) -> tuple[Any, Any]:
        """Put one around the application, or around the side of it that is named; give what is served, and the effect."""
        if not side:
            return self[name](ours.app, ours)
        wrapped, effect = self[name](getattr(ours.app, side), ours)
        setattr(ours.app, side, wrapped)
        return ours.app, effect


def ways(side: str) -> list[Any]:
    """Give the two ways to wrap an application, as `Wrappers.put` takes them."""
    return [pytest.param("", id="around app"), pytest.param(side, id=f"assigned to app.{side}")]


def count_in_session(ours: Ours, key: str) -> None:
    """Add pages of both colours that count in the session that a middleware keeps under a key."""

    def count(request: Request) -> str:
        session = request.native[key]
        session["count"] = session.get("count", 0) + 1
        return str(session["count"])

    async def count_async(request: Request) -> str:
        return count(request)

    ours.app.get("/session")(count)
    ours.app.get("/session-async")(count_async)


def session_cookie(answer: Any) -> dict[str, str]:
    """Give the fields of a request that comes back with the session of an answer."""
    return {"cookie": answer.headers["set-cookie"].partition(";")[0]}


def logger_of_lines(name: str) -> tuple[list[str], logging.Logger]:
    """Make a logger, and the list to which it writes."""
    lines: list[str] = []
    logger, handler = logging.getLogger(name), logging.Handler()
    logger.setLevel(logging.INFO)
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logger.addHandler(handler)
    return lines, logger


def traced(ours: Ours) -> tuple[Any, Any]:
    """Let a look of the application give the trace that it is in; give a provider, and where its spans are."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    ours.look = lambda: trace.get_current_span().get_span_context().trace_id
    return provider, exporter


def client_of_elastic() -> Any:
    """Give the one client of Elastic in this process, which sends nothing."""
    import elasticapm

    return elasticapm.get_client() or elasticapm.Client(service_name="x", disable_send=True, metrics_interval="0ms")
