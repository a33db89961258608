"""The application, put together. Start here.

What is the same for every site comes first, then what this one is made of. A request goes through these layers, from
the outside in: the fields of `security`, the limit of attempts, the session; then those of its route: the transaction,
who is logged in. On the way the body is read within its limit, and the token of its form is checked.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy.orm import sessionmaker

from ambi import App, HTTPError, Middleware, Request
from ambi.features.caching import CacheControl
from ambi.features.sessions import SQLiteStore

from .accounts import accounts, is_attempt
from .database import open_database
from .feed import feed
from .health import health
from .images import Images
from .pages import HERE, busy_page, error_page, visitor
from .posts import posts
from .settings import Settings

AN_HOUR = CacheControl(private=True, max_age=3600)
"""For pictures: one that was deleted is gone from browsers, too, before long, and was in no other cache."""

POLICY: dict[str, str | list[str]] = {
    "default-src": "none",
    "script-src": "nonce",  # not "self": a file that somebody has sent can never become a script
    "style-src": "self",
    "img-src": ["self", "blob:"],  # a picture is shown before it is sent
    "form-action": "self",
    "base-uri": "none",
    "frame-ancestors": "none",
}


def make_site(settings: Settings) -> App:
    """Put a guestbook together; a test makes one of its own."""
    store = SQLiteStore(settings.sessions)

    def lifespan() -> Iterator[Mapping[str, Any]]:
        engine = open_database(settings.database)
        yield {
            "engine": engine,
            "settings": settings,
            "new_session": sessionmaker(engine),
            "images": Images(settings.uploads),
        }
        engine.dispose()
        store.close()

    app = App(lifespan=lifespan, allowed_hosts=settings.hosts)
    if settings.proxies:
        app.proxy(hops=settings.proxies)
        app.https(exempt=["/healthz"])
    app.security(csp=POLICY, permissions="camera=(), geolocation=(), microphone=()")
    app.rate_limit(settings.attempts, exempt=lambda request: not is_attempt(request))
    app.sessions(settings.secrets, store=store)
    app.csrf(secret=settings.secrets, bound_to=user_of)
    app.template_functions["visitor"] = visitor
    app.template_functions["flashes"] = lambda request: request.session.flashes()
    app.error(HTTPError)(error_page)
    app.error(500)(error_page)
    app.error(503)(busy_page)

    app.include(posts)
    app.include(accounts)
    app.include(feed)
    app.include(health)
    app.static("/static", HERE / "static")
    app.static(
        "/images", settings.uploads, index=None, cache_control=AN_HOUR, name="image", middleware=[as_picture],
    )  # fmt: skip
    return app


def user_of(request: Request) -> str:
    """Give the user for whom the token of a form is good: one that was made before the login is none afterwards."""
    known = visitor(request)
    return str(known.id) if known else ""


def as_picture(request: Request) -> Middleware:
    """Let what people have sent be nothing but a picture, even where a browser opens it by itself."""
    response = yield
    response.headers["content-security-policy"] = "default-src 'none'; sandbox"
