"""What `ambi check` says, as data: the document that `--json` writes and that people are shown in their own way.

The classes here describe it. Its `version` changes when a key goes or comes to mean something else, not when one is
added. Everything in it is sorted: routes by path, host and methods, the rest by its id or in the order of the tables.
Files are relative to the current directory where they are below it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict, cast

from ..app import App
from ..core.converters import PATH
from ..core.crossings import count_crossings, stays
from ..core.errors import locate
from ..core.matching import Parameter
from ..core.pieces import piece_of, piece_of_layer
from ..core.sides import ASYNC, SYNC
from ..core.websocket import WEBSOCKET
from .cautions import Caution, find_cautions
from .servers import DIFFERENCES, FEATURES, NEEDS
from .uses import calls_of, directory_of, features_of, interface_of, response_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Sequence
    from typing import Any

    from ..bridge.lifespan import Lifespan
    from ..core.matching import Segment
    from ..core.middleware import Layer
    from ..core.pieces import Piece
    from ..core.plan import Plan
    from ..core.routing import Route, Router
    from .servers import Difference, Gateway

VERSION = 1
_REST = Parameter("rest", None, "", "")
_REST.converter = PATH
NATIVE = {"wsgi": SYNC, "asgi": ASYNC}
GATEWAYS: tuple[Gateway, ...] = ("wsgi", "asgi")


class FunctionEntry(TypedDict):
    """A function of the user.

    `form`: of a handler "function", "generator" or "async generator", of a layer "generator", "blocking" or "async".
    """

    name: str
    file: str
    line: int
    colour: str
    form: str


class LayerEntry(FunctionEntry):
    """A layer. `of`: what it was given to, "app", "route", the prefix or name of a router, or "mount /prefix".

    `on_loop`: the name of what stands for a blocking one on an event loop, if there is such. `waits`: a blocking one
    tells for each request whether it has to wait.
    """

    of: str
    wants_body: bool
    on_loop: str | None
    waits: bool


class StopEntry(TypedDict):
    """Where a request is, and which pieces run there. `side`: "sync" (a thread) or "async" (an event loop)."""

    side: str
    pieces: list[str]


class RouteEntry(TypedDict):
    """A route, or a mounted application that is no `App` (`methods` are `["*"]`, `name` is ""), with its plan.

    `answers`: "events", "stream", "file", "websocket"; "wsgi" and "asgi" for mounted applications; None for what is not
    known to be one of them. `items`: the colour of a stream's items, if known. By gateway, `crossings` and
    `crossings_with_body` are how often a request goes to the other side and back, `way` from the outermost layer to the
    handler where.
    """

    path: str
    host: str
    methods: list[str]
    name: str
    mount: str
    handler: FunctionEntry
    may_block: bool
    layers: list[LayerEntry]
    body: str
    max_body_bytes: int | None
    max_message_bytes: int | None
    cancel_on_disconnect: bool
    timeout_s: float | None
    answers: str | None
    items: str | None
    directory: str | None
    crossings: dict[str, int]
    crossings_with_body: dict[str, int]
    way: dict[str, list[StopEntry]]


class MountEntry(TypedDict):
    """An application below a prefix, "/" for none.

    `interface`: "ambi", "wsgi" or "asgi". `name`: of its class or function.
    """

    path: str
    interface: str
    name: str


class NeedEntry(TypedDict):
    """What a feature needs of the servers of one gateway."""

    feature: str
    gateway: str
    text: str


class DifferenceEntry(TypedDict):
    """What is seen on some servers, and which."""

    features: list[str]
    gateways: list[str]
    seen: str
    where: str


class Document(TypedDict):
    """The whole.

    `layers`: those of the application itself, which pass its 404s too. `features`: their ids, each with the number of
    routes that use it; 0 for what the application uses itself.
    """

    version: int
    app: str
    gateways: list[str]
    layers: list[LayerEntry]
    routes: list[RouteEntry]
    mounts: list[MountEntry]
    lifespans: list[FunctionEntry]
    features: dict[str, int]
    needs: list[NeedEntry]
    differences: list[DifferenceEntry]
    warnings: list[Caution]


class Found:
    """A route, or a mounted application that is no `App`, where it stands: its plan is that inside all around it.

    Attributes:
        chain: the applications around it with their prefixes, its own last; "" is the prefix of the one at the top.
        route: None for a mounted application.
        guest: that one, as its mount has it; None for a route.
        prefix: below which its application is mounted, or itself.
        path: the whole path.
        segments: of the path below the prefix.
        plan: the handler's, inside all layers.
        origins: what each layer of the plan was given to.
    """

    __slots__ = ("chain", "guest", "origins", "path", "plan", "prefix", "route", "segments")

    def __init__(self, chain: tuple[tuple[App, str], ...], route: Route | None, guest: Any = None) -> None:
        app, self.prefix = chain[-1]
        self.chain = chain
        self.route = route
        self.guest = guest
        if route is None:
            self.segments: Sequence[Segment] = [_REST]
            self.path = f"{self.prefix}/"
            inner: Plan = guest._plan
            own: list[tuple[Layer, str]] = []
        else:
            self.segments = route.segments
            self.path = self.prefix + route.path
            inner = route._plan or app._make_plan(route)
            own = [(layer, _origin(router, self.prefix)) for router in route.routers for layer in router.layers]
            own += [(layer, "route") for layer in route.layers]
            own += [(layer, "handler") for layer in route.bound.layers]
        outer = [(layer, _origin(around, prefix)) for around, prefix in chain[:-1] for layer in around.layers]
        self.plan = inner.within(tuple(layer for layer, _ in outer), ())
        given = iter(outer + own)  # with providers that are around already, which the plan has once
        self.origins = [next(origin for other, origin in given if other is layer) for layer in self.plan.layers]

    @property
    def app(self) -> Any:
        """The application of a route; the mounted one."""
        return self.chain[-1][0]

    @property
    def described(self) -> str:
        """Name, file and line of the handler; the class of a mounted application that is an object."""
        is_object = self.route is None and not hasattr(self.plan.function, "__code__")
        return _guest_name(self.plan.function) if is_object else self.plan.described

    @property
    def host(self) -> str:
        """What the host of a request must be like; "" for any."""
        return "" if self.route is None else self.route.host

    @property
    def is_websocket(self) -> bool:
        """Whether it is for WebSockets alone."""
        return self.route is not None and self.route.websocket is not None


def find_routes(chain: tuple[tuple[App, str], ...]) -> Iterator[Found]:
    """Find all routes of the last application of a chain, and what is mounted in it, with its routes."""
    app, prefix = chain[-1]
    for route in app.routes:
        yield Found(chain, route)
    for mount in app._mounts:
        inner: tuple[Any, str] = (mount.app, prefix + mount.path)
        if isinstance(mount.app, App):
            yield from find_routes((*chain, inner))
        else:
            yield Found((*chain, inner), None, mount.app)


def sorted_routes(app: App) -> list[Found]:
    """Give all routes of an application and of what is mounted in it, in the order of the document."""
    every = find_routes(((app, ""),))
    return sorted(every, key=lambda one: (one.path, one.host, one.route.methods if one.route else ()))


def find_mounts(app: App, prefix: str = "") -> Iterator[tuple[App, str, Any]]:
    """Find what is mounted, with what it is mounted in and the whole prefix."""
    for mount in app._mounts:
        yield app, prefix + mount.path, mount.app
        if isinstance(mount.app, App):
            yield from find_mounts(mount.app, prefix + mount.path)


def describe_app(app: App, spec: str, gateways: Sequence[Gateway] = GATEWAYS) -> Document:
    """Make the document of an application.

    Args:
        app: its routes are planned by this, if they were not.
        spec: what it was called on the command line.
        gateways: what to say something about.
    """
    found = sorted_routes(app)
    mounts = sorted(find_mounts(app), key=lambda mount: mount[1])
    # A mounted ASGI application may have a lifespan or none: that shows when it starts.
    lifespans = [_lifespan_entry(one) for one in app._all_lifespans() if one not in _of_guests(mounts)]
    features = _count_features(lifespans, app, found)
    return {
        "version": VERSION,
        "app": spec,
        "gateways": list(gateways),
        "layers": [_layer_entry(layer, "app") for layer in app.layers],
        "routes": [_route_entry(one, gateways) for one in found],
        "mounts": [_mount_entry(prefix, mounted) for _, prefix, mounted in mounts],
        "lifespans": lifespans,
        "features": {feature: features[feature] for feature in FEATURES if feature in features},
        "needs": [
            {"feature": need.feature, "gateway": need.gateway, "text": need.text.format_map(_limits_of(app))}
            for need in NEEDS
            if need.feature in features and need.gateway in gateways
        ],
        "differences": [
            {"features": list(one.features), "gateways": list(one.gateways), "seen": one.seen, "where": one.where}
            for one in _differences(features, {response_of(one.route) for one in found if one.route})
            if not set(gateways).isdisjoint(one.gateways)
        ],
        "warnings": find_cautions(app, found, [(owner, prefix) for owner, prefix, _ in mounts], gateways),
    }


def _differences(features: Container[str], answers: Iterable[tuple[str | None, str | None]]) -> list[Difference]:
    """Give the differences that touch what is used; those of streams of one colour where that may be theirs."""
    items = {colour for kind, colour in answers if kind in ("stream", "events")}
    return [
        one
        for one in DIFFERENCES
        if any(feature in features for feature in one.features) and (not one.items or items & {None, one.items})
    ]


def _of_guests(mounts: Iterable[tuple[App, str, Any]]) -> set[Lifespan | None]:
    return {mount.lifespan for app in {app for app, _, _ in mounts} for mount in app._mounts}


def _limits_of(app: App) -> dict[str, Any]:
    return {name: getattr(app.limits, name) for name in ("threads", "stream_threads", "max_websockets")}


def _count_features(lifespans: Iterable[FunctionEntry], app: App, found: Iterable[Found]) -> dict[str, int]:
    """Count the routes that use each feature; what the application uses itself counts 0."""
    count: dict[str, int] = {"lifespan": 0} if lifespans else {}
    for lifespan in app._all_lifespans():
        for feature in calls_of(lifespan.function, ()):
            count.setdefault(feature, 0)
    for one in found:
        for feature in features_of(one.route, one.plan):
            count[feature] = count.get(feature, 0) + 1
    return count


def _mount_entry(prefix: str, mounted: Any) -> MountEntry:
    interface, application = "ambi", mounted
    if not isinstance(mounted, App):
        interface, application = interface_of(mounted._plan), mounted._plan.function
    return {"path": prefix or "/", "interface": interface, "name": _guest_name(application)}


def _guest_name(application: Any) -> str:
    named = application if hasattr(application, "__qualname__") else cast("Any", type(application))
    return f"{named.__module__}.{named.__qualname__}"


def _route_entry(one: Found, gateways: Sequence[Gateway]) -> RouteEntry:
    route, plan = one.route, one.plan
    directory = None if route is None else directory_of(route)
    answers, items = (interface_of(plan), None) if route is None else response_of(route)
    methods = ("*",) if route is None else route.methods
    handler = function_entry(plan.function)
    if route is None:
        handler["name"] = _guest_name(plan.function)
        if one.described == handler["name"]:  # where its class is written tells nobody anything
            handler["file"], handler["line"] = "", 0
    return {
        "path": one.path,
        "host": one.host,
        "methods": ["WEBSOCKET" if method == WEBSOCKET else method for method in methods],
        "name": "" if route is None else route.name,
        "mount": one.prefix,
        "handler": handler,
        "may_block": plan.blocking,
        "layers": [_layer_entry(layer, of) for layer, of in zip(plan.layers, one.origins, strict=True)],
        "body": "streamed" if route is None or route.bound.streams_body else "loaded",
        "max_body_bytes": one.guest._max_body_bytes if route is None else plan.max_body_bytes,
        "max_message_bytes": _message_limit(one),
        "cancel_on_disconnect": plan.cancel_on_disconnect,
        "timeout_s": None if route is None else route.timeout_s,
        "answers": answers,
        "items": items,
        "directory": None if directory is None else relative(directory),
        "crossings": {gateway: count_crossings(plan, NATIVE[gateway]) for gateway in gateways},
        "crossings_with_body": {name: count_crossings(plan, NATIVE[name], with_body=True) for name in gateways},
        "way": {gateway: _way(plan, gateway, handler["name"]) for gateway in gateways},
    }


def _message_limit(one: Found) -> int | None:
    """Give the limit of a WebSocket's messages; None for what is none."""
    if one.route is None or one.route.websocket is None:
        return None
    limit: int = one.route.websocket.max_message_bytes or one.app.limits.max_message_bytes
    return limit


