"""Sessions: what an application remembers of a client, in a signed cookie or in a store.

    session.py (in core)   the mapping that is `request.session`
    keeping.py             how that of one request is read and saved
    signing.py             what a cookie is worth
    stores.py              what a store does; one in memory
    redis_store.py, sqlite_store.py

The layer here runs wherever the request is. Only when a store has to be waited for does it go where handlers block.
"""

from __future__ import annotations

from ...core.arguments import check_whole
from ...core.cookies import SetCookie
from ...core.errors import ConfigurationError, Unavailable
from ...core.middleware import Layer
from ...core.secrets import check_secrets
from ...core.session import Flash, Session
from .keeping import CookieKeeper, Kept, Options, StoreKeeper, is_websocket
from .redis_store import RedisStore
from .signing import Signer
from .sqlite_store import SQLiteStore
from .stores import MemoryStore, SessionStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...core.middleware import Middleware
    from ...core.request import Request
    from ...core.routing import Router

__all__ = [
    "Flash", "MemoryStore", "RedisStore", "SQLiteStore", "Session", "SessionStore", "Sessions", "Unavailable", "setup"
]  # fmt: skip


def setup(
    app: Router,
    *,
    secret: str | bytes | Iterable[str | bytes],
    cookie: str,
    max_age_s: int,
    sliding: bool,
    store: SessionStore | None,
    exclusive: bool | None,
    path: str,
    domain: str | None,
    secure: bool | None,
    samesite: str,
) -> None:
    """Add the layer that reads and saves sessions. Arguments and errors as for `App.sessions`."""
    sessions = Sessions(
        secret, cookie=cookie, max_age_s=max_age_s, sliding=sliding, store=store, exclusive=exclusive, path=path,
        domain=domain, secure=secure, samesite=samesite,
    )  # fmt: skip
    app.once("app.sessions(...)")
    app.middleware(sessions.as_layer())


class Sessions:
    """The sessions of one application; the arguments are those of `App.sessions`."""

    def __init__(
        self,
        secret: str | bytes | Iterable[str | bytes],
        *,
        cookie: str,
        max_age_s: int,
        sliding: bool,
        store: SessionStore | None,
        exclusive: bool | None,
        path: str,
        domain: str | None,
        secure: bool | None,
        samesite: str,
    ) -> None:
        secrets = check_secrets(secret, "session")
        check_whole("max_age_s", max_age_s, least=1)
        try:
            SetCookie(cookie, "", path=path, domain=domain, secure=secure, samesite=samesite)
        except ValueError as exc:
            raise ConfigurationError(f"app.sessions(...) cannot set its cookie: {exc}") from None
        missing = [name for name in ("load", "save", "delete", "lock", "unlock") if not hasattr(store, name)]
        if store is not None and missing:
            raise ConfigurationError(f"{store!r} is no session store: it has no {', '.join(missing)}")
        if store is None and exclusive:
            raise ConfigurationError(
                "exclusive=True needs a store: requests that bring the same cookie cannot wait for each other"
            )
        signer = Signer(secrets, "session" if store is None else "session id", cookie, max_age_s)
        self._options = Options(signer, cookie, max_age_s, sliding, exclusive, path, domain, secure, samesite)
        self._store = store

    def as_layer(self) -> Layer:
        """Give the layer that reads and saves them; where a store has to be waited for, it goes where that may be."""
        return Layer(self._serve, blocking=True, waits=self._waits) if self._store is not None else Layer(self._serve)

    def _begin(self, request: Request) -> Session:
        """Give the session of a request, made when it is first asked for."""
        session: Session | None = getattr(request, "_session", None)
        if session is None or _kept(session).options is not self._options:
            keeper: Kept = (
                CookieKeeper(self._options, request, session)
                if self._store is None
                else StoreKeeper(self._options, request, session, self._store)
            )
            session = request._session = Session(keeper)
        return session

    def _waits(self, request: Request) -> bool:
        """Tell whether the next step has to wait for the store."""
        session = self._begin(request)
        keeper = session.keeper
        if not isinstance(keeper, StoreKeeper):
            return False
        return keeper.must_wait_to_read() if not keeper.is_open else keeper.must_wait_to_save(session)

    def _serve(self, request: Request) -> Middleware:
        session = self._begin(request)
        keeper = _kept(session)
        keeper.read_ahead(request)
        if is_websocket(request):
            session.seal("in a WebSocket")
        try:
            response = yield
            if session.is_touched:
                response.headers.add_vary("Cookie")
                if not is_websocket(request):
                    keeper.save(session, response)
        finally:
            session.seal("behind the response", over=True)
            keeper.release()
            if keeper.outer is not None:
                request._session = keeper.outer


def _kept(session: Session) -> Kept:
    """Give what keeps a session: one of ours."""
    keeper: Kept = session.keeper  # type: ignore[assignment]
    return keeper
