"""The application: one object that is a WSGI callable and an ASGI callable at once. Start here.

`App` registers (it is the router at the top), plans, and is called: by a WSGI server with two arguments, by an ASGI
server with three. What happens then is in `core/pipeline.py`.
"""

from __future__ import annotations

from functools import partial
from typing import overload

from .core.converters import CONVERTERS, Converter
from .core.error_handling import render_error
from .core.errors import ConfigurationError, HTTPError, near_to
from .core.json import StandardJSON
from .core.limits import Limits
from .core.log import log_refusal
from .core.matching import RouteTable
from .core.middleware import Layer, seen_from, without_repeated
from .core.origins import HostCheck, OriginCheck, check_host_patterns
from .core.plan import Plan
from .core.response import Redirect, Response
from .core.routing import Route, Router, match_host, parse_host_template
from .core.state import Generic, State, StateT
from .core.url import encode_query, split_host
from .core.websocket import WEBSOCKET, serve_websocket
from .equipment import EquippedRouter
from .gateways import asgi, wsgi

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from contextlib import AbstractAsyncContextManager
    from typing import Any, Literal, TypeVar
    from wsgiref.types import StartResponse, WSGIApplication

    from typing_extensions import TypeIs

    from .bridge.lifespan import Lifespan, Lifespans
    from .core.binding import Bound
    from .core.error_handling import ErrorHandlers
    from .core.json import JSONCodec
    from .core.request import Request
    from .core.routing import Definition
    from .features.mount import Guest

    F = TypeVar("F", bound=Callable[..., Any])
    Receive = Callable[[], Awaitable[Any]]
    Send = Callable[[Any], Awaitable[None]]