def _way(plan: Plan, gateway: Gateway, handler: str) -> list[StopEntry]:
    return [{"side": side.name, "pieces": pieces} for side, pieces in stays(plan, NATIVE[gateway], handler)]


def _layer_entry(layer: Layer, of: str) -> LayerEntry:
    on_loop = None if layer.on_loop is None or layer.is_async else locate(layer.on_loop)[0]
    told = {"of": of, "wants_body": layer.body, "on_loop": on_loop, "waits": layer.waits is not None}
    return cast("LayerEntry", {**_entry(piece_of_layer(layer)), **told})


def _lifespan_entry(lifespan: Lifespan) -> FunctionEntry:
    """Describe a lifespan, which contextlib may have wrapped: then it does not look like the generator that it is."""
    entry = function_entry(lifespan.function)
    colour, form = ("async def", "async generator") if lifespan.is_async else ("def", "generator")
    return {**entry, "colour": colour, "form": form}


def function_entry(function: Callable[..., Any]) -> FunctionEntry:
    """Describe a function of the user."""
    return _entry(piece_of(function))


def _entry(piece: Piece) -> FunctionEntry:
    return cast("FunctionEntry", {**piece._asdict(), "file": relative(piece.file)})


def relative(file: str) -> str:
    """Give a file's path relative to the current directory where it is below it."""
    try:
        return str(Path(file).relative_to(Path.cwd()))
    except ValueError:
        return file


def _origin(router: Router, prefix: str) -> str:
    if isinstance(router, App):
        return f"mount {prefix}" if prefix else "app"
    return router.prefix or router.name or "router"
