"""What of ambi a route uses, as far as it can be seen without a request: what is not seen is not claimed.

Facts
- A generator function streams, of the colour it has. So does what is annotated to return a stream, an iterator or a
  generator, or calls `SSE`, `Stream` and the like itself; of those the colour of the items is not known.
- `request.after` and the like are seen in the code of a handler, a layer or a lifespan, as an attribute of its own
  request; what those call is not looked into.
"""

from __future__ import annotations

import collections.abc
import dis
import inspect
import sys
import types
import typing

from ..core.binding import _globals_of, is_async_generator, is_generator, is_request
from ..core.errors import innermost

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, Literal

    from ..core.plan import Plan
    from ..core.routing import Route

    Kind = Literal["events", "stream", "file", "websocket"]
    Interface = Literal["wsgi", "asgi"]
    Colour = Literal["def", "async def"]

_BODY_METHODS = frozenset(("POST", "PUT", "PATCH", "QUERY"))
_ITERATORS: dict[Any, Colour] = {
    collections.abc.Iterator: "def", collections.abc.Generator: "def",
    collections.abc.AsyncIterable: "async def", collections.abc.AsyncIterator: "async def",
    collections.abc.AsyncGenerator: "async def",
}  # fmt: skip
_CALLS = {"after": "after", "spawn": "after", "is_disconnected": "leaving"}


def response_of(route: Route) -> tuple[Kind | None, Colour | None]:
    """Give what a handler is known to answer with, and the colour of a stream's items; None for what is not known."""
    if route.websocket is not None:
        return "websocket", None
    if is_generator(route.handler):
        return "stream", "def"
    if is_async_generator(route.handler):
        return "stream", "async def"
    if directory_of(route) is not None:
        return "file", None
    named = [*_returned(route.handler), *_called(route.handler)]
    known = [found for found in map(_kind_of, named) if found[0] is not None]
    return known[0] if known else (None, None)


def directory_of(route: Route) -> str | None:
    """Give the directory whose files a route answers with; None for a handler of the user."""
    owner: Any = getattr(route.handler, "__self__", None)
    return str(owner.directory) if _is_kind_of(type(owner), "features.static", "StaticFiles") else None


def interface_of(plan: Plan) -> Interface:
    """Give the interface of a mounted application, which is the colour of its plan."""
    return "asgi" if plan.is_async else "wsgi"


def features_of(route: Route | None, plan: Plan) -> set[str]:
    """Give the ids of the features (`servers.FEATURES`) that a route uses, or with None a mounted application."""
    found = _features_of_handler(route, plan) if route is not None else {f"mounted-{interface_of(plan)}"}
    for layer in plan.layers:
        found |= calls_of(layer.function, list(inspect.signature(layer.function).parameters)[:1])
        if layer.is_async or layer.blocking:
            found.add("async" if layer.is_async else "def")
    return found


def _features_of_handler(route: Route, plan: Plan) -> set[str]:
    kind, items = response_of(route)
    found = {{"file": "files"}.get(kind, kind)} if kind else set[str]()
    if (plan.is_async and kind != "websocket") or items == "async def":
        found.add("async")
    if plan.blocking:
        found.add("def")
    if route.bound.streams_body:
        found.add("upload")
    elif not _BODY_METHODS.isdisjoint(route.methods):
        found.add("body")
    if route.cancel_on_disconnect:
        found.add("leaving")
    requests = [name for name, annotation in route.parameters.items() if is_request(name, annotation)]
    return found | calls_of(route.handler, requests)


def calls_of(function: Callable[..., Any], requests: Iterable[str]) -> set[str]:
    """Give the ids of the features that a function reaches for: `request.after`, `app.spawn` and the like."""
    inner = innermost(function)
    code = getattr(inner, "__code__", None) or getattr(getattr(inner, "__call__", None), "__code__", None)
    if not isinstance(code, types.CodeType):
        return set()
    owners = {*requests, "app"}
    return {_CALLS[name] for owner, name in _attributes(code) if owner in owners and name in _CALLS}


def _attributes(code: types.CodeType) -> Iterator[tuple[str, str]]:
    """Give the attributes that code asks of names, in functions within it too."""
    owner = ""
    for instruction in dis.get_instructions(code):
        name, value = instruction.opname, instruction.argval
        if name == "EXTENDED_ARG":
            continue
        if name in ("LOAD_ATTR", "LOAD_METHOD"):
            yield owner, value
        owner = ""
        if "LOAD_" in name and name != "LOAD_CONST":
            # From 3.13 on, one instruction may load two names; some load what has none.
            loaded = (value,) if isinstance(value, str) else tuple(value or ())
            owner = str(loaded[-1]) if loaded else ""
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _attributes(constant)


def _returned(handler: Callable[..., Any]) -> list[Any]:
    """Give what a handler is annotated to return, the members of a union apart; nothing where it cannot be resolved."""
    annotation = getattr(inspect.unwrap(handler), "__annotations__", {}).get("return")
    if isinstance(annotation, str):
        try:
            annotation = eval(annotation, _globals_of(handler))  # noqa: S307  # the developer's own text
        except Exception:  # imported for checkers only, or local to a factory: then nothing is known
            return []
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return list(typing.get_args(annotation))
    return [annotation]


def _called(handler: Callable[..., Any]) -> list[Any]:
    """Give the globals that a handler calls in its own code."""
    inner = innermost(handler)
    code, names = getattr(inner, "__code__", None), getattr(inner, "__globals__", {})
    if not isinstance(code, types.CodeType):
        return []
    return [
        names.get(instruction.argval)
        for instruction in dis.get_instructions(code)
        if instruction.opname == "LOAD_GLOBAL" and instruction.arg is not None and instruction.arg & 1  # to be called
    ]


def _kind_of(annotation: Any) -> tuple[Kind | None, Colour | None]:
    origin = typing.get_origin(annotation) or annotation
    if origin in _ITERATORS:
        return "stream", _ITERATORS[origin]
    if _is_kind_of(origin, "features.sse", "SSE"):
        return "events", None
    if _is_kind_of(origin, "core.response", "Stream"):
        return "stream", None
    return ("file", None) if _is_kind_of(origin, "core.files", "File") else (None, None)


def _is_kind_of(kind: Any, module: str, name: str) -> bool:
    """Tell whether an annotation is a class of ambi's or one derived from it; what is not loaded, nobody has named."""
    loaded = sys.modules.get(f"{__name__.partition('.')[0]}.{module}")
    return loaded is not None and isinstance(kind, type) and issubclass(kind, getattr(loaded, name))
