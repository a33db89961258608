"""What an application may have besides: one method for each feature, which loads it when it is called.

`App` is one of these. A method says what may be asked for; the feature, one file in `features/`, does it by a
`setup(app, **options)`, as any extension does: it adds layers or routes as anybody could, or leaves what `App` looks at
when it plans (`csrf_tokens`, `proxies`).
"""

from __future__ import annotations

from .core.extending import Extensible

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterable, Mapping
    from contextlib import AbstractContextManager
    from os import PathLike
    from typing import Any, Literal

    from typing_extensions import Unpack

    from .core.binding import Bound
    from .core.errors import HTTPError
    from .core.plan import Plan
    from .core.request import Request
    from .core.response import Response
    from .core.routing import Route, Router
    from .features.openapi.document import Description
    from .features.rate_limit import RateLimitOptions
    from .features.security import SecurityOptions
    from .features.sessions import SessionStore
    from .features.static import Immutable
    from .features.templates import TemplateOptions, Templates, TemplateSource
    from .features.typed.marks import ProvideOptions
    from .features.typed.registry import Registry


class EquippedRouter(Extensible):
    """A router with a method for each feature: one import, and one call of its `setup`."""

    def __init__(self, *, middleware: Iterable[Any], debug: bool, csrf: bool) -> None:
        super().__init__(middleware=middleware, debug=debug, csrf=csrf)
        self._registry: Registry | None = None
        self._description: Description | None = None

    def show_failure(self, request: Request, failure: Exception, plan: Plan | None) -> Response | None:
        """Show a crash to who develops the application; None where it is not to be seen."""
        from .features.debug import show_failure  # only an application in debug, where something failed, pays for it

        return show_failure(request, failure, plan)

    def show_miss(self, request: Request, error: HTTPError) -> Response | None:
        """Show likewise which routes there are, to a request that none matched."""
        from .features.debug import show_miss

        return show_miss(request, error)

    def provide(self, kind: Any, function: Callable[..., Any], **options: Unpack[ProvideOptions]) -> None:
        """Give handlers that ask for a type what a function makes: `session: Session`.

        Call it before routes that ask for it are registered, and routers included. `Annotated[Session, Provide(f)]`
        asks for the same without this.

        Args:
            kind: the type, as parameters are annotated with it.
            function: a `def`, an `async def`, a generator or an async generator; takes parameters as a handler does. It
                is called once a request, before the body is read unless it asks for that. A generator goes on behind
                its `yield` when the handler has returned, and sees what the handler raised.
            options: `scope`, `until`, `blocking` and `body`, as of `Provide`.

        Raises:
            ConfigurationError: the type is provided already.

        Example:
            def get_session(engine: Engine) -> Iterator[Session]:
                with Session(engine) as session, session.begin():
                    yield session

            app.provide(Engine, make_engine, scope="app")
            app.provide(Session, get_session)
        """
        from .features.typed import Provide

        self._provided().add(kind, Provide(function, **options))

    def override(self, instead: Mapping[Callable[..., Any], Callable[..., Any]]) -> AbstractContextManager[None]:
        """Call other functions instead of providers, in a block of a test.

        Args:
            instead: a provider -> what is called instead, of either colour, with parameters of its own.

        Raises:
            ConfigurationError: no route asks for one of the providers, or what is called instead asks for something
                that cannot be given.

        Example:
            with app.override({get_session: lambda: FakeSession()}), Client(app) as client:
                assert client.get("/users").status_code == 200
        """
        return self._provided().replacing(instead, self._rebind)

    def _provided(self) -> Registry:
        if self._registry is None:
            from .features.typed.registry import Registry  # only an application with typed handlers pays for it

            self._registry = Registry()
        return self._registry

    def _bind_typed(self, route: Route) -> Bound:
        """Bind a handler whose signature says more than the core understands."""
        from .features.typed.signature import bind_typed

        return bind_typed(route, self._provided(), self._stream_kind)

    @staticmethod
    def _stream_kind(kind: Literal["lines", "events"]) -> type[Any]:
        """Give what sends the items of a generator, one feature or the other."""
        if kind == "events":
            from .features.sse import SSE

            return SSE
        from .features.json_lines import JSONLines

        return JSONLines

    @staticmethod
    def _schemas(wanted: Any) -> Any:
        """Make the schemas of types, by what knows them."""
        from .features.typed.schemas import schemas_of

        return schemas_of(wanted)

    def _rebind(self) -> None:
        """Bind all handlers anew. `App` has them."""
        raise NotImplementedError

    def openapi(
        self,
        *,
        title: str = "API",
        version: str = "0.1.0",
        path: str | None = "/openapi.json",
        docs: str | None = "/docs",
        description: str = "",
        info: Mapping[str, Any] | None = None,
        servers: Iterable[str | Mapping[str, Any]] = (),
        tags: Mapping[str, str] | None = None,
        webhooks: Router | None = None,
        mounted: bool = True,
        middleware: Iterable[Any] = (),
    ) -> None:
        """Describe the application by OpenAPI 3.1, and serve the document and a page that shows it (extra `openapi`).

        It is made at the first request for it, of all routes that there are then: parameters, bodies and answers as
        their signatures say, summaries from docstrings, credentials from guards. `ambi openapi shop:app` prints it.

        Args:
            title, version, description: of the application; the description may be Markdown.
            path: of the document; None serves neither it nor the page.
            docs: of the page, which loads nothing from elsewhere; None for no page, which needs no extra.
            info: further members of the Info Object: contact, license, termsOfService.
            servers: where it is, as URLs or Server Objects, if not where the document is.
            tags: descriptions of tags, in the order that they are to be shown in.
            webhooks: a router of requests that this application sends to others: described, never served.
            mounted: describe mounted applications of ours as well.
            middleware: layers of the document and its page, outermost first: a guard, say.

        Raises:
            ConfigurationError: it was called before, or a path is wrong or taken.
            ImportError: what the page loads is not installed.

        Example:
            app.openapi(title="Shop", version="1.2", tags={"orders": "What was bought"})

        See: https://spec.openapis.org/oas/v3.1.1.html
        """
        from .features.openapi import setup  # only an application that is described pays for it

        app: Any = self  # `App` is all that is asked for
        self._description = setup(
            app, make=self._schemas, title=title, version=version, path=path, docs=docs, description=description,
            info=info, servers=servers, tags=tags, webhooks=webhooks, mounted=mounted, middleware=middleware,
        )  # fmt: skip

    def openapi_document(self) -> dict[str, Any]:
        """Make the document that `openapi` serves, as plain data; one with its defaults where that was not called.

        Raises:
            ConfigurationError: a type has no schema.
            ImportError: the library that knows a type is not installed.
        """
        from .features.openapi.document import Description

        app: Any = self
        described = self._description or Description(
            app,
            self._schemas,
            info={"title": "API", "version": "0.1.0"},
            servers=(),
            tags=None,
            webhooks=None,
            mounted=True,
        )
        return described.document()

    def static(
        self,
        prefix: str,
        directory: str | PathLike[str],
        *,
        index: str | None = "index.html",
        fallback: str | None = None,
        cache_control: str | None = "no-cache",
        immutable: Immutable | None = None,
        precompressed: bool = True,
        name: str | None = None,
        middleware: Iterable[Any] = (),
    ) -> None:
        r"""Serve the files of a directory below a prefix: regular files, no dot files, nothing outside of it.

        Args:
            prefix: begins with "/" and does not end with one; "/" serves what no other route does.
            directory: must exist. It is not listed.
            index: the file that a directory is answered with; None for none.
            fallback: the file that pages which are not there are answered with, for an application that routes in the
                browser. Scripts and pictures that are missing are a 404 all the same.
            cache_control: of every answer; "no-cache" lets clients keep a file, and ask each time whether it holds.
            immutable: which files have a name that changes with their content, so that clients may keep them for a
                year: a regular expression searched in the path below the prefix, or a function of it.
            precompressed: answer with `app.js.br`, `.zst` or `.gz` beside `app.js`, if the client takes that and it is
                no older.
            name: for `url_for(name, path="app.js")`; "static" by default.
            middleware: layers of these routes alone, outermost first.

        Raises:
            ConfigurationError: the directory or the fallback does not exist, or the prefix is wrong or taken.

        Example:
            app.static("/assets", Path(__file__).parent / "assets", immutable=r"-[0-9a-f]{8}\.")
        """
        from .features.static import setup  # only an application with static files pays for it

        setup(
            self, prefix=prefix, directory=directory, index=index, fallback=fallback, cache_control=cache_control,
            immutable=immutable, precompressed=precompressed, name=name, middleware=middleware,
        )  # fmt: skip

    def proxy(
        self,
        *,
        hops: int | None = None,
        trusted: Iterable[str] | None = None,
        headers: Iterable[str] = ("x-forwarded-for", "x-forwarded-proto"),
    ) -> None:
        """Believe the proxies in front of the server: about the client, the scheme, the host and the prefix.

        `request.client`, `scheme`, `host` and `root_path`, and with them routes, links, redirects and cookies, are then
        those of the client's own request, for WebSockets and mounted applications too. Nothing is believed by default.
        A server that believes them itself, as uvicorn and gunicorn do of a proxy on the same machine, should be told
        not to: see docs/how-to/proxies.md. What a mounted `App` says here counts where a server calls it itself.

        Args:
            hops: how many proxies there are, one behind the other, where nobody can reach the server past them.
            trusted: which proxies there are: addresses, networks as "10.0.0.0/8", and "unix" for a server that does not
                know its peer, as on a Unix socket. From others nothing is believed.
            headers: the fields that they set, over what a client sends: "x-forwarded-for", "-proto", "-host", "-port",
                "-prefix", or "forwarded" alone (RFC 7239). Name none that a client could get past the proxy.

        Raises:
            ConfigurationError: not one of hops and trusted, a network that is none, or a field that is not known.

        Example:
            app.proxy(hops=1)
            app.proxy(trusted=["10.0.0.0/8", "unix"], headers=["forwarded"])
        """
        from .features.proxy import setup  # loads ipaddress

        setup(self, hops=hops, trusted=trusted, headers=headers)

    def request_ids(self, header: str = "x-request-id", *, accept: bool = True) -> None:
        """Name every request: on its response, in log records, in what it sends to other services.

        `request.id` is what the client sent where that is well-formed, else the trace id of its traceparent, else new.
        `ambi.features.request_id` has a filter for logging and the fields for outgoing requests. Call it before
        middlewares that log.

        Args:
            header: the field that brings the id, and takes it back.
            accept: False where callers are strangers: id and trace are new with each request.

        Raises:
            ConfigurationError: the header is no field name.
        """
        from .features.request_id import setup  # loads logging

        setup(self, header=header, accept=accept)

    def access_log(
        self, *, json: bool = False, query: Iterable[str] = (), secret_params: Iterable[str] | None = None
    ) -> None:
        """Write a line for each request when its answer has been sent, on the logger `ambi.access`, at level info.

        It says client, method, path, status, bytes, duration to the last byte, route and id. Where logging is not
        configured it goes to stderr. It is measured from here inwards: call it before other middlewares.

        Args:
            json: an object a line instead of text.
            query: the arguments of the query that may be seen; the others are left out.
            secret_params: parameters of routes that are not shown; by default those that are called token, secret, key,
                password, code, signature or otp.

        Raises:
            ConfigurationError: a list of names is one text.
        """
        from .features.access_log import setup  # loads logging

        setup(self, json=json, query=query, secret_params=secret_params)

    def templates(self, source: TemplateSource = "templates", **options: Unpack[TemplateOptions]) -> Templates:
        """Have templates of Jinja2 (extra `templates`), every one compiled now; with `debug` they are read again.

        Args:
            source: a folder, several (the first that has a name gives it), "package:folder" of an installed package, or
                a loader of Jinja2.
            options: as for `ambi.features.templates.Templates`.

        Raises:
            ConfigurationError: the folder is not there, or a template has a mistake; with its file and line.
            ImportError: Jinja2 is not installed.

        Example:
            templates = app.templates(Path(__file__).parent / "templates")

            @app.get("/users/{id}")
            def user(request: Request, id: int):
                return templates.render("user.html", request, user=users[id])
        """
        from .features.templates import setup  # only an application with templates pays for it

        return setup(self, source=source, **options)

    def csrf(
        self,
        *,
        origins: Iterable[str] = (),
        secret: str | bytes | Iterable[str | bytes] | None = None,
        field: str = "csrf_token",
        header: str = "x-csrf-token",
        cookie: str = "csrf",
        bound_to: Callable[[Request], str] | None = None,
        always: bool = False,
    ) -> None:
        """Say which pages of other sites may send requests that change something, and give forms a token.

        Without this, an unsafe request that carries a cookie (or what a browser signs in with by itself) and comes from
        a page of another site is refused with 403, as the browser tells by Sec-Fetch-Site or Origin; clients that are
        no browsers tell nothing and are let in. `App(csrf=False)`, and `csrf=False` of a router or a route, switch that
        off.

        With a secret, an unsafe request has to show that it comes from a page of this site, cookies or not: by one of
        these fields, by a token, or by an Authorization that no browser adds by itself, as Bearer.

        Args:
            origins: of other sites' pages that are trusted, as "https://admin.example.com"; those that `cors` gives
                credentials are as well.
            secret: of at least 32 bytes; of several the first makes tokens, and all are good. None for no tokens.
            field: of the form, with `request.csrf_token` as its value.
            header: of requests that scripts send.
            cookie: its name, which gets the prefix `__Host-`.
            bound_to: gives the user's id, or the session's, for whom alone a token is good: so it changes at sign-in.
            always: a token has to be there even where the browser says that the page is one of ours.

        Raises:
            ConfigurationError: an argument is wrong, or the application was made with csrf=False.

        Example:
            app.csrf(secret=os.environ["CSRF_SECRET"], bound_to=lambda request: request.state.get("user_id", ""))
        """
        from .features.csrf import setup  # only an application that says so pays for it

        setup(
            self, origins=origins, secret=secret, field=field, header=header, cookie=cookie, bound_to=bound_to,
            always=always,
        )  # fmt: skip

    def cors(
        self,
        origins: Iterable[str] = (),
        *,
        origin_regex: str | re.Pattern[str] | None = None,
        methods: Iterable[str] = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"),
        headers: Iterable[str] = ("content-type",),
        expose: Iterable[str] = (),
        credentials: bool = False,
        max_age_s: int = 600,
        private_network: bool = False,
        prefix: str = "",
    ) -> None:
        """Let pages of other sites read what this one answers, errors and crashes included.

        Preflights are answered before other middlewares, for every path. May be called again for another prefix:
        the longest that a path is below decides.

        Args:
            origins: "https://app.example.com", "https://*.example.com" for all its subdomains, or "*" for every page.
            origin_regex: matches whole origins.
            methods: that may be used.
            headers: that requests may carry; "*" for all.
            expose: fields of the answer that scripts may read besides the usual ones.
            credentials: cookies are sent along; pages of these origins may then change things too, see `csrf`.
            max_age_s: how long a browser may keep the answer to a preflight.
            private_network: pages from the internet may get to this server in a private network.
            prefix: only paths below it, as "/api".

        Raises:
            ConfigurationError: rules that contradict each other, as "*" with credentials, or two for one prefix; or an
                origin is none.

        Example:
            app.cors(["https://app.example.com"], credentials=True, headers=["content-type", "x-request-id"])

        See: the Fetch standard, "HTTP-CORS protocol".
        """
        from .features.cors import setup  # only an application that has rules pays for it

        setup(
            self, origins=origins, origin_regex=origin_regex, methods=methods, headers=headers, expose=expose,
            credentials=credentials, max_age_s=max_age_s, private_network=private_network, prefix=prefix,
        )  # fmt: skip

    def https(
        self,
        *,
        redirect: bool = True,
        hsts_s: int = 31_536_000,
        subdomains: bool = False,
        preload: bool = False,
        port: int = 443,
        exempt: Iterable[str] = (),
    ) -> None:
        """Serve over https alone: redirect what comes by http, and have browsers remember it.

        A GET or HEAD is redirected with 308, anything else refused with 403. The machine's own names (`localhost`) are
        left alone. Behind a proxy that speaks TLS the application must be told to believe it.

        Args:
            redirect: False where a proxy does it.
            hsts_s: for how long browsers remember, a year by default; begin with an hour, as it cannot be taken back.
                0 to send nothing.
            subdomains: they remember it for all subdomains.
            preload: for the list that browsers come with.
            port: of https.
            exempt: paths that are answered over http too, as "/healthz".

        Raises:
            ConfigurationError: preload without what the list asks for, or a path is none.

        See: RFC 6797.
        """
        from .features.https import setup  # only an application that asks for it pays for it

        setup(
            self, redirect=redirect, hsts_s=hsts_s, subdomains=subdomains, preload=preload, port=port, exempt=exempt
        )  # fmt: skip

    def security(self, **options: Unpack[SecurityOptions]) -> None:
        """Send the fields that take from a page what it does not need; what a handler set itself stays.

        Args:
            csp: directive -> sources of the Content-Security-Policy of documents; by default all from this site, and
                inline scripts and styles with the nonce `request.csp_nonce`. None for no policy.
            csp_report_only: another policy, whose violations are only reported.
            frame: "deny" (the default), "sameorigin" or None: who may show a page in a frame, in browsers that do not
                know `frame-ancestors`.
            referrer: Referrer-Policy; "strict-origin-when-cross-origin" by default.
            opener: Cross-Origin-Opener-Policy of documents; "same-origin" by default.
            resource: Cross-Origin-Resource-Policy; "same-origin" by default, "cross-origin" for pictures and scripts
                that pages of other sites show.
            permissions: Permissions-Policy of documents, as "camera=(), geolocation=()"; none by default.
            reporting: name -> URL, for `report-to`.

        Raises:
            ConfigurationError: a directive is unknown, or a value cannot be sent.

        Example:
            app.security(csp={"default-src": "self", "script-src": ["self", "nonce"], "img-src": ["self", "data:"]})

        See: Content Security Policy Level 3.
        """
        from .features.security import setup  # only an application that asks for it pays for it

        setup(self, **options)

    def compression(
        self,
        *,
        min_bytes: int = 1000,
        types: Iterable[str] | None = None,
        codings: Iterable[str] | None = None,
        level: int | Mapping[str, int] | None = None,
        files: bool = False,
        event_streams: bool = False,
    ) -> None:
        r"""Compress what is sent and compresses well, in the coding that the client likes best.

        A layer around all routes; call it before those whose answers it is to compress. Streams keep their colour, and
        each of their items is flushed. Left as they are: what is encoded already, says `no-transform`, or is a range.
        An entity tag becomes a weak one. Read about BREACH in docs/how-to/compression.md where pages hold secrets.

        Args:
            min_bytes: of bodies whose length is known; below, the fields cost more than is saved.
            types: media types, as "text/html", "text/*" or "*+json"; `ambi.features.compression.TYPES` by default.
            codings: of "zstd", "br" and "gzip", the preferred first; all that are installed by default.
            level: of each coding, as `{"br": 5, "gzip": 6}`; a number is that of gzip. By default zstd has 3 of 19, br
                4 of 11, gzip 5 of 9.
            files: those over 64 KiB too, which the server otherwise sends by itself. They lose their ranges; better
                have them packed beforehand, as `App.static` serves them.
            event_streams: those as well; they say `no-transform`, so they are left alone by default.

        Raises:
            ConfigurationError: an argument that cannot be.
            ImportError: a coding that was asked for is not installed.

        Example:
            app.compression()
        """
        from .features.compression import setup  # only an application that compresses pays for it

        setup(
            self, min_bytes=min_bytes, types=types, codings=codings, level=level, files=files,
            event_streams=event_streams,
        )  # fmt: skip

    def etags(self, *, max_bytes: int = 1024 * 1024) -> None:
        """Give answers an entity tag made of their bytes, and answer 304 to those who have them already.

        A layer around all routes, for GET and HEAD; call it after `compression`. It saves sending, not making: a
        handler that knows its version beforehand uses `request.check_conditions`. A tag that an answer has is kept, and
        conditions are held to it; one that says `no-store` gets none.

        Args:
            max_bytes: larger bodies, and streams, get no tag.

        Raises:
            ConfigurationError: max_bytes is no number of bytes.
        """
        from .features.caching import setup  # only an application that uses it pays for it

        setup(self, max_bytes=max_bytes)

    def sessions(
        self,
        secret: str | bytes | Iterable[str | bytes],
        *,
        cookie: str = "session",
        max_age_s: int = 14 * 24 * 3600,
        sliding: bool = True,
        store: SessionStore | None = None,
        exclusive: bool | None = None,
        path: str = "/",
        domain: str | None = None,
        secure: bool | None = None,
        samesite: str = "lax",
    ) -> None:
        """Remember clients: `request.session` is there for handlers, and for middlewares that are added after this.

        Without a store the cookie holds the values: signed, not encrypted, at most 4 KiB, and nothing that was given
        out can be called back. With one the cookie holds an id. Either is read and saved only where it is touched.

        Args:
            secret: at least 32 random bytes; or several, of which the first signs and all verify.
            cookie: its name.
            max_age_s: for how long a client is remembered.
            sliding: since it was last seen; False: since the session was made.
            store: a `RedisStore`, `SQLiteStore` or `MemoryStore` of `ambi.features.sessions`, or one of yours.
            exclusive: whether requests of one session wait for each other, from the first touch to the response. None:
                those whose method may change something, so no GET. Where they do not wait, their changes are merged key
                by key, the last one wins, and a warning is logged. With a store only.
            path, domain, secure, samesite: of the cookie, as for `Response.set_cookie`. It is never for scripts.

        Raises:
            ConfigurationError: a secret is too short, there are sessions already, or an argument cannot be.
            ImportError: itsdangerous is missing.

        Example:
            app.sessions(secret=[NEW_SECRET, OLD_SECRET], store=SQLiteStore("sessions.db"))
        """
        from .features.sessions import setup  # only an application with sessions pays for it

        setup(
            self, secret=secret, cookie=cookie, max_age_s=max_age_s, sliding=sliding, store=store, exclusive=exclusive,
            path=path, domain=domain, secure=secure, samesite=samesite,
        )  # fmt: skip

    def rate_limit(
        self,
        limits: str | Iterable[str],
        *,
        name: str = "default",
        **options: Unpack[RateLimitOptions],
    ) -> None:
        """Limit how many requests a client may send: past that the answer is a 429 that says when to come again.

        It is a layer, inside those added before it: what finds out who the client is comes first. All routes are
        counted together; a route may have limits of its own besides, by `ambi.features.rate_limit.rate_limit`. By
        default clients are told apart by address (of IPv6 by /64).

        Args:
            limits: as for that: "5/minute".
            name: what is counted together, and what clients are told.
            options: the others of that, and its defaults.

        Raises:
            ConfigurationError: a limit that cannot be read, or a store or a cost that cannot be.
            ImportError: a library is missing: the extra `ratelimit`, and `redis` for that.

        Example:
            app.rate_limit("10/second; 1000/hour", storage="redis://localhost:6379/1")
        """
        from .features.rate_limit import setup

        setup(self, limits=limits, name=name, **options)
