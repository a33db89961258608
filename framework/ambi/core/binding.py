"""Binding: from a handler's signature to one call that gives it what it asks for, decided when it is registered.

A parameter is a name of the path, or annotated `Request` or `BodyStream`, or `WebSocket` where the route is one, or
`Annotated[Type, provider]` with a layer that has a value for it; parameters named `request`, `ws` and `websocket` may
go without annotation. Anything else is an error at registration, with the file and line of the function.
"""

from __future__ import annotations

import inspect
from functools import partial
from typing import Annotated, get_args, get_origin

from .body import BodyStream, CountedSource
from .errors import ConfigurationError
from .middleware import Provider
from .request import Request
from .websocket import WebSocket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    Getter = Callable[[Request], Any]


def is_async(function: Callable[..., Any]) -> bool:
    """Tell whether calling `function` gives a coroutine. The one test of colour there is."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(_call_of(function))


def is_generator(function: Callable[..., Any]) -> bool:
    """Tell whether calling `function` gives a generator."""
    return inspect.isgeneratorfunction(function) or inspect.isgeneratorfunction(_call_of(function))


def is_async_generator(function: Callable[..., Any]) -> bool:
    """Tell whether calling `function` gives an async generator."""
    return inspect.isasyncgenfunction(function) or inspect.isasyncgenfunction(_call_of(function))


def _call_of(function: Callable[..., Any]) -> Any:
    """Give the `__call__` of a callable object, whose colour is its own."""
    return getattr(type(function), "__call__", None)


def parameters_of(
    function: Callable[..., Any], local_names: Mapping[str, Any], *, resolve: bool = True
) -> dict[str, Any]:
    """Give the parameters of a user's function with their annotations, strings resolved.

    Args:
        function: a function, method or callable object.
        local_names: the local names where it was registered, for annotations written as strings in a factory.
        resolve: read the annotations too.

    Raises:
        ConfigurationError: the signature cannot be read, or takes `*args` or `**kwargs`.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError) as exc:
        raise ConfigurationError.at(function, f"its signature cannot be read: {exc}") from exc
    found: dict[str, Any] = {}
    for parameter in signature.parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise ConfigurationError.at(
                function,
                f"the parameter {parameter} takes anything; name each parameter (a decorator must use functools.wraps)",
            )
        found[parameter.name] = _resolve(function, parameter, local_names) if resolve else None
    return found


def _resolve(function: Callable[..., Any], parameter: inspect.Parameter, local_names: Mapping[str, Any]) -> Any:
    annotation = parameter.annotation
    if annotation is parameter.empty:
        return None
    if isinstance(annotation, str):
        try:
            annotation = eval(annotation, _globals_of(function), dict(local_names))  # noqa: S307  # the developer's own text
        except Exception as exc:
            raise ConfigurationError.at(
                function, f"the annotation {annotation!r} of {parameter.name!r} cannot be resolved: {exc}"
            ) from exc
    if get_origin(annotation) is Annotated:
        plain, *notes = get_args(annotation)
        return next((note for note in notes if isinstance(note, Provider)), plain)
    return annotation


def _globals_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Give the names known where the function itself is written: inside wrappers, partials and callable objects."""
    inner: Any = inspect.unwrap(function)
    while isinstance(inner, partial):
        inner = inspect.unwrap(inner.func)
    if not hasattr(inner, "__globals__"):
        inner = inspect.unwrap(_call_of(inner))
    return dict(getattr(inner, "__globals__", {}))


def bind(
    function: Callable[..., Any], parameters: Mapping[str, Any], path_names: Sequence[str], *, websocket: bool = False
) -> tuple[Callable[[Request], Any], bool]:
    """Make the call of a handler; `websocket` says that it is one of a WebSocket.

    Returns:
        A function of the request that calls the handler, and whether the handler streams the body itself.

    Raises:
        ConfigurationError: a parameter that nothing can be given for, or two of them that stream the body.
    """
    getters: list[Getter] = []
    streams = False
    for name, annotation in parameters.items():
        if name in path_names:
            getters.append(_value_getter(path_names.index(name)))
        elif is_request(name, annotation):
            getters.append(_the_request)
        elif websocket and is_websocket(name, annotation):
            getters.append(_the_websocket)
        elif annotation is BodyStream and not websocket:
            if streams:
                raise ConfigurationError.at(function, "it takes two BodyStreams; a body can be streamed once")
            streams = True
            getters.append(_body_stream)
        elif isinstance(annotation, Provider):
            getters.append(annotation.value_of)
        else:
            kinds = "Request or WebSocket" if websocket else "Request or BodyStream"
            raise ConfigurationError.at(function, _unknown(name, annotation, path_names, kinds))
    in_order = [name for name in parameters if name in path_names] == list(path_names)
    return _call(function, getters, len(path_names), in_order), streams


def is_request(name: str, annotation: Any) -> bool:
    """Tell whether a parameter asks for the request."""
    return annotation is Request or (annotation is None and name == "request")


def is_websocket(name: str, annotation: Any) -> bool:
    """Tell whether a parameter asks for the WebSocket."""
    return annotation is WebSocket or (annotation is None and name in ("ws", "websocket"))


def _unknown(name: str, annotation: Any, path_names: Sequence[str], kinds: str) -> str:
    if annotation is WebSocket:
        return f"it takes a WebSocket as {name!r}, which only a handler registered with @app.websocket(...) is given"
    if name in ("self", "cls"):
        return f"it takes {name!r}: register the bound method, or a whole object with app.resource()"
    shown = f"{name}: {getattr(annotation, '__name__', annotation)}" if annotation is not None else name
    known = ", ".join(f"{n!r}" for n in path_names) or "none"
    return (
        f"nothing can be given for the parameter {shown!r}; parameters of the path are {known};"
        f" others are annotated {kinds}"
    )


def _the_request(request: Request) -> Request:
    return request


def _the_websocket(request: Request) -> WebSocket:
    return request._websocket


def _body_stream(request: Request) -> BodyStream:
    if not request._has_body:
        return BodyStream(None)
    limit = request.route.max_body_bytes if request.route is not None else None
    return BodyStream(CountedSource(request._edge.body_source(request), limit or request.limits.max_body_bytes))


def _value_getter(index: int) -> Getter:
    return lambda request: request._values[index]


def _call(function: Callable[..., Any], getters: list[Getter], count: int, in_order: bool) -> Callable[[Request], Any]:
    """Make the cheapest call for what is asked; the common shapes build no list of arguments.

    `count` is how many parameters the path has, and `in_order` says that the function takes all of them in its order.
    """
    parameters = inspect.signature(function).parameters
    keyword_only = [p.name for p in parameters.values() if p.kind is p.KEYWORD_ONLY]
    if keyword_only:
        names = list(parameters)
        first = len(names) - len(keyword_only)
        return lambda request: function(
            *[get(request) for get in getters[:first]],
            **{name: get(request) for name, get in zip(names[first:], getters[first:], strict=True)},
        )
    if not getters:
        return lambda request: function()
    if getters == [_the_request]:
        return function
    rest = getters[1:] if getters[0] is _the_request else getters
    only_values = in_order and len(rest) == count
    if only_values and rest is getters:
        return lambda request: function(*request._values)
    if only_values:
        return lambda request: function(request, *request._values)
    return lambda request: function(*[get(request) for get in getters])
