"""From an exception to a response: the user's handlers, nearest first, and the rendering of what they leave."""

from __future__ import annotations

from .errors import REASONS, ConfigurationError, HTTPError
from .json import StandardJSON
from .log import log_failure
from .negotiation import best_media_type
from .response import HTML_TYPE, TEXT_TYPE, Response, assemble

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from .headers import Pair
    from .request import Request

_PROBLEM_TYPE: Pair = ("content-type", "application/problem+json")
_VARY_ACCEPT: Pair = ("vary", "accept")
_OFFERS = ("application/problem+json", "application/json", "text/html", "text/plain")
_TYPES = {
    _OFFERS[0]: _PROBLEM_TYPE,
    _OFFERS[1]: _PROBLEM_TYPE,
    "text/html": HTML_TYPE,
    "text/plain": TEXT_TYPE,
}
_chosen: dict[str, str] = {}
_plain_bodies: dict[tuple[int, str], bytes] = {}
"""Of errors that say no more than their status, as the standard codec writes them: another one is asked each time."""


class ErrorHandler:
    """A user's function that makes a response of an exception.

    Raises:
        ConfigurationError: it takes neither (request, error) nor a part of them.
    """

    __slots__ = ("call", "function", "is_async")

    def __init__(self, function: Callable[..., Any]) -> None:
        from .binding import is_async, parameters_of  # loads inspect, at registration only

        self.function = function
        self.is_async = is_async(function)
        parameters = list(parameters_of(function, {}, resolve=False))
        if len(parameters) > 2:
            raise ConfigurationError.at(function, "an error handler takes (request, error), or only one of them")
        alone = len(parameters) == 1 and _asks_for_request(function, parameters[0])
        self.call: Callable[[Request, BaseException], Any] = (
            function if len(parameters) == 2
            else (lambda request, error: function(request)) if alone
            else (lambda request, error: function(error)) if parameters
            else (lambda request, error: function())
        )  # fmt: skip


def _asks_for_request(function: Callable[..., Any], name: str) -> bool:
    """Tell whether the one parameter of an error handler is the request, else it is the error."""
    from .binding import is_request, parameters_of

    try:
        return is_request(name, parameters_of(function, {})[name])
    except ConfigurationError:  # text that names something local: a class of exceptions, most often
        return is_request(name, None)


class ErrorHandlers:
    """The handlers of one router or application, by status and by exception class."""

    __slots__ = ("by_class", "by_status")

    def __init__(self) -> None:
        self.by_status: dict[int, ErrorHandler] = {}
        self.by_class: dict[type[BaseException], ErrorHandler] = {}

    def add(self, key: int | type[BaseException], function: Callable[..., Any]) -> None:
        """Take a handler for a status (400 to 599) or an exception class."""
        handlers: dict[Any, ErrorHandler] = self.by_status if isinstance(key, int) else self.by_class
        if isinstance(key, int):
            wrong = not 400 <= key <= 599
        else:
            wrong = not (isinstance(key, type) and issubclass(key, Exception))
        if wrong:
            raise ConfigurationError.at(
                function, f"@app.error takes a status from 400 to 599 or a class of exceptions, not {key!r}"
            )
        if key in handlers:
            raise ConfigurationError.at(function, f"there is a handler for {key!r} already")
        handlers[key] = ErrorHandler(function)


def find_handler(scopes: Iterable[ErrorHandlers], error: BaseException) -> ErrorHandler | None:
    """Find the nearest handler: of each scope, by status first, then by the nearest class.

    Handlers for `Exception` itself are left to `find_last_handler`: an unexpected exception travels outward through
    all layers first, so that a transaction sees it.
    """
    for scope in scopes:
        if isinstance(error, HTTPError) and error.status in scope.by_status:
            return scope.by_status[error.status]
        for kind in type(error).__mro__ if scope.by_class else ():
            if kind is Exception:
                break
            if kind in scope.by_class:
                return scope.by_class[kind]
    return None


