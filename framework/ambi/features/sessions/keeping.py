"""How the session of one request is read and saved: in its cookie, or in a store.

    CookieKeeper    the cookie holds the values, signed: nothing to wait for
    StoreKeeper     the cookie holds an id, signed; the values are in a store, which is waited for

Facts
- An id that the store does not know is never adopted, and a session that was deleted is never made again: by whoever
  has planted a cookie, or by a request that began before the logout.
- A store sees the hash of an id: who reads the store has no cookies of it.

See: docs/decisions/0017-who-changes-a-session.md.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import secrets
import sys
import time
import weakref
from contextlib import nullcontext
from typing import NamedTuple, Protocol, cast

from ...core.chance import now_s, random_text
from ...core.cookies import MAX_COOKIE_BYTES
from ...core.errors import HTTPError
from ...core.headers import is_private
from ...core.origins import SAFE_METHODS
from ...core.session import UnreadableSession
from .signing import AHEAD_S, SIGNATURE_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from typing import Any

    from ...core.request import Request
    from ...core.response import Response
    from ...core.session import Change, Session
    from .signing import Signer
    from .stores import SessionStore

LEASE_S = 10.0
"""For how long a request has the lock of a session at most, and how long another one waits for it."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.001, 0.05
_RENEWED_AFTER = 0.1
_log = logging.getLogger("ambi.sessions")


class Options(NamedTuple):
    """What `app.sessions` was told."""

    signer: Signer
    cookie: str
    max_age_s: int
    sliding: bool
    exclusive: bool | None
    path: str
    domain: str | None
    secure: bool | None
    samesite: str


class Kept(Protocol):
    """What the layer asks of either keeper.

    Attributes:
        outer: the session of the application around this one.
    """

    options: Options
    outer: Session | None

    def read(self) -> dict[str, Any]:
        """Give the values; see `Keeper`."""
        ...

    def check(self, data: dict[str, Any], key: str) -> None:
        """Raise ValueError when there is no room; see `Keeper`."""
        ...

    def read_ahead(self, request: Request) -> None:
        """Read what must be there before the handler asks."""

    def save(self, session: Session, response: Response) -> None:
        """Save what was changed."""

    def release(self) -> None:
        """Let other requests have the session."""


def is_websocket(request: Request) -> bool:
    """Tell whether a request is the handshake of a WebSocket, whose answer is no layer's."""
    return hasattr(request, "_websocket")


def is_renewal_due(options: Options, age_s: float) -> bool:
    """Tell whether a session that was read lives on with this request."""
    return options.sliding and age_s > options.max_age_s * _RENEWED_AFTER


def set_cookie(options: Options, response: Response, value: str, max_age_s: float) -> None:
    """Set the session cookie on a response, which no cache may keep then."""
    response.set_cookie(
        options.cookie, value, max_age=int(max_age_s), path=options.path, domain=options.domain,
        secure=options.secure, samesite=options.samesite,
    )  # fmt: skip
    if not is_private(response.headers.get("cache-control", "")):
        response.headers["cache-control"] = "private, no-store"


