"""Binding: from a handler's signature to one call that gives it what it asks for, decided when it is registered.

A parameter is a name of the path, or annotated `Request` or `BodyStream`, or `WebSocket` where the route is one, or
`Annotated[Type, provider]` with a layer that has a value for it; parameters named `request`, `ws` and `websocket` may
go without annotation. What else is annotated is for `features/typed` to give; what is not is an error at registration,
with the file and line of the function.
"""

from __future__ import annotations

import inspect
from functools import partial
from types import UnionType
from typing import Annotated, Any, NamedTuple, TypeVar, Union, get_args, get_origin

from .body import BodyStream, CountedSource
from .errors import ConfigurationError
from .middleware import Provider
from .request import Request
from .response import Response
from .websocket import WebSocket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .contract import Contract
    from .middleware import Layer

    Getter = Callable[[Request], Any]


class Bound(NamedTuple):
    """How a handler is called, and what was read from its signature.

    Attributes:
        call: calls the handler with what it asks for.
        streams_body: it streams the body itself.
        layers: what has to be open around it, outermost first: the providers of what it asks for.
        answer: makes the response of what it returned, where its annotation says how; None leaves that to the value.
        contract: what it takes and gives, for those who describe it; None where its signature says no more than its
            path.
    """

    call: Callable[[Request], Any]
    streams_body: bool
    layers: tuple[Layer, ...] = ()
    answer: Callable[[Request, Any], Response] | None = None
    contract: Contract | None = None


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
    """Give the parameters of a user's function with their annotations, strings resolved; None for those without.

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
        annotation = parameter.annotation if resolve else parameter.empty
        found[parameter.name] = _resolve(function, annotation, repr(parameter.name), local_names)
    return found


def annotations_of_provider(function: Callable[..., Any]) -> dict[str, Any]:
    """Give the parameters of what makes a value: a function, or a class, of which they are those of its `__init__`.

    Raises:
        ConfigurationError: as `parameters_of`.
    """
    if not isinstance(function, type):
        return parameters_of(function, {})
    names = inspect.signature(function).parameters
    init: Any = vars(function).get("__init__", function.__init__)  # type: ignore[misc]  # of this very class
    return {name: note for name, note in parameters_of(init, {}).items() if name in names}


def returns_of(function: Callable[..., Any], local_names: Mapping[str, Any]) -> Any:
    """Give what a user's function says that it returns, strings resolved; `Any` where it says nothing.

    Raises:
        ConfigurationError: the annotation cannot be resolved.
    """
    annotation = inspect.signature(function).return_annotation
    if annotation is inspect.Signature.empty:
        return Any
    found = _resolve(function, annotation, "what it returns", local_names)
    return type(None) if found is None else found


def _resolve(function: Callable[..., Any], annotation: Any, of: str, local_names: Mapping[str, Any]) -> Any:
    if annotation is inspect.Parameter.empty:
        return None
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, _globals_of(function), dict(local_names))  # noqa: S307  # the developer's own text
    except Exception as exc:
        hint = "; is it imported for type checkers only?" if isinstance(exc, NameError) else ""
        raise ConfigurationError.at(
            function, f"the annotation {annotation!r} of {of} cannot be resolved: {exc}{hint}"
        ) from exc


def plain(annotation: Any) -> Any:
    """Give an annotation without the notes of an `Annotated`; where one of those has a value for it, that one."""
    if get_origin(annotation) is not Annotated:
        return annotation
    inner, *notes = get_args(annotation)
    return next((note for note in notes if isinstance(note, Provider)), inner)


def _globals_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Give the names known where the function itself is written: inside wrappers, partials and callable objects."""
    inner: Any = inspect.unwrap(function)
    while isinstance(inner, partial):
        inner = inspect.unwrap(inner.func)
    if not hasattr(inner, "__globals__"):
        inner = inspect.unwrap(_call_of(inner))
    return dict(getattr(inner, "__globals__", {}))


def is_plain(parameters: Mapping[str, Any], returns: Any, path_names: Sequence[str], *, websocket: bool) -> bool:
    """Tell whether a signature asks for nothing but what the core gives, and says nothing of what it returns.

    A parameter without annotation, for which there is nothing, is plain: `bind` says so.
    """
    for name, annotation in parameters.items():
        if name in path_names:
            if get_origin(annotation) is Annotated:
                return False
        elif annotation in (None, WebSocket, BodyStream):
            continue
        elif getter_for(name, annotation, path_names, websocket=websocket) is None:
            return False
    return websocket or is_plain_return(returns)


_SAYS_ITSELF = (Any, object, type(None), str, bytes, dict, list, tuple)
_PLAIN_DATA = (*_SAYS_ITSELF, None, int, float, bool, ...)
_STREAMS = frozenset(("Iterator", "Iterable", "Generator", "AsyncIterator", "AsyncIterable", "AsyncGenerator"))


