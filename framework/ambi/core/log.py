"""The loggers, and what is said on them.

    ambi.error      crashes, at error level, with traceback; what was left behind when the server stopped
    ambi.request    refused requests, at info level; clients that left, at debug level
    ambi.access     a line a request          (features/access_log.py)
    ambi.sessions   what became of a session, that nobody has asked for
    ambi.slow       what held the event loop  (bridge/slow_steps.py)

These names stay. `logging` is loaded with the first line written: an application that never fails never pays for it.

Facts
- A crash is logged once, here, with the route and the id of its request in the line, and again as attributes of the
  record, for handlers that keep fields apart: `request_id`, `trace_id`, `method`, `path`, `route`, `route_name`,
  `handler`.
- An exception that a stream raises after its first item goes on to the server, which can do no more than cut the
  connection. It would log it a second time: so its logger is told to pass over what is logged already.
- Neither query nor header fields are written anywhere: they hold what nobody should read in a log.
- So may a path, such as that of a password reset: where a parameter of the route has such a name, the route's template
  stands in its place. So it does where the request missed the route by its method, or by a slash at the end: the secret
  is as good as in one that did not.
- Words of a line are split at spaces, so what a client sent is one word of it. A field of a record needs no such care.
"""

from __future__ import annotations

from .errors import HTTPError, describe, quote_for_log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .request import Request
    from .routing import Route

SECRET_PARAMS = frozenset(("token", "secret", "key", "password", "code", "signature", "otp"))
"""Parameters of routes whose values are in no log."""


def shown_path(request: Request) -> str:
    """Give the path as it may stand in a log."""
    return quote_for_log(template_for(request, SECRET_PARAMS) or request.path)


def template_for(request: Request, secret_params: frozenset[str]) -> str | None:
    """Give the template to show instead of a path that holds a secret; None where the path may be shown."""
    routes = (request.route,) if request.route is not None else _missed_by(request)
    for route in routes:
        if not secret_params.isdisjoint(route.param_names):
            return route.path
    return None


def _missed_by(request: Request) -> Iterator[Route]:
    """Give the routes of its path that a request missed: by its method, or by a slash at the end."""
    for endpoints in getattr(request, "_missed", ()):
        yield from endpoints.values()


def as_word(quoted: str) -> str:
    """Make quoted text one word of a line, so that it cannot be taken for the words that follow it."""
    return quoted.replace(" ", r"\x20")


def asked(request: Request) -> str:
    """Give the method and the path of a request, as a line begins with them."""
    return f"{as_word(quote_for_log(request.method, 40))} {as_word(shown_path(request))}"


def log_crash(request: Request, error: BaseException, where: str) -> None:
    """Write the one error line of an unexpected exception."""
    import logging

    named = _named(request)  # the id is made now, if nobody asked before: what is in the line can be found elsewhere
    fields = fields_of(request)
    handler = "" if fields["handler"] is None or fields["handler"] in where else f", of {fields['handler']}"
    logging.getLogger("ambi.error").error(
        "%s crashed in %s%s %s", asked(request), where, handler, named,
        exc_info=(type(error), error, error.__traceback__), extra=fields,
    )  # fmt: skip


def log_not_shown(request: Request, why: str) -> None:
    """Warn that a crash was not shown to who asked, though the application is in debug."""
    import logging

    logging.getLogger("ambi.request").warning(
        "%s: the debug page was not shown: %s",
        asked(request), why, extra=fields_of(request),
    )  # fmt: skip


def _named(request: Request) -> str:
    """Give the route and the id of a request, as a line ends with them."""
    route = request.route
    return f"route={route.path} name={route.name} id={request.id}" if route is not None else f"id={request.id}"


def fields_of(request: Request) -> dict[str, Any]:
    """Give what a record is told of a request, as attributes: None for what there is not."""
    route, trace = request.route, getattr(request, "_trace", None)
    return {
        "request_id": None if trace is None else trace.request_id,
        "trace_id": None if trace is None else trace.trace_id,
        "method": quote_for_log(request.method, 40),
        "path": shown_path(request),
        "route": None if route is None else route.path,
        "route_name": None if route is None else route.name,
        "handler": None if route is None else describe(route.handler),
    }


def log_raised(request: Request, error: Exception) -> None:
    """Write the one line of an exception that the server gets as well; its own logger passes over it.

    A refusal that comes too late to be sent, of a body that a stream reads, is the client's fault as any other.
    """
    import logging

    if isinstance(error, HTTPError) and error.status < 500:
        log_refusal(request, error)
    else:
        log_crash(request, error, "the sending of its answer")
    error.__dict__[_IS_LOGGED] = True  # as an attribute a frozen dataclass would refuse it
    for name in SERVER_LOGGERS:
        if name in logging.root.manager.loggerDict:
            logging.getLogger(name).addFilter(_is_news)


