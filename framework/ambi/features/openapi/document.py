"""The document: all operations of an application and of those mounted in it, in an order that does not change."""

from __future__ import annotations

from collections import Counter

from ...core.headers import check_value
from ...core.routing import Route
from .answers import Problems
from .operations import METHODS, Found
from .schemas import Schemas
from .templates import path_parameters, template_of, without_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any, Protocol

    from ...core.binding import Bound
    from ...core.middleware import Layer
    from ...core.routing import Router
    from .schemas import Make

    class Mount(Protocol):
        """An application that is mounted: one of ours where `is_app` says so."""

        app: Any
        is_app: bool
        path: str

    class Application(Protocol):
        """What is described."""

        layers: tuple[Layer, ...]
        _mounts: list[Any]
        _converters: dict[str, Any]
        _converters_by_type: dict[Any, Any]

        def _bind(self, route: Route) -> Bound:
            """Bind the handler of a route."""
            ...

        @property
        def routes(self) -> tuple[Route, ...]:
            """Its routes."""
            ...


class Description:
    """What is said of an application as a whole, and the document that is made with it.

    Arguments as for `App.openapi`.
    """

    def __init__(
        self,
        app: Application,
        make: Make,
        *,
        info: Mapping[str, Any],
        servers: Iterable[str | Mapping[str, Any]],
        tags: Mapping[str, str] | None,
        webhooks: Router | None,
        mounted: bool,
    ) -> None:
        self.app = app
        self.info = dict(info)
        self.servers = [{"url": check_value(one)} if isinstance(one, str) else dict(one) for one in servers]
        self._make = make
        self._tags = dict(tags or {})
        self._webhooks = webhooks
        self._mounted = mounted

    @property
    def version(self) -> tuple[int, ...]:
        """What changes when routes are added, here or in what is mounted."""
        hooks = 0 if self._webhooks is None else len(self._webhooks._published)
        return (hooks, *(len(app.routes) for app, _, _ in _applications(self.app, mounted=self._mounted)))

    def document(self) -> dict[str, Any]:
        """Make the document.

        Raises:
            ConfigurationError: a type has no schema.
            ImportError: the library that knows a type is not installed.
        """
        schemas = Schemas()
        paths = _order(find_operations(self.app, mounted=self._mounted))
        hooks = _order(self._find_webhooks())
        _set_ids([*paths, *hooks])
        self._write(paths, hooks, schemas)
        schemas.fill(self._make)
        return self._write(paths, hooks, schemas)

    def _find_webhooks(self) -> Iterator[Found]:
        """Find what is sent to others: bound as the application's own routes are, and never served."""
        app = self.app
        for definition, routers in self._webhooks._published if self._webhooks is not None else ():
            yield from _operations_of(Route(definition, routers, app._converters, app._converters_by_type, app._bind))

    def _write(self, paths: list[Found], hooks: list[Found], schemas: Schemas) -> dict[str, Any]:
        problems = Problems(schemas)
        found: dict[str, Any] = {"openapi": "3.1.1", "info": self.info}
        if self.servers:
            found["servers"] = self.servers
        found["paths"] = _path_items(paths, schemas, problems)
        if hooks:
            items = _path_items(hooks, schemas, None)
            found["webhooks"] = {path.strip("/"): item for path, item in items.items()}
        tags = self._tags_of([*paths, *hooks])
        if tags:
            found["tags"] = tags
        components = {
            "schemas": dict(sorted({**schemas.used_by(found), **problems.schemas}.items())),
            "responses": dict(sorted(problems.used.items())),
            "securitySchemes": _schemes([*paths, *hooks]),
        }
        components["schemas"] |= schemas.used_by(problems.schemas)
        found["components"] = {kind: entries for kind, entries in components.items() if entries}
        return found

    def _tags_of(self, operations: list[Found]) -> list[dict[str, str]]:
        used = sorted({tag for one in operations for tag in one.tags} - self._tags.keys())
        known = [{"name": name, "description": text} for name, text in self._tags.items()]
        return known + [{"name": name} for name in used]


# --- finding ---


def _applications(
    app: Application, prefix: str = "", layers: tuple[Layer, ...] = (), *, mounted: bool
) -> Iterator[tuple[Application, str, tuple[Layer, ...]]]:
    """Give an application and those mounted in it, each with its prefix and what is around it."""
    yield app, prefix, layers
    for mount in app._mounts if mounted else ():
        if mount.is_app:
            yield from _applications(mount.app, prefix + mount.path, (*layers, *app.layers), mounted=True)


def find_operations(app: Application, *, mounted: bool) -> Iterator[Found]:
    """Find the operations of an application that are to be described."""
    for inner, prefix, around in _applications(app, mounted=mounted):
        for route in inner.routes:
            yield from _operations_of(route, prefix, around)


def _operations_of(route: Route, prefix: str = "", around: tuple[Layer, ...] = ()) -> Iterator[Found]:
    if route.websocket is not None or route.remarks.openapi is False:
        return
    own = (layer for router in route.routers for layer in router.layers)
    layers = (*around, *own, *route.layers, *route.bound.layers)
    for method in METHODS:
        if method in route.methods:
            yield Found(route, method, template_of(route, prefix), layers)


def _order(operations: Iterable[Found]) -> list[Found]:
    """Sort operations, and leave out what could not be written: of two that look the same, the one tried later."""
    found: dict[tuple[str, str], Found] = {}
    first: dict[str, Found] = {}
    for one in sorted(operations, key=lambda one: (one.template, METHODS.index(one.method), _ranks(one.route))):
        shape = without_names(one.template)
        writer = first.setdefault(shape, one)
        if writer.template != one.template:
            own, theirs = path_parameters(one.route), path_parameters(writer.route)
            one.names = {mine.name: other.name for mine, other in zip(own, theirs, strict=True)}
            one.template = writer.template
        known = found.setdefault((one.template, one.method), one)
        if known is not one and _ranks(one.route) < _ranks(known.route):
            found[one.template, one.method] = one
    return list(found.values())


def _ranks(route: Route) -> list[int]:
    """Give in what order the router tries routes that look the same."""
    return [parameter.converter.rank for parameter in path_parameters(route)]


def _set_ids(operations: list[Found]) -> None:
    shared = Counter(one.base_id for one in operations)
    for one in operations:
        one.id = one.base_id if shared[one.base_id] == 1 else one.long_id


def _path_items(operations: list[Found], schemas: Schemas, problems: Problems | None) -> dict[str, Any]:
    items: dict[str, dict[str, Any]] = {}
    for one in operations:
        items.setdefault(one.template, {})[one.method.lower()] = one.described(schemas, problems)
    return dict(sorted(items.items()))


def _schemes(operations: list[Found]) -> dict[str, Any]:
    """Give the security schemes that layers tell of, by name."""
    found: dict[str, Any] = {}
    for one in operations:
        for layer in one.layers:
            if layer.demand is not None and layer.demand.scheme is not None:
                found[layer.demand.scheme_name] = dict(layer.demand.scheme)
    return dict(sorted(found.items()))