class CookieKeeper:
    """Keep a session in its cookie: `[made at, values]` as JSON, in base64, signed."""

    __slots__ = ("_age_s", "_came", "_made_at", "_request", "options", "outer")

    def __init__(self, options: Options, request: Request, outer: Session | None) -> None:
        self.options = options
        self.outer = outer
        self._request = weakref.ref(request)  # which has the session
        self._age_s = 0.0
        self._made_at = int(now_s())
        self._came = False

    def read_ahead(self, request: Request) -> None:
        """Do nothing: it is all there."""

    def release(self) -> None:
        """Do nothing: nobody waits."""

    def read(self) -> dict[str, Any]:
        """Give the values of the cookie; empty without one, with one that is not ours, and with one that is too old."""
        request = self._request()
        signed = None if request is None else request.cookies.get(self.options.cookie)
        found = self.options.signer.read(signed) if signed else None
        written = None if found is None else _read_written(found[0])
        if found is None or written is None:
            return {}
        made_at, data = written
        if not self.options.sliding and now_s() - made_at > self.options.max_age_s:
            return {}
        self._came, self._age_s, self._made_at = True, found[1], made_at
        return data

    def check(self, data: dict[str, Any], key: str) -> None:
        """Raise ValueError when the cookie would pass what user agents keep."""
        size = len(self.options.cookie) + len(self._written(data)) + SIGNATURE_BYTES
        if size > MAX_COOKIE_BYTES:
            raise ValueError(
                f"with session[{key!r}] the session cookie would take {size} bytes; user agents keep"
                f" {MAX_COOKIE_BYTES}: keep less in it, or give app.sessions a store="
            )

    def _written(self, data: dict[str, Any]) -> str:
        text = json.dumps([self._made_at, data], separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode()

    def save(self, session: Session, response: Response) -> None:
        """Set the cookie if something was changed, or it is time to renew it."""
        options, changes = self.options, session.changes()
        if not session:
            if self._came:
                set_cookie(options, response, "", 0)
            return
        if session.is_cleared or session.is_regenerated:
            self._made_at = int(now_s())
        elif not changes and not (self._came and is_renewal_due(options, self._age_s)):
            return
        data = dict(session)
        self.check(data, next(iter(changes), ""))
        left_s = options.max_age_s if options.sliding else self._made_at + options.max_age_s - now_s()
        set_cookie(options, response, options.signer.sign(self._written(data)), left_s)


def _read_written(payload: str) -> tuple[int, dict[str, Any]] | None:
    """Read what a cookie holds; None for what was signed with our key, but in another form: by another version."""
    try:
        written: Any = json.loads(base64.urlsafe_b64decode(payload))
    except (ValueError, RecursionError):
        return None
    match written:
        case [int(made_at), dict()] if 0 <= made_at <= now_s() + AHEAD_S:
            values: dict[str, Any] = cast("Any", written)[1]
            return made_at, values
        case _:
            return None


class StoreKeeper:
    """Keep a session in a store."""

    __slots__ = (
        "_age_s", "_failure", "_has_looked", "_id", "_locked", "_locks", "_read", "_signed", "_store", "_token",
        "is_open", "options", "outer",
    )  # fmt: skip

    def __init__(self, options: Options, request: Request, outer: Session | None, store: SessionStore) -> None:
        self.options = options
        self.outer = outer
        self._store = store
        self._signed = request.cookies.get(options.cookie)
        self._id: str | None = None
        self._age_s = 0.0
        exclusive = request.method not in SAFE_METHODS if options.exclusive is None else options.exclusive
        self._locks = exclusive and not is_websocket(request)
        self._token = ""
        self.is_open = False
        self._locked: str | None = None
        self._has_looked = False
        self._read: dict[str, str] = {}
        self._failure: Exception | None = None

    # --- before the handler, or when it asks ---

    def must_wait_to_read(self) -> bool:
        """Tell whether there is something to be read from the store."""
        if self._signed:
            found = self.options.signer.read(self._signed)
            self._signed = None
            if found is not None:
                self._id, self._age_s = found
        return self._id is not None and not self._has_looked

    def read_ahead(self, request: Request) -> None:
        """Read the session, unless the handler may do that itself; a failure is for who asks for it."""
        self.is_open = True
        if not _may_block_later(request) and self.must_wait_to_read():
            self._look(locks=self._locks, request=request)

    def read(self) -> dict[str, Any]:
        """Give the values: empty for an id that the store does not know.

        Raises:
            HTTPError: 503 when other requests have the session all the time.
            UnreadableSession: the store has something else.
            Exception: what the store raised; once and for all, so that nobody waits twice.
        """
        if self.must_wait_to_read():
            self._look(locks=self._locks and not _is_on_a_loop())
        if self._failure is not None:
            raise self._failure
        return _decoded(self._read)

    def _look(self, *, locks: bool, request: Request | None = None) -> None:
        self._has_looked = True
        try:
            if locks and not self._is_locked_further_out():
                self._lock(request)
            texts = self._store.load(self._name)
        except Exception as exc:
            self._failure = exc
            return
        if texts is None:
            self.release()
            self._id = None
        else:
            self._read = texts

    def _is_locked_further_out(self) -> bool:
        """Tell whether an application around this one has the lock already: for this very request, and for longer.

        No two sessions have one name, so it is the same session, whichever object the store is there.
        """
        outer = self.outer
        while outer is not None:
            keeper = cast("Kept", outer.keeper)
            if isinstance(keeper, StoreKeeper) and keeper._locked == self._name:
                return True
            outer = keeper.outer
        return False

    def _lock(self, request: Request | None) -> None:
        self._token = secrets.token_hex(16)
        if not self._store.lock(self._name, self._token, LEASE_S):
            with _waiting(request):
                self._wait_for_lock()
        self._locked = self._name

    def _wait_for_lock(self) -> None:
        deadline, pause_s = time.monotonic() + LEASE_S, _FIRST_PAUSE_S
        time.sleep(pause_s)
        while not self._store.lock(self._name, self._token, LEASE_S):
            if time.monotonic() > deadline:
                raise HTTPError(503, "other requests of this session take too long", headers={"retry-after": "1"})
            pause_s = min(pause_s * 1.5, _LONGEST_PAUSE_S)
            time.sleep(pause_s)

    @property
    def _name(self) -> str:
        return name_of(self._id or "")

    def check(self, data: dict[str, Any], key: str) -> None:
        """Do nothing: a store has room."""

    # --- when the response is made ---

    def must_wait_to_save(self, session: Session) -> bool:
        """Tell whether the store has to be told something."""
        if self._locked is not None:
            return True
        if not session.is_touched:
            return False
        try:
            is_changed = bool(session.changes())
        except Exception:  # raised again where it is saved
            return True
        return is_changed or self._is_renewal_due() or (self._id is not None and session.is_replaced)

    def _is_renewal_due(self) -> bool:
        return self._id is not None and is_renewal_due(self.options, self._age_s)

    def save(self, session: Session, response: Response) -> None:
        """Tell the store what was changed, and set the cookie where the session is a new one or lives on."""
        if self._id is None or session.is_replaced:
            self._save_as_new(session, response)
            return
        changes, is_due = session.changes(), self._is_renewal_due()
        if not changes and not is_due:
            return
        ttl_s = self.options.max_age_s if self.options.sliding else None
        conflicts = self._store.save(self._name, changes, ttl_s=ttl_s, new=False)
        if conflicts is None:
            _log.info("a session was deleted while a request changed it: it stays deleted")
            return
        if conflicts:
            _log.warning(
                "requests changed the same keys of one session at the same time, and the last one won: %r; let an"
                " unsafe method change them (POST), or use app.sessions(exclusive=True)", conflicts,
            )  # fmt: skip
        if is_due:
            set_cookie(self.options, response, self.options.signer.sign(self._id), self.options.max_age_s)

    def _save_as_new(self, session: Session, response: Response) -> None:
        """Make a new session in place of the old one, which goes: first where nothing of it is kept, else last.

        So a store that fails half way has logged somebody out, or has changed nothing.
        """
        texts = session.texts()
        if self._id is not None and (session.is_cleared or not texts):
            if self._store.delete(self._name) or session.is_cleared:
                set_cookie(self.options, response, "", 0)
            self._id = None
        if texts:
            self._replace(texts, response)

    def _replace(self, texts: dict[str, str], response: Response) -> None:
        """Make a new session, and delete the old one; which, if others have deleted it, is not made again."""
        new_id = random_text(32)
        changes: dict[str, Change] = {key: (None, text) for key, text in texts.items()}
        self._store.save(name_of(new_id), changes, ttl_s=self.options.max_age_s, new=True)
        if self._id is not None and not self._store.delete(self._name):
            self._store.delete(name_of(new_id))
            _log.info("a session was deleted while a request regenerated it: it stays deleted")
            return
        signed = self.options.signer.sign(new_id)
        self._hand_over(new_id, signed)
        self._id = new_id
        set_cookie(self.options, response, signed, self.options.max_age_s)

    def _hand_over(self, new_id: str, signed: str) -> None:
        """Have the applications around this one that have the same session go on with the new one, as this one does.

        Each would make one of its own else, for a client that has none, and the last cookie would hide the others.
        """
        around = self.outer
        while around is not None:
            keeper = cast("Kept", around.keeper)
            if isinstance(keeper, StoreKeeper) and keeper._store is self._store:
                keeper.must_wait_to_read()  # it knows its id now
                if keeper._id == self._id and keeper._reads_cookie_of(self.options, signed):
                    keeper._id = new_id
            around = keeper.outer

    def _reads_cookie_of(self, other: Options, signed: str) -> bool:
        mine = self.options
        is_one = (mine.cookie, mine.path, mine.domain) == (other.cookie, other.path, other.domain)
        return is_one and mine.signer.read(signed) is not None

    def release(self) -> None:
        """Give the lock back; where that fails, it lapses by itself."""
        if self._locked is None:
            return
        try:
            self._store.unlock(self._locked, self._token)
        except Exception as exc:
            _log.warning("the lock of a session could not be given back, and lapses in %g s: %r", LEASE_S, exc)
        self._locked = None


def _waiting(request: Request | None) -> AbstractContextManager[None]:
    """Give what is around a wait: under ASGI requests of other sessions have the place among the threads meanwhile."""
    if request is None or request.gateway != "asgi":
        return nullcontext()
    from ...bridge.to_thread import waiting

    return waiting(request)


def _decoded(texts: dict[str, str]) -> dict[str, Any]:
    try:
        return {key: json.loads(text) for key, text in texts.items()}
    except (ValueError, RecursionError) as exc:
        raise UnreadableSession(f"what the store has is no JSON: {exc}") from None


def name_of(id: str) -> str:
    """Give the name under which a store keeps the session of this id."""
    return hashlib.sha256(id.encode()).hexdigest()


def _may_block_later(request: Request) -> bool:
    """Tell whether all that may ask for the session, from the layers to the handler, runs where it may block."""
    route = request.route
    if request.gateway != "wsgi" or request._places is not None or route is None or route._plan is None:
        return False
    return not route._plan.needs_loop


def _is_on_a_loop() -> bool:
    """Tell whether this is an event loop's thread: where an async error handler is the first to ask, say."""
    running_loop = getattr(sys.modules.get("asyncio"), "_get_running_loop", None)  # another thread may be importing it
    return running_loop is not None and running_loop() is not None
