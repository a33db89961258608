"""What works and may well be a mistake: each with where it is and what to do.

A code is stable, for tools: `unreachable`, `blocking-false`, `layer-crosses`, `shared-name`, `no-wsproto`,
`no-websocket-library`, `debug`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TypedDict

from ..core.converters import PATH, TEXT
from ..core.crossings import count_crossings, way_in
from ..core.errors import describe
from ..core.matching import Parameter, parse_template
from ..core.plan import Plan
from ..core.sides import ASYNC, SYNC
from .uses import directory_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ..app import App
    from ..core.matching import Segment
    from ..core.middleware import Layer
    from .document import Found
    from .servers import Gateway


class Caution(TypedDict):
    """One of them. `where` names a function with file and line, or is "" where it is about the whole."""

    code: str
    where: str
    text: str
    mend: str


def find_cautions(
    app: App, found: Sequence[Found], mounts: Sequence[tuple[App, str]], gateways: Sequence[Gateway]
) -> list[Caution]:
    """Find all there are, in the order above.

    Args:
        app: the application at the top.
        found: all routes, with their plans.
        mounts: what something is mounted in, and the whole prefix.
        gateways: those to look at.
    """
    return [
        *_unreachable(found, mounts),
        *(_nonblocking(found) if "asgi" in gateways else ()),
        *_crossing_layers(found, gateways),
        *_shared_names(found),
        *_missing_packages(found, gateways),
        *_debugging(app, found),
    ]


# --- routes that no request gets to ---


def _unreachable(found: Sequence[Found], mounts: Sequence[tuple[App, str]]) -> Iterator[Caution]:
    """The routes of an application come before what is mounted in it, and longer prefixes before shorter ones."""
    mounted = (one for one in found if len(one.chain) > 1)  # of one application, no route is behind another
    for one in mounted:
        taker = next((other for other in found if _takes(other, one)), None)
        if taker is not None:
            why = f"the route {taker.path} of the application around it comes first"
            mend = "narrow that path, or mount elsewhere"
        else:
            longer = next((prefix for app, prefix in mounts if _is_nearer(app, prefix, one)), None)
            if longer is None:
                continue
            why, mend = f"what is mounted at {longer} comes first", "change one of the two paths"
        nobody = f"no request gets to {one.path}" if one.route else f"no request below {one.path} gets there"
        yield {
            "code": "unreachable",
            "where": one.described,
            "text": f"{nobody}: {why}",
            "mend": mend,
        }


def _takes(other: Found, one: Found) -> bool:
    """Tell whether every request for a mounted route is answered by a route of an application around it.

    A path that has a route for any method is looked for nowhere else: it is a 405 rather than a mounted one.
    """
    if other.route is None or other.chain[-1] not in one.chain[:-1]:
        return False
    if other.host or (one.is_websocket and not other.is_websocket):
        return False
    below = one.prefix[len(other.prefix) :]
    return _covers(other.segments, [*(parse_template(below) if below else ()), *one.segments])


def _is_nearer(app: App, prefix: str, one: Found) -> bool:
    """Tell whether an application around a route takes its requests for another mount: that with the longer prefix."""
    return any(
        around is app and len(prefix) > len(branch) and one.path.startswith(prefix + "/")
        for (around, _), (_, branch) in pairwise(one.chain)
    )


def _covers(outer: Sequence[Segment], inner: Sequence[Segment]) -> bool:
    """Tell whether a template matches whatever another one matches; False where that depends on a value."""
    for index, segment in enumerate(outer):
        if isinstance(segment, Parameter) and segment.converter is PATH and not segment.prefix + segment.suffix:
            return index < len(inner) and inner[index:] != [""]  # it is never empty
        if index >= len(inner) or not _covers_segment(segment, inner[index]):
            return False
    return len(outer) == len(inner)


def _covers_segment(outer: Segment, inner: Segment) -> bool:
    if isinstance(outer, str):
        return outer == inner
    if outer.prefix or outer.suffix:
        return False
    if isinstance(inner, Parameter):
        return inner.converter is not PATH and outer.converter in (TEXT, inner.converter)
    try:
        outer.converter.convert(inner)
    except ValueError:
        return False
    return inner != ""


# --- colours ---


def _nonblocking(found: Iterable[Found]) -> Iterator[Caution]:
    from ..core.binding import is_async_generator, is_generator

    for one in found:
        route = one.route
        if route is None or str(getattr(route.handler, "__module__", "")).startswith("ambi."):
            continue  # no warning about what is not the user's
        is_plain = not (is_generator(route.handler) or is_async_generator(route.handler) or directory_of(route))
        if is_plain and not route.is_async and not route.blocking and way_in(one.plan, ASYNC)[-1].side is ASYNC:
            yield {
                "code": "blocking-false",
                "where": one.described,
                "text": f"{one.path} is a `def` with blocking=False: under ASGI it runs on the event loop, and while it"
                " waits for anything, every request waits",
                "mend": "leave blocking=False away unless it only computes, and briefly",
            }


def _crossing_layers(found: Iterable[Found], gateways: Sequence[Gateway]) -> Iterator[Caution]:
    """Layers whose colour costs crossings: one warning for each, whatever number of routes it is around."""
    costs: dict[Layer, list[tuple[Found, dict[Gateway, tuple[int, int]]]]] = {}
    for one in found:
        for layer in one.plan.layers:
            more = _cost_of(layer, one.plan, gateways)
            if more:
                costs.setdefault(layer, []).append((one, more))
    for layer, routes in costs.items():
        one, more = routes[0]
        figures = ", ".join(f"{now} instead of {without} under {name.upper()}" for name, (now, without) in more.items())
        others = f", and {len(routes) - 1} more" if len(routes) > 1 else ""
        form = "an async layer" if layer.is_async else "a blocking layer"
        if layer.is_async != one.plan.is_async:  # else it is for another layer
            form += " around an `async def` handler" if one.plan.is_async else " around a `def` handler"
        yield {
            "code": "layer-crosses",
            "where": describe(layer.written),
            "text": f"{form} costs crossings: {figures} ({one.path}{others})",
            "mend": "a generator with one `yield` has no colour and costs none, if it need not wait",
        }


def _cost_of(layer: Layer, plan: Plan, gateways: Sequence[Gateway]) -> dict[Gateway, tuple[int, int]]:
    """Give, by gateway, the crossings of a plan and those without one of its layers, where they are fewer."""
    if not layer.is_async and not layer.blocking:
        return {}
    rest = tuple(other for other in plan.layers if other is not layer)
    less = Plan(
        plan.function, plan.call, codec=plan.codec, max_body_bytes=plan.max_body_bytes,
        is_async=plan.is_async, blocking=plan.blocking, layers=rest,
    )  # fmt: skip
    found: dict[Gateway, tuple[int, int]] = {}
    for gateway in gateways:
        native = SYNC if gateway == "wsgi" else ASYNC
        now, without = count_crossings(plan, native), count_crossings(less, native)
        if now > without:
            found[gateway] = (now, without)
    return found


# --- the rest ---


def _shared_names(found: Iterable[Found]) -> Iterator[Caution]:
    shared: dict[tuple[App, str], list[Found]] = {}
    for one in found:
        if one.route is not None and one.route.name in one.app._by_name and one.app._by_name[one.route.name] is None:
            shared.setdefault((one.app, one.route.name), []).append(one)
    for (_, name), routes in shared.items():
        yield {
            "code": "shared-name",
            "where": routes[0].described,
            "text": f"url_for({name!r}) finds nothing: {', '.join(one.path for one in routes)} share the name",
            "mend": "give them names of their own: name=...",
        }


def _missing_packages(found: Iterable[Found], gateways: Sequence[Gateway]) -> Iterator[Caution]:
    from importlib.util import find_spec

    socket = next((one for one in found if one.is_websocket), None)
    if socket is None:
        return
    has_wsproto = find_spec("wsproto") is not None
    if "wsgi" in gateways and not has_wsproto:
        yield {
            "code": "no-wsproto",
            "where": socket.described,
            "text": "wsproto is not installed: under WSGI, WebSockets are answered with 501",
            "mend": "pip install 'ambi[websocket]'",
        }
    if "asgi" in gateways and not has_wsproto and find_spec("websockets") is None and find_spec("uvicorn") is not None:
        yield {
            "code": "no-websocket-library",
            "where": socket.described,
            "text": "uvicorn is installed without a WebSocket library: it answers handshakes as plain requests",
            "mend": "pip install 'uvicorn[standard]'",
        }


def _debugging(app: App, found: Iterable[Found]) -> Iterator[Caution]:
    if app.debug or any(one.app.debug for one in found if one.route):
        yield {
            "code": "debug",
            "where": "",
            "text": "debug=True shows clients what only you should see",
            "mend": "take it from the environment, and leave it off in production",
        }