def is_plain_return(annotation: Any) -> bool:
    """Tell whether a value says itself what becomes of it: text, bytes, a Response, plain data, a stream of text."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return all(map(is_plain_return, args))
    if is_stream(origin):
        return args[0] in (Any, object, str, bytes)
    if origin in (dict, list, tuple):
        return all(map(_is_plain_data, args))
    return annotation in _SAYS_ITSELF or is_stream(annotation) or is_response(annotation)


def _is_plain_data(annotation: Any) -> bool:
    args = get_args(annotation)
    if args and get_origin(annotation) in (dict, list, tuple, Union, UnionType):
        return all(map(_is_plain_data, args))
    return isinstance(annotation, TypeVar) or annotation in _PLAIN_DATA


def is_response(kind: Any) -> bool:
    """Tell whether a type is a kind of `Response`."""
    return isinstance(kind, type) and issubclass(kind, Response)


def is_stream(kind: Any) -> bool:
    """Tell whether a type is one of what can be iterated, without that of its items: `Iterator` and its kind."""
    return getattr(kind, "__module__", "") == "collections.abc" and getattr(kind, "__name__", "") in _STREAMS


def bind(
    function: Callable[..., Any], parameters: Mapping[str, Any], path_names: Sequence[str], *, websocket: bool = False
) -> Bound:
    """Make the call of a handler; `websocket` says that it is one of a WebSocket.

    Raises:
        ConfigurationError: a parameter that nothing can be given for, or two of them that stream the body.
    """
    getters: dict[str, Getter] = {}
    for name, annotation in parameters.items():
        getter = getter_for(name, annotation, path_names, websocket=websocket)
        if getter is None:
            raise ConfigurationError.at(function, unknown(name, annotation, path_names, websocket=websocket))
        getters[name] = getter
    return Bound(call_with(function, getters, path_names), check_streams(function, getters))


def getter_for(name: str, annotation: Any, path_names: Sequence[str], *, websocket: bool = False) -> Getter | None:
    """Give what gets a parameter that the core knows; None for any other."""
    kind = plain(annotation)
    if name in path_names:
        return _value_getter(path_names.index(name))
    if is_request(name, kind):
        return _the_request
    if websocket and is_websocket(name, kind):
        return _the_websocket
    if kind is BodyStream and not websocket:
        return _body_stream
    return kind.value_of if isinstance(kind, Provider) else None


def check_streams(function: Callable[..., Any], getters: Mapping[str, Getter]) -> bool:
    """Tell whether one of the parameters streams the body. Raises: ConfigurationError for two that do."""
    count = list(getters.values()).count(_body_stream)
    if count > 1:
        raise ConfigurationError.at(function, "it takes two BodyStreams; a body can be streamed once")
    return count == 1


def is_request(name: str, annotation: Any) -> bool:
    """Tell whether a parameter asks for the request."""
    return annotation is Request or (annotation is None and name == "request")


def is_websocket(name: str, annotation: Any) -> bool:
    """Tell whether a parameter asks for the WebSocket."""
    return annotation is WebSocket or (annotation is None and name in ("ws", "websocket"))


def unknown(name: str, annotation: Any, path_names: Sequence[str], *, websocket: bool = False) -> str:
    """Say that nothing can be given for a parameter, and what can."""
    kinds = "Request or WebSocket" if websocket else "Request or BodyStream"
    if annotation is WebSocket:
        return f"it takes a WebSocket as {name!r}, which only a handler registered with @app.websocket(...) is given"
    if name in ("self", "cls"):
        return f"it takes {name!r}: register the bound method, or a whole object with app.resource()"
    shown = f"{name}: {getattr(annotation, '__name__', annotation)}" if annotation is not None else name
    known = ", ".join(f"{n!r}" for n in path_names) or "none"
    return (
        f"nothing can be given for the parameter {shown!r}; parameters of the path are {known};"
        f" others are annotated {kinds}, or with what they are read as"
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


def call_with(
    function: Callable[..., Any], getters: Mapping[str, Getter], path_names: Sequence[str] = ()
) -> Callable[[Request], Any]:
    """Make the cheapest call for what is asked, parameters in the function's order; common shapes build no list."""
    parameters = inspect.signature(function).parameters
    keyword_only = [p.name for p in parameters.values() if p.kind is p.KEYWORD_ONLY]
    if keyword_only:
        named = {name: getters[name] for name in keyword_only}
        others = [get for name, get in getters.items() if name not in named]
        return lambda request: function(
            *[get(request) for get in others],
            **{name: get(request) for name, get in named.items()},
        )
    gets = list(getters.values())
    if not gets:
        return lambda request: function()
    if gets == [_the_request]:
        return function
    rest = gets[1:] if gets[0] is _the_request else gets
    in_order = [name for name in getters if name in path_names] == list(path_names)
    only_values = in_order and len(rest) == len(path_names)
    if only_values and rest is gets:
        return lambda request: function(*request._values)
    if only_values:
        return lambda request: function(request, *request._values)
    return lambda request: function(*[get(request) for get in gets])
