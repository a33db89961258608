"""Routes and routers: what users register, and under which prefix, name, host, middlewares and error handlers.

A `Router` records what is registered on it and publishes it to whatever includes it; an `App` is the router at the
top, which makes `Route`s of it. So a route may be added to a router before or after the router is included.
"""

from __future__ import annotations

import sys
from typing import TypedDict, TypeVar, overload

from .arguments import check_texts
from .converters import PATH, converter_for
from .error_handling import ErrorHandlers
from .errors import ConfigurationError, describe, place_of_caller
from .headers import is_token
from .limits import check_limit
from .matching import Parameter, parse_template
from .middleware import Layer, Provider
from .origins import SAFE_METHODS
from .url import percent_encode
from .websocket import WEBSOCKET, WebSocketRules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from typing_extensions import Unpack

    from .binding import Bound
    from .converters import Converter
    from .matching import Segment
    from .plan import Plan

    Handler = Callable[..., Any]

F = TypeVar("F", bound="Callable[..., Any]")
M = TypeVar("M", bound="Callable[..., Any] | Layer")

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY")


class RouteOptions(TypedDict, total=False):
    """The options of a route, as keywords of its decorator; `Router.route` says what they mean."""

    name: str | None
    middleware: Iterable[Any]
    max_body_bytes: int | None
    blocking: bool
    cancel_on_disconnect: bool
    csrf: bool
    timeout_s: float | None
    tags: Iterable[str]
    deprecated: bool
    responses: Mapping[int | str, Any] | None
    openapi: Mapping[str, Any] | bool


class Definition:
    """A route as it was registered, before it is known what it is included in."""

    __slots__ = (
        "blocking", "cancel_on_disconnect", "csrf", "handler", "layers", "max_body_bytes", "methods", "name",
        "parameters", "path", "remarks", "returns", "timeout_s", "websocket",
    )  # fmt: skip

    def __init__(
        self,
        path: str,
        methods: Iterable[str],
        handler: Handler,
        options: RouteOptions,
        local_names: Mapping[str, Any],
        websocket: WebSocketRules | None = None,
    ) -> None:
        from .binding import parameters_of, plain, returns_of  # loads inspect, at registration only

        if not callable(handler):
            raise ConfigurationError(f"the handler of {path!r} must be a function, not {handler!r}")
        if path and not path.startswith("/"):  # behind a prefix it would be glued to that
            raise ConfigurationError.at(handler, f"the path {path!r} must begin with a slash")
        self.path = path
        self.handler = handler
        self.methods = _check_methods(methods, path, handler) if websocket is None else (WEBSOCKET,)
        self.websocket = websocket
        self.name = options.get("name")
        self.layers = as_layers(options.get("middleware", ()))
        from .contract import check_remarks  # with the first route, not with the package

        try:
            limit = options.get("max_body_bytes")
            self.max_body_bytes = None if limit is None else int(check_limit("max_body_bytes", limit))
            self.remarks = check_remarks(options)
        except ConfigurationError as exc:
            raise ConfigurationError.at(handler, str(exc)) from None
        self.blocking = options.get("blocking", True)
        self.cancel_on_disconnect = options.get("cancel_on_disconnect", False)
        self.csrf = options.get("csrf", True)
        self.timeout_s = options.get("timeout_s")
        self.parameters = parameters_of(handler, local_names)
        self.returns = returns_of(handler, local_names)
        asked_for = (value for value in map(plain, self.parameters.values()) if isinstance(value, Provider))
        self.layers += tuple(provider for provider in dict.fromkeys(asked_for) if provider not in self.layers)
        if websocket is not None:
            _check_colour(handler)


def _check_colour(handler: Handler) -> None:
    from .binding import is_async

    if not is_async(handler):
        raise ConfigurationError.at(
            handler, "a WebSocket handler waits for messages, so it must be an `async def` without `yield`"
        )


def _check_timeout(handler: Handler, timeout_s: float, *, is_async: bool) -> None:
    if isinstance(timeout_s, bool) or not isinstance(timeout_s, (int, float)) or not timeout_s > 0:
        raise ConfigurationError.at(handler, f"timeout_s must be a positive number of seconds, not {timeout_s!r}")
    if not is_async:
        raise ConfigurationError.at(
            handler,
            f"timeout_s={timeout_s:g} is for an `async def` without `yield`: a thread cannot be cancelled, and a stream"
            " lasts as long as it has items. Make the handler an `async def` that awaits what takes long, or give that"
            " (a query, a request to another server) a time-out of its own",
        )


