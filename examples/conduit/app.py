"""The application, put together. A handler says in its signature what it needs; here stands who makes that."""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import Session

from ambi import App, HTTPError, Router

from .articles import articles
from .comments import comments
from .contract import VERSION
from .database import begin, begin_async, open_async_engine, open_engine
from .errors import failure, refusal
from .favorites import favorites
from .profiles import profiles
from .selections import read_slug
from .settings import Settings
from .tags import tags
from .users import users


def make_api(settings: Settings) -> App:
    """Put the application together; a test makes one of its own."""

    def get_settings() -> Settings:
        return settings

    def lifespan() -> Iterator[Mapping[str, Any]]:
        yield {"settings": settings}

    app = App(lifespan=lifespan)
    app.cors(["*"], headers=["authorization", "content-type", "x-requested-with"], prefix="/api")
    app.error(HTTPError)(refusal)
    app.error(500)(failure)

    app.converter("slug", read_slug)

    # Made once a process, at start-up.
    app.provide(Settings, get_settings, scope="app")
    app.provide(Engine, open_engine, scope="app")
    app.provide(AsyncEngine, open_async_engine, scope="app")
    # Made once a request, for handlers that ask for it; not before its body has come, which may take long.
    app.provide(Session, begin, body=True)
    app.provide(AsyncSession, begin_async, body=True)

    api = Router(prefix="/api")
    for routes in (users, profiles, articles, favorites, comments, tags):
        api.include(routes)
    app.include(api)
    app.openapi(title="Conduit", version=VERSION, path="/api/openapi.json", docs="/api/docs")
    return app


app = make_api(Settings.from_environment())