class App(EquippedRouter, Generic[StateT]):
    """A web application for every WSGI and ASGI server.

    `App[ShopState]` tells type checkers what is in its `state`; to everything else that is the same.

    Args:
        lifespan: a generator function, `def` or `async def`, that takes nothing or the app and yields once: what
            stands before the yield runs at start-up, what stands behind it at shutdown. The members of a mapping or
            of a dataclass that it yields are in `request.state`. `App.lifespan` adds another one.
        limits: what clients may make it hold.
        json: an object or module with `dumps(value)` and `loads(bytes)`; the standard library's by default.
        debug: show crashes, and the routes where none was found, to who asks from this machine; never in production.
        middleware: functions or `Layer`s around everything, outermost first.
        allowed_hosts: names of this site, as "example.com" or "*.example.com": requests for others are refused with
            400, and pages of these hosts may open WebSockets, besides those of the host that a request names. None are
            refused by default; a warning is logged then, but in `debug` and for the machine's own names.
        csrf: False lets pages of other sites send requests with the user's cookies; see `App.csrf`.

    Attributes:
        wsgi, asgi: the two callables; assign to wrap one side: `app.wsgi = ProxyFix(app.wsgi)`.
        state: what the state of each request begins with, by name: what lifespans yielded, and what is put here.
        template_functions: name -> function of the request, which templates call by that name without arguments.

    Raises:
        ConfigurationError: the lifespan has none of the forms.

    Example:
        >>> app = App()
        >>> @app.get("/hello/{name}")
        ... def hello(name: str):
        ...     return f"Hello, {name}!"
    """

    wsgi: WSGIApplication
    asgi: Callable[[Any, Receive, Send], Awaitable[None]]
    state: StateT

    def __init__(
        self,
        *,
        lifespan: Callable[..., Any] | None = None,
        limits: Limits | None = None,
        json: JSONCodec | None = None,
        debug: bool = False,
        middleware: Iterable[Any] = (),
        allowed_hosts: Iterable[str] = (),
        csrf: bool = True,
    ) -> None:
        super().__init__(middleware=middleware, debug=debug, csrf=csrf)
        self.allowed_hosts = check_host_patterns(allowed_hosts)
        self._host_check = HostCheck(self.allowed_hosts)
        self.limits = limits or Limits()
        self.json: JSONCodec = json or StandardJSON()
        self.lifespans: Lifespans | None = None
        self._own_lifespans: list[Lifespan] = []
        self._routes: list[Route] = []
        self._planned: list[Route] = []
        self._by_name: dict[str, Route | None] = {}
        self._converters: dict[str, Converter] = dict(CONVERTERS)
        self._converters_by_type: dict[Any, Converter] = {}
        self._table = RouteTable()
        self._host_tables: list[tuple[list[Any], str, RouteTable]] = []
        self._has_final_slashes = False
        self._mounts: list[_Mount] = []
        self._hosts: list[App] = []
        self._answering: Plan | None = None
        self._become_callable()
        if lifespan is not None:
            self.lifespan(lifespan)

    def _become_callable(self) -> None:
        """Set the two callables, and what servers look at to tell an ASGI application.

        Servers (uvicorn, hypercorn, daphne) ask whether `app.__call__` is a coroutine function; only the instance
        has one there, and only they look. A real call uses the class's `__call__`, which tells the two by their
        number of arguments.
        """
        self.wsgi = partial(wsgi.serve, self)
        self.asgi = served = partial(asgi.serve, self)
        served.__dict__["__call__"] = self._serve_asgi  # wrappers look at `app.asgi` in the same way
        self.__dict__["__call__"] = self._call_asgi

    # --- called ---

    @overload
    def __call__(self, environ: Any, start_response: StartResponse, /) -> Iterable[bytes]: ...
    @overload
    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None: ...
    def __call__(self, scope: Any, receive: Any, send: Any = None) -> Any:
        """Serve a WSGI call (environ, start_response) or an ASGI call (scope, receive, send)."""
        if send is not None:
            return self.asgi(scope, receive, send)
        if scope.__class__ is not dict:
            _check_environ(scope)
        return self.wsgi(scope, receive)

    async def _call_asgi(self, scope: Any, receive: Receive, send: Send) -> None:
        await self.asgi(scope, receive, send)

    async def _serve_asgi(self, scope: Any, receive: Receive, send: Send) -> None:
        await asgi.serve(self, scope, receive, send)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is bound to this very object, so that a copy gets its own."""
        state = {name: value for name, value in self.__dict__.items() if name not in ("__call__", "wsgi", "asgi")}
        given = {name for lifespan in self._own_lifespans for name in lifespan.given}
        values = {name: value for name, value in self.lifespan_state.items() if name not in given}
        functions = [lifespan.function for lifespan in self._own_lifespans]
        return {**state, "lifespans": None, "state": State(values), "_own_lifespans": functions}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update({**state, "_own_lifespans": []})
        self._become_callable()
        self._collect_lifespans()
        for function in state["_own_lifespans"]:
            self.lifespan(function)

    # --- registered ---

    def converter(
        self,
        name: str,
        convert: Callable[[str], Any],
        *,
        format: Callable[[Any], str] = str,
        annotation: Any = None,
    ) -> None:
        """Add a converter for path parameters: `{id:name}`, or by the handler's annotation.

        Args:
            name: a new name, or one to replace for routes registered from now on.
            convert: the text of one segment -> a value; raises ValueError for text that is no match.
            format: a value -> its text, for `url_for`.
            annotation: handlers' parameters annotated so use this converter.
        """
        self._converters[name] = converter = Converter(name, convert, format)
        if annotation is not None:
            self._converters_by_type[annotation] = converter

    def mount(
        self,
        path: str,
        other: Any,
        *,
        interface: Literal["wsgi", "asgi"] | None = None,
        max_body_bytes: int | None = None,
        csrf: bool = False,
    ) -> None:
        """Serve another application below a path; its middlewares, error handlers and lifespan are its own.

        It may be an `App`, or any WSGI or ASGI application: a Flask, a FastAPI, a Django. Either gateway serves each of
        them, streams and all; WebSockets of an ASGI application too, wherever a handler has them. The routes of this
        application come first, then the mount with the longest path; the middlewares of this one wrap the other.

        Args:
            path: begins with "/" and does not end with one; "/" is for whatever no route and no other mount takes.
            other: the application.
            interface: of an application that does not show which it has; told by looking at it otherwise.
            max_body_bytes: of the bodies it is sent. None leaves that to an application of another framework: it gets
                its bodies as streams, and has limits of its own.
            csrf: check what it is sent for pages of other sites, as requests for routes are, and WebSockets as those
                are; False leaves that to an application of another framework. An `App` always does so itself.

        Raises:
            ConfigurationError: the path is wrong or taken, or the other is no application.

        Example:
            app.mount("/admin", flask_app)
            app.mount("/", server.streamable_http_app())  # an MCP server answers at a path of its own, /mcp
        """
        if path != "/" and (not path.startswith("/") or path.endswith("/") or "{" in path):
            raise ConfigurationError(
                f"the mount path {path!r} must be '/', or begin with a slash and not end with one, and be literal"
            )
        prefix = path.rstrip("/")
        if any(mount.path == prefix for mount in self._mounts):
            raise ConfigurationError(f"there is an application mounted at {path!r} already")
        if is_app(other):
            self._check_mounted(path, other, interface=interface, max_body_bytes=max_body_bytes, csrf=csrf or None)
            mount = _Mount(prefix, other)
            other._hosts.append(self)
        else:
            from .features.mount import guest_of  # only an application with one pays for it

            if csrf and self.cross_site is None:
                raise ConfigurationError(
                    f"app.mount({path!r}, csrf=True) is checked, but App(csrf=False) checks nothing"
                )
            guest = guest_of(path, other, self, interface, max_body_bytes)
            mount = _Mount(prefix, guest, is_guarded=csrf)
            if guest.lifespan is not None:
                from .bridge.lifespan import Lifespan

                mount.lifespan = Lifespan(guest.lifespan, other)
        self._mounts.append(mount)
        self._has_final_slashes = True
        self._mounts.sort(key=lambda mount: -len(mount.path))
        self._collect_lifespans()

    def _check_mounted(self, path: str, other: App, **of_guests: object) -> None:
        if other is self or self in other._all_mounted():
            where = "itself" if other is self else "one that is mounted in it"
            raise ConfigurationError(f"app.mount({path!r}, ...): {other!r} cannot be mounted in {where}")
        given = [f"{name}=" for name, value in of_guests.items() if value is not None]
        if given:
            raise ConfigurationError(
                f"app.mount({path!r}, ...) was given an App, which has both interfaces, limits and checks of its own:"
                f" {given[0]} is for other applications"
            )

    def lifespan(self, function: F) -> F:
        """Add a lifespan to those that were added before: it starts after them, and stops before them.

        It takes nothing or the app, whose `state` has what those before yielded. All start before values of
        `provide(..., scope="app")` are made and applications that are mounted start. The function comes back unchanged.

        Args:
            function: a generator function, `def` or `async def`, as for `App(lifespan=...)`.

        Raises:
            ConfigurationError: it has none of the forms, or the application has been started.

        Example:
            @app.lifespan
            async def pool(app: App) -> AsyncIterator[dict[str, Pool]]:
                async with connect(URL) as pool:
                    yield {"pool": pool}
        """
        from .bridge.lifespan import Lifespan  # only an application with a lifespan pays for loading it

        if self._has_started():
            raise ConfigurationError.at(function, "it was added as a lifespan, but the application has been started")
        state: Any = self.state
        self._own_lifespans.append(Lifespan(function, self, state))
        self._collect_lifespans()
        return function

    def _has_started(self) -> bool:
        is_running = self.lifespans is not None and not self.lifespans.pending
        return is_running or any(host._has_started() for host in self._hosts)

    def spawn(self, function: Callable[..., Any], *args: Any, wait_at_stop: bool = True) -> None:
        """Run a function in the background: beside the request that asks for it, and beyond its end.

        It runs in this process, in a copy of the caller's context: an `async def` on the server's event loop or, under
        WSGI, on the process's; a `def` in a worker thread, of which there are `Limits.threads` (under ASGI shared with
        handlers); more has to wait. A failure is logged. A stop waits for it, until five sixths of
        `Limits.graceful_stop_s` are over, and then cancels it, once: it has two seconds more, in which a `finally` may
        await. A thread, which cannot be cancelled, is left behind with a warning. What a killed process had not run is
        lost.

        Args:
            function: an `async def` or a `def`.
            args: what it is called with.
            wait_at_stop: False for work without end, which is cancelled as soon as the application stops; an
                `async def`, since a thread cannot be.

        Example:
            async def lifespan(app: App):
                app.spawn(poll_prices, wait_at_stop=False)
                yield
        """
        from .bridge.background import spawn  # loads inspect, which registration has loaded already

        spawn(self, function, args, wait_at_stop=wait_at_stop)

    def running(self) -> AbstractAsyncContextManager[None]:
        """Run the lifespan, with those of mounted applications, around a block on the event loop that serves.

        For a host that passes no lifespan events on, as Starlette and FastAPI do with what is mounted in them: in its
        own lifespan. Without this the first request starts it, and it stops when the loop ends; which uvicorn, told to
        stop by a signal, does not wait for.

        Raises:
            BaseException: what a start-up or a shutdown raised.

        Example:
            @asynccontextmanager
            async def lifespan(host: FastAPI):
                async with shop.running():
                    yield
        """
        from contextlib import nullcontext

        return nullcontext() if self.lifespans is None else self.lifespans.running()

    if not TYPE_CHECKING:

        @property
        def run(self) -> None:
            """Tell those who know it of other frameworks."""
            raise AttributeError(
                "an App is served, it serves nothing by itself: in development `ambi run shop:app`, else a server,"
                " `gunicorn shop:app` or `uvicorn shop:app`"
            )

    def _all_mounted(self) -> set[App]:
        apps = [mount.app for mount in self._mounts if isinstance(mount.app, App)]
        return {app for mounted in apps for app in {mounted} | mounted._all_mounted()}

    def include(self, router: Router) -> None:
        """Take over all routes of a router, those it gets later included.

        Raises:
            ConfigurationError: it is an App (mount that), or is included already.
        """
        if isinstance(router, App):
            raise ConfigurationError(f"{router!r} is an App: app.mount(path, other) serves it below a path")
        super().include(router)

    @property
    def routes(self) -> tuple[Route, ...]:
        """The routes, in the order registered."""
        return tuple(self._routes)

    def _publish(self, definition: Definition, routers: tuple[Router, ...]) -> None:
        """Make a route of what was registered here, on a router or on one included in it."""
        super()._publish(definition, routers)
        route = Route(definition, routers, self._converters, self._converters_by_type, self._bind)
        try:
            self._table_for(route.host).add(route)
        except ConfigurationError as exc:
            raise ConfigurationError.at(route.handler, str(exc)) from None
        self._name(route, explicit=definition.name is not None)
        self._has_final_slashes |= route.path[-1] == "/" and route.path != "/"
        self._routes.append(route)

    def _bind(self, route: Route) -> Bound:
        """Bind the handler of a route: by what the core knows, or by what its types say."""
        from .core.binding import bind, is_plain  # loads inspect, at registration only

        names, websocket = route.param_names, route.websocket
        if is_plain(route.parameters, route.returns, names, websocket=websocket is not None):
            bound = bind(route.handler, route.parameters, names, websocket=websocket is not None)
        else:
            bound = self._bind_typed(route)
            self._collect_lifespans()  # of values of the whole process
        return bound if websocket is None else bound._replace(call=serve_websocket(bound.call, websocket))

    def _rebind(self) -> None:
        for route in self._routes:
            route.rebind()
        self._changed()

    def _table_for(self, host: str) -> RouteTable:
        if not host:
            return self._table
        for _, known, table in self._host_tables:
            if known == host:
                return table
        table = RouteTable()
        self._host_tables.append((parse_host_template(host), host, table))
        self._host_tables.sort(key=lambda entry: (entry[1].count("{"), entry[1]))
        return table

    def _name(self, route: Route, *, explicit: bool) -> None:
        """Remember a route by name; a name that functions share by chance names none of them."""
        if route.name not in self._by_name:
            self._by_name[route.name] = route
        elif explicit:
            raise ConfigurationError.at(route.handler, f"there is a route named {route.name!r} already")
        else:
            self._by_name[route.name] = None

    def _changed(self) -> None:
        for route in self._planned:
            route._plan = None
        self._planned.clear()
        self._answering = None
        for mount in self._mounts:
            mount.plans.clear()
        for host in self._hosts:
            host._changed()
        super()._changed()

    def _collect_lifespans(self) -> None:
        """Take note that there is a lifespan here or in a mounted application."""
        if self.lifespans is None and self._all_lifespans():
            from .bridge.lifespan import Lifespans

            self.lifespans = Lifespans(self._all_lifespans)
        for host in self._hosts:
            host._collect_lifespans()

    def _all_lifespans(self) -> list[Lifespan]:
        found = list(self._own_lifespans)
        if self._registry is not None:
            found += self._registry.lifespans()
        for mount in self._mounts:
            if isinstance(mount.app, App):
                found += mount.app._all_lifespans()
            elif mount.lifespan is not None:
                found.append(mount.lifespan)
        return found

    @property
    def lifespan_state(self) -> Mapping[str, Any]:
        """The values of `state`, by name."""
        state: Any = self.state
        values: Mapping[str, Any] = state._values
        return values

    def url_path(self, name: str, params: Mapping[str, object]) -> str:
        """Build the percent-encoded path of a named route, below the mount prefix.

        Raises:
            LookupError: there is no such route, several functions share the name, or a parameter is missing.
        """
        route = self._by_name.get(name)
        if route is None:
            raise LookupError(f"no route is named {name!r}: {self._why_unnamed(name)}")
        path, left = route.url_path(params)
        return f"{path}?{encode_query(left.items())}" if left else path

    def _why_unnamed(self, name: str) -> str:
        if name in self._by_name:
            return "several routes share it; give them names"
        return f"there is none{near_to(name, self._by_name)}"

    # --- planned ---

    def plan_for(self, request: Request, refusal: HTTPError | None = None) -> Plan:
        """Find the route of a request and give its plan; what has no route has a plan too, for its error."""
        if refusal is None and request._host not in self._host_check.known:
            refusal = self._check_host(request)
        if refusal is not None:
            return self._answer(request, refusal)
        others: list[dict[str, Route]] = []
        try:
            if self._host_tables:
                found = self._match_host(request, others)
            else:
                found = self._table.match(request.method, request.path, others)
            if found is None:
                return self._plan_for_miss(request, others)
        except Exception as exc:  # a converter of the user that fails
            return self._answer(request, exc)
        route, request._values = found
        request.route = route
        if route.is_guarded and self.cross_site is not None:
            try:
                self.cross_site.check(request)
            except HTTPError as exc:
                return self._answer(request, exc)
        return route._plan or self._make_plan(route)

    def _check_for_guest(self, request: Request) -> None:
        """Check what a guest is sent that has no check of its own. Raises: HTTPError 403."""
        if request.method == WEBSOCKET and self.cross_site is not None:
            OriginCheck(self.cross_site.origins).check(request)
        elif self.cross_site is not None:
            self.cross_site.check(request)

    def _check_host(self, request: Request) -> HTTPError | None:
        """Check a host that was not seen before; where nothing is said of hosts, that is up to the outermost."""
        if request._places is not None and not self.allowed_hosts:
            return None
        return self._host_check.check(request)

    def _match_host(self, request: Request, others: list[dict[str, Route]]) -> tuple[Route, tuple[Any, ...]] | None:
        """Match where some routes are for a host only; those come first."""
        host = split_host(request.host)[0] if request.host else ""
        for template, _, table in self._host_tables:
            values = match_host(template, host)
            if values is not None:
                found = table.match(request.method, request.path, others)
                if found is not None:
                    return found[0], values + found[1]
        return self._table.match(request.method, request.path, others)

    def _make_plan(self, route: Route) -> Plan:
        layers = without_repeated(
            (*(layer for router in route.routers for layer in router.layers), *route.layers, *route.bound.layers),
        )
        call = _timed(route)
        if self.csrf_tokens is not None and route.is_guarded:
            call = self.csrf_tokens.guarding(call)
        route._plan = plan = Plan(
            route.handler,
            call,
            codec=self.json,
            max_body_bytes=route.max_body_bytes or self.limits.max_body_bytes,
            is_async=route.is_async,
            blocking=route.blocking,
            layers=layers,
            errors=_scopes(route.routers),
            loads_body=not route.bound.streams_body,
            cancel_on_disconnect=route.cancel_on_disconnect,
            is_websocket=route.websocket is not None,
            answer=route.bound.answer,
        )
        self._planned.append(route)
        return plan

    def _plan_for_miss(self, request: Request, others: list[dict[str, Route]]) -> Plan:
        if others and request.method != WEBSOCKET:
            request._missed = others
            methods = {"OPTIONS"}.union(*others)
            if WEBSOCKET in methods:
                if request.method in ("GET", "HEAD") and "GET" not in methods:
                    return self._answer(request, HTTPError(426, "this path is for WebSocket connections"))
                methods = {"GET" if method == WEBSOCKET else method for method in methods}
            allow = {"allow": ", ".join(sorted(methods))}
            if request.method == "OPTIONS":
                return self._answer(request, Response(b"", 204, allow))
            return self._answer(request, HTTPError(405, headers=allow))
        for mount in self._mounts:
            if request.path == mount.path and mount.is_app:
                break  # it is told of its slash: what is mounted around it has no say
            if request.path == mount.path or request.path.startswith(mount.path + "/"):
                return self._plan_in_mount(request, mount)
        request._missed = others
        location = self._other_slash(request, others)
        if location is not None:
            return self._answer(request, Redirect(location, 308))
        if request.path == "*" and request.method == "OPTIONS":
            return self._answer(request, Response(b"", 204))
        return self._answer(request, HTTPError(404))

    def _plan_in_mount(self, request: Request, mount: _Mount) -> Plan:
        if mount.is_guarded:
            try:
                self._check_for_guest(request)
            except HTTPError as exc:
                return self._answer(request, exc)
        request.enter_mount(mount.path, mount.app if isinstance(mount.app, App) else None)
        inner = mount.app.plan_for(request)
        plan = mount.plans.get(inner)
        if plan is None:
            plan = mount.plans[inner] = inner.within(self._layers_around(inner.mounts + 1), _scopes((self,)))
        return plan

    def _layers_around(self, mounts: int) -> tuple[Layer, ...]:
        """Give the layers around what is mounted: each side sees the request from its own place."""
        return (seen_from(mounts), *self.layers, seen_from(mounts - 1)) if self.layers else ()

    def _other_slash(self, request: Request, others: list[dict[str, Route]]) -> str | None:
        """Give the relative reference to the same path with one slash more or less, if there is such a route.

        Args:
            others: is given the endpoints of that path.
        """
        path = request.path
        if path[-1:] == "/":
            other = path[:-1]
        elif self._has_final_slashes:
            other = path + "/"
        else:
            return None
        if path[:2] == "//" or path[-2:] == "//" or other in ("", "/") or not self._has_route(request, other, others):
            return None
        return request.reference_beside(slash=other[-1] == "/")

    def _has_route(self, request: Request, path: str, others: list[dict[str, Route]]) -> bool:
        if any(mount.path + "/" == path for mount in self._mounts if mount.is_app):
            return True
        wanted, request.path = request.path, path
        try:
            found = self._match_host(request, others)
        finally:
            request.path = wanted
        if found is not None:
            others.append({request.method: found[0]})
        return found is not None

    def _answer(self, request: Request, answer: Exception | Response) -> Plan:
        """Plan an answer that no handler makes: it passes the layers and error handlers of the application."""
        request._answer = answer
        if self._answering is None:
            give = _raise_or_give if self.layers or self.errors.by_class or self.errors.by_status else _render_or_give
            self._answering = Plan(
                give, give, codec=self.json, max_body_bytes=self.limits.max_body_bytes,
                layers=self.layers, errors=_scopes((self,)), keeps_raw=True,
            )  # fmt: skip
        return self._answering


def is_app(value: object) -> TypeIs[App]:
    """Tell whether a value is an `App`. To type checkers its state is `Any` then, which `isinstance` leaves unknown."""
    return isinstance(value, App)


def _timed(route: Route) -> Callable[[Request], Any]:
    """Give the call of a route, within its time."""
    if route.timeout_s is None:
        return route.bound.call
    from .bridge.time_limit import timed  # loads asyncio, which an application without such a route does not need

    return timed(route.bound.call, route.timeout_s, route.described)


class _Mount:
    """An application mounted in another, and the plans of its routes inside that one's layers.

    Attributes:
        path: "" at the root.
        lifespan: of a guest; an `App` has its own.
        is_guarded: what a guest is sent is checked here.
    """

    __slots__ = ("app", "is_app", "is_guarded", "lifespan", "path", "plans")

    def __init__(self, path: str, app: App | Guest, *, is_guarded: bool = False) -> None:
        self.path = path
        self.is_guarded = is_guarded
        self.app = app
        self.is_app = isinstance(app, App)
        self.lifespan: Lifespan | None = None
        self.plans: dict[Plan, Plan] = {}


def _scopes(routers: tuple[Router, ...]) -> tuple[ErrorHandlers, ...]:
    """Give the error handlers of routers, nearest first, without those that are empty."""
    return tuple(r.errors for r in reversed(routers) if r.errors.by_class or r.errors.by_status)


def _check_environ(environ: object) -> None:
    """Raise TypeError for what no WSGI server gives as its first argument."""
    if not isinstance(environ, dict):
        raise TypeError(
            f"the app was called with two arguments, of which the first is no environ but {type(environ).__name__};"
            " granian must be told how to call it: --interface asgi or --interface wsgi"
        )


def _raise_or_give(request: Request) -> Response:
    """Give the answer of a request without a route, an error by raising it, for layers and error handlers to see."""
    if isinstance(request._answer, Response):
        return request._answer
    raise request._answer


def _render_or_give(request: Request) -> Response:
    """The same where there is neither layer nor error handler: nobody would see the exception, but who is in debug."""
    answer = request._answer
    if isinstance(answer, Response):
        return answer
    if not isinstance(answer, HTTPError) or request.app.debug:
        raise answer
    if answer.status != 404 and answer.status != 405:  # noqa: PLR1714  # asked for every miss
        log_refusal(request, answer)
    return render_error(request, answer)