_IS_LOGGED = "_ambi_is_logged"
SERVER_LOGGERS = ("uvicorn.error", "gunicorn.error", "hypercorn.error", "daphne.server", "_granian", "waitress")
"""Where servers log what an application raises."""


def is_logged(error: BaseException | None) -> bool:
    """Tell whether an exception that the server gets has been logged already."""
    return error is not None and _IS_LOGGED in error.__dict__  # a `__getattr__` of its own may have every name


def _is_news(record: Any) -> bool:
    """Pass over a record whose exception has been logged."""
    return not (record.exc_info and is_logged(record.exc_info[1]))


def log_refusal(request: Request, error: HTTPError) -> None:
    """Write the one info line of a request that was refused."""
    import logging

    logging.getLogger("ambi.request").info(
        "%s: %s",
        asked(request),
        quote_for_log(error),
        extra=fields_of(request),
    )


def log_timeout(request: Request, where: str, timeout_s: float) -> None:
    """Write the one warning of a handler that was cancelled, as its time was up."""
    import logging

    logging.getLogger("ambi.request").warning(
        "%s: %s was cancelled after %g s",
        asked(request), where, timeout_s, extra=fields_of(request),
    )  # fmt: skip


def log_disconnect(request: Request) -> None:
    """Note at debug level that a client left before its request was complete."""
    import logging

    logging.getLogger("ambi.request").debug("%s: the client left", asked(request), extra=fields_of(request))


def log_left(request: Request, error: Exception) -> None:
    """Note at info level how a mounted application took the news that its client had left."""
    import logging

    logging.getLogger("ambi.request").info(
        "%s: the client left, and the application there raised %s",
        asked(request), quote_for_log(repr(error)), extra=fields_of(request),
    )  # fmt: skip


def log_cut(request: Request) -> None:
    """Warn that a stream was cut, unfinished, since the server stops."""
    import logging

    logging.getLogger("ambi.request").warning(
        "%s: the stream was cut, as the server stops",
        asked(request), extra=fields_of(request),
    )  # fmt: skip


def log_slow(request: Request, took_s: float, where: str, mend: str) -> None:
    """Warn, in debug, of code that held the event loop."""
    import logging

    named = _named(request)
    logging.getLogger("ambi.slow").warning(
        "%s held the event loop for %.2f s in %s; all other requests waited meanwhile. To mend it, %s. %s",
        asked(request), took_s, where, mend, named,
        extra=fields_of(request),
    )  # fmt: skip


def log_left_behind(what: str) -> None:
    """Warn of work in the background that did not end within the time a stop has."""
    import logging

    logging.getLogger("ambi.error").warning("%s did not end in time and was left behind", what)


def log_any_host(request: Request) -> None:
    """Warn, once an application, that it answers whatever host a client names."""
    import logging

    logging.getLogger("ambi.request").warning(
        "a request for the host %s is answered, as any would be: links and redirects are made of what the client says."
        " Name the hosts of this site: App(allowed_hosts=['example.com'])", quote_for_log(request.host, 100)
    )  # fmt: skip


def log_redirect_loop(request: Request) -> None:
    """Warn, once an application, of a proxy that speaks TLS and is not believed: the redirect leads back to here."""
    import logging

    logging.getLogger("ambi.request").warning(
        "%s is redirected to https though its X-Forwarded-Proto says that it came so: if a proxy in front wrote that,"
        " this goes round in circles until the application is told to believe the proxy", as_word(shown_path(request))
    )  # fmt: skip


def log_ignored_cookies(request: Request) -> None:
    """Note at debug level that cookies beyond the limits were not read."""
    import logging

    logging.getLogger("ambi.request").debug("%s: cookies beyond the limits are ignored", as_word(shown_path(request)))


def log_unreadable(request: Request, error: OSError) -> None:
    """Write the one warning of a file that is there and must not be read: the client is told that there is none."""
    import logging

    logging.getLogger("ambi.request").warning(
        "%s: %s",
        asked(request),
        quote_for_log(error),
        extra=fields_of(request),
    )


def log_without_lifespan(application: str, error: Exception) -> None:
    """Note at info level that a mounted application is served without start-up and shutdown: it knows of none."""
    import logging

    logging.getLogger("ambi.request").info("the mounted %s runs without a lifespan: %r", application, error)


def log_failure(what: str, error: BaseException) -> None:
    """Write the one error line of a failure that no client sees."""
    import logging

    logging.getLogger("ambi.error").error(what, exc_info=(type(error), error, error.__traceback__))


def log_begun_anew(why: Exception) -> None:
    """Warn that what is kept of a session is not what sessions write, though it was signed with their key."""
    import logging

    logging.getLogger("ambi.sessions").warning("a session cannot be read, and begins anew: %s", quote_for_log(why))
