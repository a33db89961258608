"""The request: one class for both gateways, parsed when asked.

The gateway hands over what it always needs (method, path, query, host) and an `Edge`, through which the rest is read
from the server's own structure when, and only when, somebody asks.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Protocol

from .chance import random_text
from .cookies import parse_cookies
from .errors import HTTPError
from .forms import Form, check_field_sizes
from .headers import Headers, parse_parameters
from .json import read_json
from .log import asked, log_ignored_cookies
from .multidict import MultiDict
from .negotiation import best_encoding, best_language, best_media_type
from .origins import is_loopback_name
from .preconditions import ETags, parse_http_date
from .state import Generic, State, StateT
from .url import URL, encode_controls, encode_path, parse_urlencoded, reference_beside, split_host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping
    from contextvars import Context
    from datetime import datetime
    from typing import Any, Literal

    from .body import BodySource
    from .ending import Sent
    from .forwarded import Proxies
    from .headers import Pair
    from .json import JSONCodec
    from .limits import Limits
    from .plan import Plan
    from .ranges import ByteRange
    from .response import Response
    from .routing import Route
    from .session import Session
    from .tracing import Trace
    from .websocket import WebSocket

if TYPE_CHECKING:
    Place = tuple["Application", str, str]
    """An application that a request passes, its `root_path`, and the path below it."""


class Edge(Protocol):
    """What a gateway can tell of a request; one stateless object a gateway, given the server's own structure."""

    @property
    def name(self) -> Literal["wsgi", "asgi"]:
        """The gateway's."""
        ...

    def header(self, native: Any, name: str, /) -> str | None:
        """Give one field, lines joined; the name is in lower case."""
        ...

    def field(self, request: Request, name: str, /) -> str | None:
        """Give the same of a request, which keeps what makes a second look cheap."""
        ...

    def headers(self, native: Any, /) -> list[Pair]:
        """Give all fields, names in lower case."""
        ...

    def scheme(self, native: Any, /) -> str:
        """Give "http" or "https"."""
        ...

    def client(self, native: Any, /) -> tuple[str, int | None] | None:
        """Give address and port of the peer."""
        ...

    def server(self, native: Any, /) -> str:
        """Give `name:port` of the server, for requests that name no host."""
        ...

    def raw_path(self, native: Any, /) -> bytes:
        """Give the path as the server received it; b"" where it does not tell."""
        ...

    def lifespan_state(self, native: Any, /) -> Mapping[str, Any] | None:
        """Give what the server passes on from a start-up."""
        ...

    def body_source(self, request: Request) -> BodySource:
        """Give where the body comes from."""
        ...

    def is_disconnected(self, request: Request) -> bool:
        """Tell whether the client is known to have left."""
        ...

    def travel(self, request: Request, coroutine: Coroutine[Any, Any, Response]) -> Awaitable[Response]:
        """Drive a part of the pipeline that user code awaits; it may change sides on its way."""
        ...

    def awaited(self, awaitable: Awaitable[Any], /) -> Awaitable[Any]:
        """Await something on the loop; a cancellation that comes of it, and is not of this task, is a RuntimeError."""
        ...


class Application(Protocol):
    """What a request needs of its application."""

    limits: Limits
    debug: bool
    json: JSONCodec
    allowed_hosts: tuple[str, ...]
    proxies: Proxies | None
    template_functions: dict[str, Callable[[Request], Any]]
    csrf_tokens: Any

    @property
    def lifespan_state(self) -> Mapping[str, Any]:
        """What lifespans yielded, and what was put into the state besides."""
        ...

    @property
    def state(self) -> Any:
        """The same, as attributes."""
        ...

    def url_path(self, name: str, params: Mapping[str, object]) -> str:
        """Build the path of a named route."""
        ...

    def show_failure(self, request: Request, failure: Exception, plan: Plan | None) -> Response | None:
        """Show a crash to who develops the application; None where it is not to be seen. Asked in debug only."""
        ...

    def show_miss(self, request: Request, error: HTTPError) -> Response | None:
        """Show likewise which routes there are, to a request that none matched. Asked in debug only."""
        ...