def _check_methods(methods: Iterable[str], path: str, handler: Handler) -> tuple[str, ...]:
    try:
        found = tuple(dict.fromkeys(check_texts("methods", methods)))
    except ConfigurationError as exc:
        raise ConfigurationError.at(handler, str(exc)) from None
    for method in found:
        if not is_token(method) or not method.isupper():
            raise ConfigurationError.at(handler, f"methods are upper case, as {method.upper()!r}, not {method!r}")
    if not found:
        raise ConfigurationError.at(handler, f"the route {path!r} has no methods")
    return found


class Route:
    """A route of an application. Public for middlewares that label metrics or guard: `request.route`.

    Attributes:
        path: the whole template, as `/users/{id:int}`.
        name: for `url_for`; with the names of its routers, as "api.user".
        methods: those it was registered for; "web socket" stands for one where the route is a WebSocket's.
        handler: the user's function.
        param_names: of the path's parameters (and the host's), in order.
        is_guarded: pages of other sites may not have it change something; False where no method does, or `csrf=False`.
    """

    __slots__ = (
        "_bind", "_bound", "_plan", "blocking", "cancel_on_disconnect", "handler", "host", "is_async", "is_guarded",
        "layers", "max_body_bytes", "methods", "name", "param_names", "parameters", "path", "remarks", "returns",
        "routers", "segments", "timeout_s", "websocket",
    )  # fmt: skip

    def __init__(
        self,
        definition: Definition,
        routers: tuple[Router, ...],
        converters: Mapping[str, Converter],
        types: Mapping[Any, Converter],
        bind: Callable[[Route], Bound],
    ) -> None:
        from .binding import is_async, is_async_generator, is_generator  # loads inspect, at registration only

        self.handler = definition.handler
        self.methods = definition.methods
        self.path = "".join(router.prefix for router in routers) + definition.path or "/"
        own_name = definition.name or str(getattr(self.handler, "__name__", type(self.handler).__name__))
        self.name = ".".join([*(router.name for router in routers if router.name), own_name])
        self.routers = routers
        self.remarks = definition.remarks
        self.layers = definition.layers
        self.max_body_bytes = definition.max_body_bytes
        self.blocking = definition.blocking
        self.host = self._host_of(routers)
        try:
            self.segments = parse_template(self.path)
            host_names = [s.name for s in parse_host_template(self.host) if isinstance(s, Parameter)]
        except ConfigurationError as exc:
            raise ConfigurationError.at(self.handler, str(exc)) from None
        self.param_names = (*host_names, *(s.name for s in self.segments if isinstance(s, Parameter)))
        self.parameters = parameters = definition.parameters
        self.returns = definition.returns
        self._check_host_parameters(host_names, parameters)
        self._choose_converters(parameters, converters, types)
        self.websocket = definition.websocket
        self.is_guarded = (
            definition.csrf
            and all(router.is_guarded for router in routers)
            and self.websocket is None
            and not SAFE_METHODS.issuperset(self.methods)
        )
        self._bind = bind
        self._bound: Bound | None = bind(self)
        self.is_async = is_async(self.handler)
        self.cancel_on_disconnect = definition.cancel_on_disconnect
        self.timeout_s = definition.timeout_s
        self._check_options()
        if is_generator(self.handler) or is_async_generator(self.handler):
            self.blocking = False  # calling it runs nothing of it; its items are made where they belong
        self._plan: Plan | None = None

    def _check_options(self) -> None:
        if self.cancel_on_disconnect and not self.is_async:
            raise ConfigurationError.at(
                self.handler, "cancel_on_disconnect=True is for an `async def`; a thread cannot be cancelled"
            )
        if self.timeout_s is not None:
            _check_timeout(self.handler, self.timeout_s, is_async=self.is_async)

    @property
    def bound(self) -> Bound:
        """How the handler is called, and what its signature says."""
        if self._bound is None:
            self._bound = self._bind(self)
        return self._bound

    def rebind(self) -> None:
        """Bind the handler anew, by what there is now to give."""
        self._bound = self._bind(self)

    def _host_of(self, routers: tuple[Router, ...]) -> str:
        hosts = [router.host for router in routers if router.host]
        if len(hosts) > 1:
            raise ConfigurationError.at(self.handler, f"only one of its routers may have a host, not {hosts}")
        return hosts[0] if hosts else ""

    def _check_host_parameters(self, names: Sequence[str], parameters: Mapping[str, Any]) -> None:
        from .binding import plain

        for name in names:
            if self.param_names.count(name) > 1:
                raise ConfigurationError.at(self.handler, f"{name!r} is a parameter of the host and of the path")
            if plain(parameters.get(name)) not in (None, str):
                raise ConfigurationError.at(
                    self.handler, f"the host parameter {name!r} is text, not {parameters[name]!r}"
                )

    def _choose_converters(
        self,
        parameters: Mapping[str, Any],
        converters: Mapping[str, Converter],
        types: Mapping[Any, Converter],
    ) -> None:
        """Take each parameter's converter from the path, else from the handler's annotation."""
        from .binding import plain

        for segment in self.segments:
            if not isinstance(segment, Parameter):
                continue
            annotation = plain(parameters.get(segment.name))
            if segment.converter_name is not None:
                if segment.converter_name not in converters:
                    raise ConfigurationError.at(
                        self.handler,
                        f"the path {self.path!r} names an unknown converter {segment.converter_name!r};"
                        f" there are {', '.join(sorted(converters))}",
                    )
                segment.converter = converters[segment.converter_name]
            elif annotation is not None:
                found = types.get(annotation) or converter_for(annotation)
                if found is None:
                    raise ConfigurationError.at(
                        self.handler,
                        f"the path parameter {segment.name!r} is annotated {annotation!r}, which no converter makes;"
                        " add one with app.converter(...)",
                    )
                segment.converter = found

    @property
    def described(self) -> str:
        """Name, file and line of the handler."""
        return describe(self.handler)

    def url_path(self, params: Mapping[str, object]) -> tuple[str, dict[str, object]]:
        """Build the percent-encoded path; what is no parameter of it is given back.

        Raises:
            LookupError: a parameter is missing.
            ValueError: a value that the route itself would not match.
        """
        left = dict(params)
        parts: list[str] = []
        for segment in self.segments:
            if isinstance(segment, str):
                parts.append(percent_encode(segment))
                continue
            if segment.name not in left:
                raise LookupError(f"url_for({self.name!r}) needs a value for {segment.name!r}")
            text = segment.converter.format(left.pop(segment.name))
            if not _would_match(segment.converter, text):
                raise ValueError(f"url_for({self.name!r}): {text!r} is no value of {segment.name!r}")
            encoded = "/".join(map(percent_encode, text.split("/")))
            parts.append(percent_encode(segment.prefix) + encoded + percent_encode(segment.suffix))
        return "/" + "/".join(parts), left

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is made of the rest, for pickles and copies."""
        made = ("_bound", "_plan")
        return {name: getattr(self, name) for name in self.__slots__ if name not in made}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)
        self._plan = self._bound = None

    def __repr__(self) -> str:
        return f"<Route {','.join(self.methods)} {self.path}>"


def _rules_for(handler: Handler, options: Mapping[str, Any]) -> WebSocketRules:
    try:
        return WebSocketRules(**options)
    except ConfigurationError as exc:
        raise ConfigurationError.at(handler, str(exc)) from None


def _would_match(converter: Converter, text: str) -> bool:
    """Tell whether a path with this text in it leads back to its route, not to another host as `//text` would."""
    try:
        converter.convert(text)
    except ValueError:
        return False
    return text[:1] not in ("", "/") and (converter is PATH or "/" not in text)


def parse_host_template(host: str) -> list[Segment]:
    """Split a host pattern as `{tenant}.example.com` into labels, in lower case but for the names of parameters.

    Raises:
        ConfigurationError: it holds a port, a path or a converter, or its braces are wrong.
    """
    if not host:
        return []
    if "/" in host or (":" in host and host[0] != "["):
        raise ConfigurationError(f"the host {host!r} must be labels of text or {{name}}: no port, path or converter")
    labels = parse_template("/" + host.replace(".", "/"))
    for label in labels:
        if isinstance(label, Parameter):
            label.prefix, label.suffix = label.prefix.lower(), label.suffix.lower()
    return [label.lower() if isinstance(label, str) else label for label in labels]


def match_host(template: Sequence[Segment], host: str) -> tuple[str, ...] | None:
    """Give the values of a host pattern's parameters; None when the host is another."""
    labels = host.split(".")
    if len(labels) != len(template):
        return None
    values: list[str] = []
    for segment, label in zip(template, labels, strict=True):
        if isinstance(segment, Parameter):
            end = len(label) - len(segment.suffix)
            if end <= len(segment.prefix) or not label.startswith(segment.prefix) or not label.endswith(segment.suffix):
                return None
            values.append(label[len(segment.prefix) : end])
        elif segment != label:
            return None
    return tuple(values)