def find_last_handler(scopes: Iterable[ErrorHandlers]) -> ErrorHandler | None:
    """Find the handler for what nothing else handled: that of `Exception`, or of status 500."""
    for scope in scopes:
        handler = scope.by_class.get(Exception) or scope.by_status.get(500)
        if handler is not None:
            return handler
    return None


def render_error(request: Request, error: HTTPError) -> Response:
    """Render an error as problem+json, HTML or text, by the client's Accept; problem+json when anything goes.

    See: RFC 9457.
    """
    response = _shown_miss(request, error) if request.app.debug and is_miss(request, error) else None
    if response is None:
        response = _rendered(request, error)
    if error.headers is not None:
        _add_headers(response, error.headers)
    return response


def is_miss(request: Request, error: Exception) -> bool:
    """Tell whether an error is that of a request which no route took, and no handler's."""
    is_answer = request.is_answered and request._answer is error
    return is_answer and isinstance(error, HTTPError) and error.status in (404, 405)


def _shown_miss(request: Request, error: HTTPError) -> Response | None:
    """Show who develops the application which routes there are; None where it is not to be seen, or cannot be."""
    try:
        return request.app.show_miss(request, error)
    except Exception as exc:
        log_failure("the debug page was not made", exc)
        return None


def _rendered(request: Request, error: HTTPError) -> Response:
    accept = request._edge.field(request, "accept")
    chosen = _OFFERS[0]
    if accept is not None:
        chosen = _chosen[accept] if accept in _chosen else _choose(accept)
    if not _is_plain(error) or request.app.json.__class__ is not StandardJSON:
        body = _render(request, error, chosen)
    elif (error.status, chosen) in _plain_bodies:
        body = _plain_bodies[error.status, chosen]
    else:
        body = _plain_bodies[error.status, chosen] = _render(request, error, chosen)
    return assemble(body, error.status, [_TYPES[chosen], _VARY_ACCEPT])


def _is_plain(error: HTTPError) -> bool:
    """Tell whether an error says no more than its status now, so that its body is that of every such error.

    What a class of the application's says is not known: its text may be made anew each time.
    """
    return (
        error.__class__ is HTTPError
        and error.detail is None
        and error.extensions is None
        and error.type == "about:blank"
        and error.status in REASONS
        and error.title == REASONS[error.status]
    )


def _render(request: Request, error: HTTPError, chosen: str) -> bytes:
    if chosen == "text/html":
        return _as_html(error).encode("utf-8", "replace")
    if chosen == "text/plain":
        return f"{error}\n".encode("utf-8", "replace")
    data = request.app.json.dumps(problem_of(error))
    return data if isinstance(data, bytes) else data.encode("utf-8", "replace")


def _add_headers(response: Response, headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if name.lower() == "vary":
            response.headers.add_vary(*(part.strip(" \t") for part in value.split(",")))
        else:
            response.headers[name] = value


def problem_of(error: HTTPError) -> Mapping[str, Any]:
    """Give the members of the problem document. See: RFC 9457 3."""
    problem: dict[str, Any] = {"type": error.type, "title": error.title, "status": error.status}
    if error.detail:
        problem["detail"] = error.detail
    return {**problem, **error.extensions} if error.extensions else problem


def _choose(accept: str) -> str:
    """Negotiate, remembering the answers of a few hundred headers: nearly all clients send one of a dozen."""
    chosen = best_media_type(accept, _OFFERS) or _OFFERS[0]
    if len(_chosen) >= 256:
        _chosen.clear()
    if len(accept) <= 512:
        _chosen[accept] = chosen
    return chosen


def _as_html(error: HTTPError) -> str:
    title = f"{error.status} {_escape(error.title)}"
    detail = f"<p>{_escape(error.detail)}</p>" if error.detail else ""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><h1>{title}</h1>{detail}</html>\n"
    )


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
