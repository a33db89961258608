"""A request that no route took: the route table, and what may have been meant.

Facts
- It is made on an event loop where no thread is free: it reads no file, and looks at no more than so many routes.
- Applications around and inside of the one that was asked are told of as far as they are in debug themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher

from ...core.matching import Parameter
from ...core.pieces import piece_of
from ...core.url import encode_path
from ...core.websocket import WEBSOCKET
from .places import shown_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ...core.errors import HTTPError
    from ...core.request import Request
    from ...core.routing import Route

_MAX_ROUTES = 2000
_MAX_SHOWN = 300
_MAX_PATH = 200
_MAX_NEAR = 4
_NEAR = 0.7


@dataclass
class Row:
    """A route. `link`: where it is, for a GET that needs no parameters; "" for others."""

    methods: str
    path: str
    name: str
    handler: str
    where: str
    colour: str
    link: str = ""


@dataclass
class Near:
    """A route that may have been meant, and why."""

    row: Row
    why: str


@dataclass
class Miss:
    """What is shown of a request that no route took. `more`: how many routes are not shown."""

    status: int
    title: str
    summary: str
    near: list[Near]
    rows: list[Row]
    more: int


def find_miss(request: Request, error: HTTPError) -> Miss:
    """Look for what may have been meant."""
    app, prefix, inner = _outermost(request)
    found: list[tuple[Any, str, Row]] = []
    for route, below in _routes_of(app, prefix):
        found.append((route, below, _row(route, below, request)))
        if len(found) >= _MAX_ROUTES:
            break
    path = inner[:_MAX_PATH]
    rated = sorted(
        ((*_rate(route, below, path, request.method), index) for index, (route, below, _) in enumerate(found)),
        key=lambda one: (-one[0], one[2]),
    )
    near = [Near(found[index][2], why) for rating, why, index in rated[:_MAX_NEAR] if rating >= _NEAR]
    rows = sorted((row for _, _, row in found), key=lambda row: (row.path, row.methods))
    shown = path if len(path) == len(inner) else f"{path}…"
    what = "no route has this path" if error.status == 404 else f"no route of this path takes {request.method}"
    return Miss(
        error.status, error.title, f"{request.method} {shown}: {what}", near, rows[:_MAX_SHOWN],
        max(0, len(rows) - _MAX_SHOWN),
    )  # fmt: skip


def _outermost(request: Request) -> tuple[Any, str, str]:
    """Give the outermost application in debug around the one that was asked, its prefix, and the path from the top."""
    places = request._places or [(request.app, request.root_path, request.path)]
    top = places[0][1]
    chosen = places[-1]
    for place in reversed(places):
        if not place[0].debug:
            break
        chosen = place
    return chosen[0], chosen[1].removeprefix(top), places[0][2]


def _routes_of(app: Any, prefix: str) -> Iterator[tuple[Any, str]]:
    """Give the routes of an application with the prefix before their paths; a mount that is not looked into as one."""
    for route in app.routes:
        yield route, prefix
    for mount in app._mounts:
        if mount.is_app and mount.app.debug:
            yield from _routes_of(mount.app, prefix + mount.path)
        else:
            yield None, prefix + mount.path


def _row(route: Route | None, prefix: str, request: Request) -> Row:
    if route is None:
        return Row("*", f"{prefix}/", "", "a mounted application", "", "")
    piece = piece_of(route.handler)
    where = f"{shown_file(piece.file)}:{piece.line}" if piece.file else ""
    path = prefix + route.path
    is_plain = "GET" in route.methods and "{" not in path and path[1:2] not in ("/", "\\") and not route.host
    top = request._places[0][1] if request._places else request.root_path
    link = encode_path(top + path) if is_plain else ""
    methods = ", ".join("WS" if method == WEBSOCKET else method for method in route.methods)
    return Row(methods, f"{route.host}{path}", route.name, piece.name, where, piece.colour, link)


def _rate(route: Route | None, prefix: str, path: str, method: str) -> tuple[float, str]:
    """Tell how near a route is to a path, from 0 to 1 and above for what would be it but for one thing, and why."""
    if route is None:
        return _compare(prefix, path)
    meant, names = _as_meant(route, prefix, path)
    if meant == path:
        if names and method in (*route.methods, "HEAD"):
            return 2.0, f"but for the value of {names}"
        return (3.0, f"it takes {', '.join(route.methods)}") if method not in route.methods else (2.0, "another host")
    if meant.rstrip("/") == path.rstrip("/"):
        return 2.5, "the slash at the end"
    if meant.lower() == path.lower():
        return 2.5, "upper and lower case"
    if len(path) > 1 and meant.endswith(path):
        return 1.8, f"below {meant.removesuffix(path)}"
    if len(meant) > 1 and path.endswith(meant):
        return 1.7, "without what is before it"
    return _compare(meant, path)


def _compare(meant: str, path: str) -> tuple[float, str]:
    matcher = SequenceMatcher(None, meant[:_MAX_PATH], path)
    if matcher.real_quick_ratio() < _NEAR or matcher.quick_ratio() < _NEAR:
        return 0.0, ""
    return matcher.ratio(), "nearly the same path"


def _as_meant(route: Route, prefix: str, path: str) -> tuple[str, str]:
    """Give the route's path with the values that this path would have for its parameters, and what they are."""
    given = path.split("/")
    at = prefix.count("/") + 1
    parts: list[str] = []
    names: list[str] = []
    for index, segment in enumerate(route.segments, at):
        if isinstance(segment, str):
            parts.append(segment)
            continue
        value = given[index] if index < len(given) else ""
        is_alike = value and value.startswith(segment.prefix) and value.endswith(segment.suffix)
        parts.append(value if is_alike else f"{segment.prefix}{{{segment.name}}}{segment.suffix}")
        names += [_told(segment)] if is_alike else []
    return f"{prefix}/{'/'.join(parts)}", ", ".join(names)


def _told(segment: Parameter) -> str:
    return f"{segment.name}, which is {segment.converter.name}"