def as_layers(middleware: Iterable[Any]) -> tuple[Layer, ...]:
    """Make layers of functions; layers stay as they are."""
    return tuple(entry if isinstance(entry, Layer) else Layer(entry) for entry in middleware)


class Router:
    """A group of routes with a prefix, a name, a host, middlewares and error handlers of its own.

    Args:
        prefix: begins with "/" and does not end with one; may hold parameters.
        name: goes before the names of its routes: "api.user".
        host: only requests to this host; a label may be a parameter: `{tenant}.example.com`.
        middleware: functions or `Layer`s, outermost first.
        csrf: False lets pages of every site send requests with the user's cookies to all its routes, and to those of
            routers in it, as for webhooks that have a check of their own.
        tags: of all its routes, where the application is described (`App.openapi`); its name by default.

    Example:
        api = Router(prefix="/api", name="api")

        @api.get("/users/{id}")
        def user(id: int):
            return {"id": id}

        app.include(api)
    """

    def __init__(
        self,
        *,
        prefix: str = "",
        name: str = "",
        host: str | None = None,
        middleware: Iterable[Any] = (),
        csrf: bool = True,
        tags: Iterable[str] = (),
    ) -> None:
        if prefix and (not prefix.startswith("/") or prefix.endswith("/")):
            raise ConfigurationError(f"the prefix {prefix!r} must begin with a slash and not end with one")
        self.prefix = prefix
        self.name = name
        labels = (label if "{" in label else label.lower() for label in (host or "").split("."))
        self.host = ".".join(labels) or None
        self.layers: tuple[Layer, ...] = as_layers(middleware)
        self.is_guarded = csrf
        self.tags = check_texts("tags", tags)
        self.errors = ErrorHandlers()
        self._published: list[tuple[Definition, tuple[Router, ...]]] = []
        self._parents: list[Router] = []
        self._places: dict[str, str] = {}

    # --- routes ---

    def route(
        self,
        path: str,
        *,
        methods: Iterable[str] = ("GET",),
        name: str | None = None,
        middleware: Iterable[Any] = (),
        max_body_bytes: int | None = None,
        blocking: bool = True,
        cancel_on_disconnect: bool = False,
        csrf: bool = True,
        timeout_s: float | None = None,
        tags: Iterable[str] = (),
        deprecated: bool = False,
        responses: Mapping[int | str, Any] | None = None,
        openapi: Mapping[str, Any] | bool = True,
    ) -> Callable[[F], F]:
        """Register a handler for a path and methods; the function comes back unchanged.

        Args:
            path: begins with "/"; `{name}` is a parameter that takes its converter from the handler's annotation,
                `{name:int}` one with the converter named.
            methods: upper case; GET alone by default. GET answers HEAD too; OPTIONS is answered by itself.
            name: for `url_for`; the function's name by default.
            middleware: layers of this route alone, outermost first.
            max_body_bytes: instead of the application's limit.
            blocking: False says that a `def` handler never blocks, so that it runs on the event loop under ASGI.
            cancel_on_disconnect: cancel an `async def` handler when its client leaves, where it waits next; under WSGI
                where the server tells, see `Request.is_disconnected`. An error for a `def`.
            csrf: False lets pages of every site send requests with the user's cookies, as for a form that another site
                posts on purpose; so does that of a router, for all its routes.
            timeout_s: cancel an `async def` handler that has not answered after so many seconds, where it waits; the
                answer is a 503. Neither the body nor middlewares are timed, nor the items of a stream that it returns.
                An error for a `def`.
            tags: groups that it is in, where the application is described (`App.openapi`); so are all that follow.
            deprecated: it should not be used any more.
            responses: status -> what it means as text, the type of its content, or a Response Object of OpenAPI; for
                those that the signature does not tell: {404: "No such user", 409: Conflict}.
            openapi: members of its Operation Object that replace what was found out; False leaves the route out.

        Raises:
            ConfigurationError: at once, with the file and line of the function.
        """
        options: RouteOptions = {
            "name": name, "middleware": middleware, "max_body_bytes": max_body_bytes, "blocking": blocking,
            "cancel_on_disconnect": cancel_on_disconnect, "csrf": csrf, "timeout_s": timeout_s,
            "tags": tags, "deprecated": deprecated, "responses": responses, "openapi": openapi,
        }  # fmt: skip
        return self._decorator(path, methods, options, sys._getframe(1).f_locals)

    def get(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[F], F]:
        """Register a handler for GET; options as for `route`."""
        return self._decorator(path, ("GET",), options, sys._getframe(1).f_locals)

    def post(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[F], F]:
        """Register a handler for POST; options as for `route`."""
        return self._decorator(path, ("POST",), options, sys._getframe(1).f_locals)

    def put(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[F], F]:
        """Register a handler for PUT; options as for `route`."""
        return self._decorator(path, ("PUT",), options, sys._getframe(1).f_locals)

    def patch(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[F], F]:
        """Register a handler for PATCH; options as for `route`."""
        return self._decorator(path, ("PATCH",), options, sys._getframe(1).f_locals)

    def delete(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[F], F]:
        """Register a handler for DELETE; options as for `route`."""
        return self._decorator(path, ("DELETE",), options, sys._getframe(1).f_locals)

    def head(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[F], F]:
        """Register a handler for HEAD; options as for `route`."""
        return self._decorator(path, ("HEAD",), options, sys._getframe(1).f_locals)

    def options(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[F], F]:
        """Register a handler for OPTIONS; options as for `route`."""
        return self._decorator(path, ("OPTIONS",), options, sys._getframe(1).f_locals)

    def query(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[F], F]:
        """Register a handler for QUERY; options as for `route`."""
        return self._decorator(path, ("QUERY",), options, sys._getframe(1).f_locals)

    def resource(self, path: str, handlers: object, **options: Unpack[RouteOptions]) -> None:
        """Register the methods `get`, `post`, ... of an object as the handlers of one path.

        Nothing else of the object can be reached. Routes are named "Items.get" for a class `Items`, or by `name`.

        Raises:
            ConfigurationError: the object has none of these methods.
        """
        local_names = sys._getframe(1).f_locals
        named_so = {verb: getattr(handlers, verb.lower(), None) for verb in _METHODS}
        found = [(verb, handler) for verb, handler in named_so.items() if callable(handler)]
        if not found or isinstance(handlers, type):
            raise ConfigurationError(
                f"app.resource({path!r}, ...) takes an object with methods named get, post, ...; not {handlers!r}"
            )
        base = options.get("name") or type(handlers).__name__
        for verb, handler in found:
            named: RouteOptions = {**options, "name": f"{base}.{verb.lower()}"}
            self._decorator(path, (verb,), named, local_names)(handler)

    def websocket(
        self,
        path: str,
        *,
        name: str | None = None,
        middleware: Iterable[Any] = (),
        origins: Iterable[str] = (),
        max_message_bytes: int | None = None,
        subprotocols: Iterable[str] = (),
    ) -> Callable[[F], F]:
        """Register an `async def` for WebSockets to a path; the function comes back unchanged.

        It takes the connection as a parameter annotated `WebSocket` (or named `ws`), and parameters of the path and the
        request as other handlers do. Layers and error handlers apply as to any request, around the whole connection.
        When the function returns, the connection is closed with 1000; when it raises, with 1011, or 4000 and the status
        of an `HTTPError` from 400 to 499. Before it is accepted, what the function returns or raises is an ordinary
        response to the handshake.

        Served by ASGI servers and, with the extra `websocket`, under gunicorn's WSGI workers and Werkzeug; elsewhere
        the handshake is answered with 501.

        Args:
            path: as for `route`.
            name: for `url_for`; the function's name by default.
            middleware: layers of this route alone, outermost first. They may refuse the connection.
            origins: pages that may connect, as "https://app.example.com", besides those of the same host and of the
                application's `allowed_hosts`; "*" for every page. Others are refused with 403; a client that sends no
                Origin is no page, and is let in.
            max_message_bytes: instead of the application's limit (16 MiB); past it the connection is closed with 1009.
            subprotocols: those that the handler speaks, the preferred one first.

        Raises:
            ConfigurationError: at once, with the file and line of the function.

        Example:
            @app.websocket("/rooms/{name}")
            async def room(ws: WebSocket, name: str):
                async for message in ws:
                    await ws.send(f"{name}: {message}")

        See: RFC 6455.
        """
        options: RouteOptions = {"name": name, "middleware": middleware}
        limits = {"origins": origins, "max_message_bytes": max_message_bytes, "subprotocols": subprotocols}
        return self._decorator(path, (), options, sys._getframe(1).f_locals, limits)

    def _decorator(
        self,
        path: str,
        methods: Iterable[str],
        options: RouteOptions,
        local_names: Mapping[str, Any],
        websocket: Mapping[str, Any] | None = None,
    ) -> Callable[[F], F]:
        if callable(path):  # it would register nothing, and say nothing
            raise ConfigurationError.at(path, 'a route has a path, so its decorator is called: @app.get("/")')
        unknown = set(options) - RouteOptions.__annotations__.keys()

        def register(handler: F) -> F:
            if unknown:
                known = ", ".join(RouteOptions.__annotations__)
                raise ConfigurationError.at(handler, f"a route has no option {min(unknown)!r}; it has {known}")
            rules = None if websocket is None else _rules_for(handler, websocket)
            self._publish(Definition(path, methods, handler, options, local_names, rules), (self,))
            return handler

        return register

    def _publish(self, definition: Definition, routers: tuple[Router, ...]) -> None:
        """Take a route of this router or of one included in it; hand it on to whatever includes this one."""
        self._published.append((definition, routers))
        for parent in self._parents:
            parent._publish(definition, (parent, *routers))

    def include(self, router: Router) -> None:
        """Take over all routes of a router, those it gets later included.

        Raises:
            ConfigurationError: the router is included here already, or is this one's parent.
        """
        if router is self or self in router._parents or router in self._ancestors():
            raise ConfigurationError(f"{router!r} cannot be included in {self!r}: it is in it already, or holds it")
        for definition, routers in router._published:
            self._publish(definition, (self, *routers))
        router._parents.append(self)

    def _ancestors(self) -> set[Router]:
        found = set(self._parents)
        for parent in self._parents:
            found |= parent._ancestors()
        return found

    # --- middlewares and error handlers ---

    @overload
    def middleware(self, function: M, /) -> M: ...
    @overload
    def middleware(self, /, *, blocking: bool = False, body: bool = False) -> Callable[[F], F]: ...
    def middleware(self, function: Any = None, /, *, blocking: bool = False, body: bool = False) -> Any:
        """Add a layer around all routes of this router, inside those added before.

        Args:
            function: a generator function of the request, or an `async def` of (request, call_next); or a `Layer`,
                which says all else itself.
            blocking: the steps of the generator may block; they run where `def` handlers run.
            body: the request body is loaded before any layer is opened, so that this one can see it.

        Raises:
            ConfigurationError: the function is none of the forms; or an option is given with a `Layer`.

        Example:
            @app.middleware
            def timing(request: Request) -> Middleware:
                started = perf_counter()
                response = yield
                response.headers["server-timing"] = f"app;dur={(perf_counter() - started) * 1000:.1f}"
        """

        def register(layer_function: Any) -> Any:
            if isinstance(layer_function, Layer) and (blocking or body):
                raise ConfigurationError(f"{layer_function!r} has options of its own; give blocking= and body= to it")
            is_layer = isinstance(layer_function, Layer)
            layer = layer_function if is_layer else Layer(layer_function, blocking=blocking, body=body)
            self.layers = (*self.layers, layer)
            self._changed()
            return layer_function

        return register if function is None else register(function)

    def error(self, key: int | type[BaseException]) -> Callable[[F], F]:
        """Register what makes a response of a status (of an HTTPError) or of a class of exceptions.

        The function takes (request, error) and is a `def` or an `async def`. A plain value it returns gets the
        status of the error, or 500. An `HTTPError` that it raises is rendered as any other, also the very one that it
        was given. For `Exception` and 500 it runs at the edge, when all layers have seen the exception.

        Raises:
            ConfigurationError: the key is neither, or has a handler already.
        """

        def register(function: F) -> F:
            self.errors.add(key, function)
            self._changed()
            return function

        return register

    # --- extended ---

    def once(self, name: str) -> None:
        """Refuse to be set up a second time: the first call in a `setup(app, ...)` of which there can be one.

        Args:
            name: of what is set up, for the message.

        Raises:
            ConfigurationError: it was called with this name before, on this very router; with both places.
        """
        here = place_of_caller()
        if name in self._places:
            raise ConfigurationError(
                f"{name} is set up at {self._places[name]} already, so it cannot be at {here}: there can be one"
            )
        self._places[name] = here

    def _changed(self) -> None:
        """Forget what was planned: layers or error handlers changed."""
        for parent in self._parents:
            parent._changed()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.prefix or '/'}>"