class Request(Generic[StateT]):
    """One HTTP request. Handlers and middlewares take it as a parameter annotated `Request`.

    Or `Request[ShopState]`, by which type checkers know what is in its `state`; to everything else that is the same.

    Where applications are mounted in others, each sees the request from where it stands: `path`, `root_path` and `app`
    are those of the application that the handler or middleware belongs to.

    Attributes:
        method: as sent; methods are case-sensitive.
        path: percent-decoded, without the mount prefix; begins with "/".
        root_path: the prefix under which the application is mounted, "" at the root.
        query_string: as received, percent-encoded.
        route: the matched route; None for a request that none matched.
        app: the application.
        native: the server's own structure: the WSGI environ or the ASGI scope. Differs between gateways.
        has_begun: for the framework: the response is made, and it is too late to change its header fields; or there
            will be none.
        has_end: for the framework: something is to be done when the response has been sent, and it is not too late to
            ask for more.
    """

    __slots__ = (
        "__weakref__",
        "_after", "_answer", "_body", "_body_source", "_content_type", "_context", "_cookies", "_csp_nonce",
        "_csrf_seeds", "_distance", "_dropped", "_edge", "_form", "_has_body", "_headers", "_host", "_json", "_lines",
        "_loop_side", "_missed", "_on_response", "_places", "_provided", "_query", "_receive", "_refusal", "_sent",
        "_session", "_state", "_sync_side", "_trace", "_values", "_websocket", "app", "has_begun", "has_end", "method",
        "native", "path", "query_string", "root_path", "route",
    )  # fmt: skip

    def __init__(  # noqa: PLR0917  # called by the two gateways only, on every request: names would cost
        self,
        app: Application,
        edge: Edge,
        native: Any,
        method: str,
        path: str,
        query_string: str,
        root_path: str,
        host: str | None,
        has_body: bool,
    ) -> None:
        self.app = app
        self._edge = edge
        self.native = native
        self.method = method
        self.path = path
        self.query_string = query_string
        self.root_path = root_path
        self._host = host
        self._has_body = has_body
        self.route: Route | None = None
        self._values: tuple[Any, ...] = ()
        self._body: bytes | None = None
        self._body_source: Any = None
        self._form: Form | None = None
        self._on_response: list[Callable[[Response], object]] | None = None
        self._sync_side: Any = None
        self._dropped: list[Any] | None = None
        self._after: list[tuple[Callable[..., Any], bool, tuple[Any, ...]]] | None = None
        self._places: list[Place] | None = None
        self._sent: Sent | None = None
        self._provided: dict[Any, Any] | None = None
        self._query: MultiDict[str] | None = None
        self._content_type: tuple[str, dict[str, str]] | None = None
        self._lines: dict[bytes, bytes] | None = None
        self.has_begun = self.has_end = False

    # Slots that are absent until first used; declared for type checkers.
    if TYPE_CHECKING:
        _context: Context
        _cookies: Mapping[str, str]
        _csp_nonce: str
        _csrf_seeds: dict[str, str]
        _distance: int
        _headers: Headers
        _json: Any
        _loop_side: Any
        _missed: list[dict[str, Route]]
        _receive: Any
        _refusal: HTTPError
        _answer: Exception | Response
        _session: Session
        _state: StateT
        _trace: Trace
        _websocket: WebSocket

    # --- where it was sent to ---

    @property
    def gateway(self) -> Literal["wsgi", "asgi"]:
        """The gateway the request came through."""
        return self._edge.name

    @property
    def scheme(self) -> str:
        """How the server saw the connection: "http" or "https"."""
        return self._edge.scheme(self.native)

    @property
    def host(self) -> str:
        """The host as the client named it, with its port if named; checked against RFC 3986 3.2.2.

        Where the client named none it is the server's own, and "" where that has none either, as on a Unix socket.
        """
        return self._host or self._edge.server(self.native)

    @property
    def client(self) -> tuple[str, int | None] | None:
        """Address and port of the peer; None where the server does not know (a Unix socket)."""
        return self._edge.client(self.native)

    @property
    def url(self) -> URL:
        """The absolute URL of the request, mount prefix and query included."""
        return URL(self.scheme, self.host, self.root_path + self.path, self.query_string)

    @property
    def path_params(self) -> dict[str, Any]:
        """The converted values of the path's parameters, by name."""
        return dict(zip(self.route.param_names, self._values, strict=True)) if self.route else {}

    def url_for(self, name: str, /, *, absolute: bool = False, **params: object) -> str:
        """Build the URL of a named route: of the application that serves the request, or of one it is mounted in.

        Args:
            name: of the route; "router.route" for one in a named router. The application that is asked for it comes
                first, then those around it, then those inside of it.
            absolute: with scheme and host; by default only the path, which is right behind every proxy.
            params: values of the path's parameters; further ones go to the query string.

        Raises:
            LookupError: there is no such route, or a parameter is missing.
        """
        path = _first_path(self._places_from_here(), name, params)
        return f"{self.scheme}://{self.host}{path}" if absolute else path

    @property
    def template_functions(self) -> dict[str, Callable[[Request], Any]]:
        """What templates may call by name: of the application that serves the request, and of those around it."""
        found: dict[str, Callable[[Request], Any]] = {}
        for app, *_ in reversed(self._places_from_here()):
            found |= app.template_functions
        return found

    @property
    def is_loopback(self) -> bool:
        """Whether the request came by plain http to a loopback host, as in development."""
        name = split_host(self.host)[0] if self.host else ""
        return self.scheme == "http" and is_loopback_name(name)

    # --- how it is named ---

    @property
    def id(self) -> str:
        """The id of the request: that of X-Request-ID where it is well-formed, else of its trace; cached.

        It is in logs and on the response where the application asked for that: see `App.request_ids`.
        """
        return self.trace.request_id

    @property
    def trace(self) -> Trace:
        """The place of the request in a trace, as its traceparent says or new; cached. See: W3C Trace Context."""
        try:
            return self._trace
        except AttributeError:
            from .tracing import Trace  # loaded with the first that asks

            header, native = self._edge.header, self.native
            fields = header(native, "x-request-id"), header(native, "traceparent"), header(native, "tracestate")
            self._trace = Trace(*fields)
            return self._trace

    # --- what it says about itself ---

    @property
    def headers(self) -> Headers:
        """The header fields: immutable, without case."""
        try:
            return self._headers
        except AttributeError:
            self._headers = Headers(self._edge.headers(self.native))
            return self._headers

    @property
    def query(self) -> MultiDict[str]:
        """The arguments of the query string, in order; immutable.

        Raises:
            HTTPError: 400 past `Limits.max_query_fields`.
        """
        if self._query is None:
            text = self.query_string
            limit = self.app.limits.max_query_fields
            self._query = MultiDict(parse_urlencoded(text, limit) if text else ())
        return self._query

    @property
    def cookies(self) -> Mapping[str, str]:
        """The cookies by name; the first of a repeated name. See: RFC 6265 5.4."""
        try:
            return self._cookies
        except AttributeError:
            limits = self.app.limits
            header = self._edge.field(self, "cookie") or ""
            if len(header) > limits.max_cookie_bytes or header.count(";") >= limits.max_cookies:
                log_ignored_cookies(self)
            cookies = parse_cookies(header, limits.max_cookies, limits.max_cookie_bytes) if header else {}
            self._cookies = MappingProxyType(cookies)
            return self._cookies

    @property
    def content_type(self) -> tuple[str, dict[str, str]]:
        """The media type in lower case ("" when none is named) and its parameters."""
        if self._content_type is None:
            header = self._edge.field(self, "content-type") or ""
            if header == "application/json":  # which needs no reading
                self._content_type = header, {}
            else:
                media_type, parameters = parse_parameters(header)
                self._content_type = media_type.lower(), dict(reversed(parameters))
        return self._content_type

    @property
    def authorization(self) -> tuple[str, str] | None:
        """Scheme in lower case and credentials of the Authorization header. See: RFC 9110 11.6.2."""
        scheme, space, credentials = (self._edge.field(self, "authorization") or "").partition(" ")
        return (scheme.lower(), credentials.strip(" \t")) if space and scheme else None

    @property
    def last_event_id(self) -> str | None:
        """The id of the last event the client saw, when it comes back to an event stream; None when it saw none.

        Browsers send it as UTF-8. See: the HTML standard, "Server-sent events".
        """
        value = self._edge.field(self, "last-event-id")
        return value.encode("latin-1", "replace").decode("utf-8", "replace") if value else None

    def accepts(self, *offers: str) -> str | None:
        """Choose the media type the client likes best; None when it likes none. See: RFC 9110 12.5.1."""
        return best_media_type(self._edge.field(self, "accept"), offers)

    def accepts_language(self, *offers: str) -> str | None:
        """Choose the language the client likes best; None when it likes none. See: RFC 4647."""
        return best_language(self._edge.field(self, "accept-language"), offers)

    def accepts_encoding(self, *offers: str) -> str:
        """Choose the content coding the client likes best; "identity" when it likes none. See: RFC 9110 12.5.3."""
        return best_encoding(self._edge.field(self, "accept-encoding"), offers)

    @property
    def if_match(self) -> ETags:
        """The entity tags of If-Match. See: RFC 9110 13.1.1."""
        return ETags(self._edge.field(self, "if-match") or "")

    @property
    def if_none_match(self) -> ETags:
        """The entity tags of If-None-Match. See: RFC 9110 13.1.2."""
        return ETags(self._edge.field(self, "if-none-match") or "")

    @property
    def if_modified_since(self) -> datetime | None:
        """The date of If-Modified-Since; None when there is no valid one. See: RFC 9110 13.1.3."""
        return parse_http_date(self._edge.field(self, "if-modified-since") or "")

    @property
    def if_unmodified_since(self) -> datetime | None:
        """The date of If-Unmodified-Since; None when there is no valid one. See: RFC 9110 13.1.4."""
        return parse_http_date(self._edge.field(self, "if-unmodified-since") or "")

    def check_conditions(
        self,
        *,
        etag: str | None = None,
        last_modified: datetime | float | None = None,
        exists: bool = True,
        headers: Mapping[str, str] | None = None,
    ) -> Response | None:
        """Decide by the conditions of the request whether there is work to do, before it is done.

        Args:
            etag: of what there is now; quotes may be left out, `W/"..."` is a weak one, which no If-Match meets.
            last_modified: when that was last changed; aware, or in seconds since the epoch.
            exists: False where there is nothing yet, as before a PUT that creates.
            headers: further fields of a 304, which has those of the whole answer that caches go by: Cache-Control,
                Vary, Expires.

        Returns:
            The 304 to answer a GET or HEAD with whose client has this version; None to go on.

        Raises:
            HTTPError: 412, when the client speaks of another version.
            ValueError: a tag or header field that cannot be sent, or a datetime that says no time zone.

        Example:
            unchanged = request.check_conditions(etag=article.version)
            if unchanged:
                return unchanged

        See: RFC 9110 13.
        """
        from .preconditions import evaluate, refused, validators  # loaded already; named where they are used
        from .response import Response

        pairs = validators(etag, last_modified)
        found = dict(pairs)
        status = evaluate(self, found.get("etag", ""), found.get("last-modified", ""), exists=exists)
        if status == 412:
            raise refused()
        return Response(b"", 304, {**(headers or {}), **found}) if status == 304 else None

    @property
    def range(self) -> ByteRange | None:
        """The one range of bytes that is asked for; None for the whole, which is also what several ranges get.

        See: RFC 9110 14.2.
        """
        from .ranges import ByteRange  # loaded with the first that asks

        return ByteRange.parse(self._edge.field(self, "range") or "")

    # --- the body, there when the handler runs ---

    @property
    def body(self) -> bytes:
        """The whole body; cached.

        Raises:
            RuntimeError: it is not loaded yet (in a middleware before its `yield`), or the handler streams it.
            HTTPError: 415 when it is multipart: that is parsed into `form` while it arrives and not kept.
        """
        if self._body is not None:
            return self._body
        if not self._has_body:
            return b""
        if self._form is not None:
            raise HTTPError(415, "a multipart/form-data body is not accepted here")
        self.check_body()
        raise RuntimeError(
            "the request body is not loaded: it is read after the middlewares let the request pass, before a handler"
            " that takes no BodyStream. A middleware that must see it says @app.middleware(body=True)"
        ) from None  # where it is asked for as JSON, the missing cache is nobody's concern

    @property
    def text(self) -> str:
        """The body as text.

        Raises:
            HTTPError: 400 when it is not in the charset named (UTF-8 when none is), 415 for an unknown charset.
        """
        charset = self.content_type[1].get("charset", "utf-8").lower()
        if charset not in ("utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin-1", "latin1"):
            raise HTTPError(415, "the charset of the body is not supported; send UTF-8")
        try:
            return self.body.decode(charset)
        except UnicodeDecodeError:
            raise HTTPError(400, f"the body is not valid {charset}") from None

    def json(self) -> Any:
        """The body as JSON; cached.

        Raises:
            HTTPError: 400 for what is no JSON, 413 for more than `Limits.max_json_bytes`, 415 for another content type.
        """
        try:
            return self._json
        except AttributeError:
            media_type = self.content_type[0]
            if media_type and media_type != "application/json" and not media_type.endswith("+json"):
                raise HTTPError(415, "a JSON body was expected (content type application/json)") from None
            body, limits = self.body, self.app.limits
            if body[limits.max_json_bytes :]:  # a call less than `len`
                self.check_parsed_size()
            self._json = read_json(self.app.json, body, limits.max_json_depth)
            return self._json

    def check_parsed_size(self) -> None:
        """Refuse to parse the body in one go, while an event loop waits: it is larger than `Limits.max_json_bytes`.

        Raises:
            HTTPError: 413, unless the route has a `max_body_bytes` of its own, which it was held to.
        """
        if self.route is None or self.route.max_body_bytes is None:
            most = self.app.limits.max_json_bytes
            raise HTTPError(413, f"the request body is larger than {most} bytes, the most that is parsed as JSON")

    @property
    def form(self) -> Form:
        """The fields and files of the form, in order; cached. No body at all is an empty form.

        Raises:
            HTTPError: 415 when the body is no form, 413 past a limit.
        """
        if self._form is None:
            limits, media_type = self.app.limits, self.content_type[0]
            body = self.body
            if media_type == "application/x-www-form-urlencoded":
                if len(body) > min(limits.max_field_bytes, limits.max_fields_bytes):
                    check_field_sizes(body, limits)
                self._form = Form(parse_urlencoded(body.decode("latin-1"), limits.max_form_fields, 413))
            elif not body and media_type in ("", "multipart/form-data"):
                self._form = Form()
            else:
                raise HTTPError(415, "a form was expected (multipart/form-data or application/x-www-form-urlencoded)")
        return self._form

    # --- what belongs to it while it lasts ---

    @property
    def limits(self) -> Limits:
        """The limits of the application."""
        return self.app.limits

    @property
    def state(self) -> StateT:
        """What lifespans yielded or `app.state` has besides, and what middlewares leave; a shallow copy a request.

        It is a `State`: values are attributes, `state.pool`, and items, `state["pool"]`. A type checker takes it for
        what `Request[ShopState]` names: a class or a Protocol with attributes, or a TypedDict.

        In a mounted application what the lifespans of those around it yielded is there as well.
        """
        try:
            return self._state
        except AttributeError:
            state: dict[str, Any] = dict(self._edge.lifespan_state(self.native) or {})
            for app, *_ in self._places or ((self.app,),):  # the innermost has the last word
                state |= app.lifespan_state
            found: Any = State(state)
            self._state = found
            return self._state

    @property
    def csp_nonce(self) -> str:
        """The nonce that scripts and styles of this page carry, `<script nonce="...">`: another for each request.

        Made when it is asked for, which must be before the body is streamed; `app.security(...)` sends it along. See:
        Content Security Policy Level 3, 2.3.1.
        """
        try:
            return self._csp_nonce
        except AttributeError:
            self._csp_nonce = random_text(16)
            return self._csp_nonce

    @property
    def csrf_token(self) -> str:
        """The token that a form of this page sends back, in a hidden field; it looks different each time.

        Ask for it before the body is streamed: a cookie may have to be set. Templates that are streamed may ask later.

        Raises:
            RuntimeError: the application has none, `app.csrf(secret=...)` was not called; or it is first asked for
                where the response is being sent already.
        """
        token: str = self.csrf_tokens.token_for(self)
        return token

    @property
    def session(self) -> Session:
        """What the application remembers of this client; read when first touched, saved when changed.

        Raises:
            RuntimeError: there are no sessions here.
        """
        try:
            return self._session
        except AttributeError:
            raise RuntimeError(
                "there is no session here: call app.sessions(secret=...) before the middlewares that use it are added"
            ) from None

    @session.setter
    def session(self, session: Session) -> None:
        """Take what `request.session |= {...}` gives, which is the session itself."""
        if session is not self.session:
            raise AttributeError(
                "request.session cannot be another one: change what is in it, as with request.session.update(...)"
            )

    def is_disconnected(self) -> bool:
        """Tell whether the client is known to have left; never waits for it, and reads nothing of the body.

        Under ASGI the first call begins to watch the connection: an `async def` handler learns what that finds at a
        later call, a `def` handler at once; while the handler streams the body, that comes first. Under WSGI it is
        known where the server lends its socket (gunicorn, Werkzeug) or tells (waitress with
        `--channel-request-lookahead=1`), else always False. A client that closed only its sending half counts as gone.

        Example:
            while not request.is_disconnected():
                row = next_row()
        """
        return self._edge.is_disconnected(self)

    def on_response(self, function: Callable[[Response], object]) -> None:
        """Call `function(response)` with whatever is sent at last, the 500 of a crash included. It must not block.

        It is called before the first item of a stream is asked for; where that fails, once more, with the error that is
        sent instead. So it may change the response; what counts answers is for `on_sent`.

        Raises:
            RuntimeError: the response is made: it is being sent, as where a generator makes its items, or has been.
        """
        if self.has_begun:
            raise RuntimeError(
                "request.on_response comes too late: the response is being sent already. Ask for it in the handler,"
                " before it returns"
            )
        if self._on_response is None:
            self._on_response = []
        self._on_response.append(function)

    def on_sent(self, function: Callable[[Sent], object]) -> None:
        """Call `function(sent)` when the server has taken the last byte, or nobody is there to send it to.

        It learns the status, the number of bytes and whether those were all. It runs in the request's context and must
        not block: before functions given to `after`, and for a WebSocket when the connection is over. A stream may ask
        for it on its way.

        Raises:
            RuntimeError: the response has been sent, as where a function given to `after` runs; or it is being sent,
                and nobody has asked before.
        """
        if self.has_begun if self._sent is None else self._sent.is_told:
            raise RuntimeError(
                "request.on_sent comes too late: the response has been sent. Ask for it in the handler or in a stream"
            )
        self.count_sent().functions.append(function)

    def after(self, function: Callable[..., Any], *args: Any) -> None:
        """Run a function when the client has its whole answer and its connection is free.

        It runs whatever became of the response, in the context of the request, the files of its form still open;
        several run in the order asked for. A stream may ask for it on its way. A failure is logged, and the next one
        runs. A stop of the server waits for it within `Limits.graceful_stop_s`; what a killed process had not run is
        lost.

        Args:
            function: an `async def`, or a `def`, which runs in a worker thread: under WSGI not the handler's.
            args: what it is called with.

        Raises:
            RuntimeError: the request is over, as in a task that outlives it.

        Example:
            request.after(send_mail, request.form["to"])
        """
        from .binding import is_async  # loads inspect, which registration has loaded already

        if self.has_begun and not self.has_end:  # nobody would run it
            raise RuntimeError(
                "request.after comes too late: the request is over. Ask for it in the handler or in a stream; what"
                " belongs to no request is for app.spawn"
            )
        if self._after is None:
            self._after = []
            self.has_end = True
        self._after.append((function, is_async(function), args))

    # --- for the framework ---

    @property
    def csrf_tokens(self) -> Any:
        """What makes and checks the tokens of forms. Raises: RuntimeError where there is nothing of the kind."""
        tokens = self.app.csrf_tokens
        if tokens is None:
            raise RuntimeError("the application has no CSRF tokens; app.csrf(secret=...) gives it some")
        return tokens

    def reference_beside(self, *, slash: bool) -> str:
        """Write the relative reference to the same URL with a slash at the end of its path, or without one.

        It is relative to the request's own path, so that it is right behind a proxy that took a prefix off.
        """
        raw = self._edge.raw_path(self.native)
        reference = reference_beside(self.root_path + self.path, raw, slash=slash)
        return f"{reference}?{encode_controls(self.query_string)}" if self.query_string else reference

    def enter_mount(self, path: str, app: Application | None) -> None:
        """Take note that an application mounted at this path serves the request; None for one that is no `App`."""
        if self._places is None:
            self._places = [(self.app, self.root_path, self.path)]
        place = app or self.app, self.root_path + path, self.path[len(path) :]
        self._places.append(place)
        self.app, self.root_path, self.path = place
        self._distance = 0

    def stand(self, distance: int) -> int:
        """Let the request be seen from so many mounts further out than from the application that serves it.

        Returns:
            The distance from which it was seen before.
        """
        places = self._places or []
        before, self._distance = self._distance, distance
        self.app, self.root_path, self.path = places[-1 - distance]
        return before

    def _places_from_here(self) -> list[Place]:
        """Give the places of the application that sees the request, of those around it, and of those inside of it."""
        if self._places is None:
            return [(self.app, self.root_path, self.path)]
        here = len(self._places) - self._distance
        return self._places[:here][::-1] + self._places[here:]

    def refuse_body(self, refusal: HTTPError) -> None:
        """Take note that the body cannot be had: whoever asks for it gets the refusal."""
        refusal.__traceback__ = None  # which holds this request
        self._refusal = refusal

    def check_body(self) -> None:
        """Raise the HTTPError with which the body was refused, if it was."""
        refusal = getattr(self, "_refusal", None)
        if refusal is not None:
            from copy import copy

            raise copy(refusal)

    @property
    def is_answered(self) -> bool:
        """Whether the answer is made without a handler: it is refused, there is no such route, or one can be told."""
        return hasattr(self, "_answer")

    @property
    def is_refused(self) -> bool:
        """Whether no route is to answer it: malformed, for a host that is not ours, from a page of another site."""
        answer = self._answer if self.is_answered else None
        return isinstance(answer, HTTPError) and answer.status < 500 and answer.status not in _MISSES

    @property
    def is_loaded(self) -> bool:
        """Whether the body has been read."""
        return self._body is not None or self._form is not None

    def loaded_body(self, body: bytes) -> None:
        """Take the body; called once."""
        self._body = body

    def loaded_form(self, form: Form) -> None:
        """Take a form parsed while it arrived; its files are closed when the request ends."""
        self._form = form
        self.has_end = True

    def count_sent(self) -> Sent:
        """Give what counts what is sent. A stream always is: on its way it may ask for that, or for `after`."""
        if self._sent is None:
            from .ending import Sent

            self._sent = Sent()
            self.has_end = True
        return self._sent

    def drop(self, response: Response | None) -> None:
        """Take note of a response that will not be sent, if it has a stream that somebody must close."""
        if response is not None and response.body.__class__ is not bytes:
            self.closes(response.body)

    def closes(self, body: object) -> None:
        """Take note of something that is closed, on its own side, when the response has been sent."""
        if self._dropped is None:
            self._dropped = []
            self.has_end = True
        self._dropped.append(body)

    def sends(self, response: Response) -> None:
        """Take note of the response that is sent: its own stream is closed when it has been, the others at the end."""
        others = {id(body): body for body in self._dropped or () if body is not response.body}
        self._dropped = list(others.values()) or None
        self.has_end = any(part is not None for part in (self._after, self._form, self._dropped, self._sent))

    def __repr__(self) -> str:
        return f"<Request {asked(self)}>"  # it is written to logs: by the framework, and by whoever has one


_MISSES = (404, 405, 426)


def _first_path(places: list[Place], name: str, params: Mapping[str, object]) -> str:
    """Build the path of a named route of the first application that has one. Raises: LookupError."""
    missing: LookupError | None = None
    for app, root_path, _ in places:
        try:
            return encode_path(root_path) + app.url_path(name, params)
        except LookupError as exc:
            missing = missing or exc
    raise missing or LookupError(name)
