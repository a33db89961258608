"""The layer of a rate limit: ask the store, let the request in or refuse it, and note what clients are told.

Facts
- The shortest window is asked first, and no further one when it refuses: a client that hammers does not use up its hour
  with what its second has refused.
- A refused request costs nothing in a moving window; in a fixed one it counts. One that takes more than a limit ever
  has is refused without asking.
- The automatic answer to OPTIONS costs the client nothing: a browser sends the request before a page may ask anything.
- A store that does not answer is left alone for a while: else each request would wait for its time-out.
- In memory, the limits of one name count together within one application: two applications of a process, those of two
  tests as well, have nothing to do with each other. What all are to share is in a store over the network.
- The key of a limit without a name says where its route is mounted, and how many such limits are around it: in a store
  that several share they would take each other's requests for their own. It says nothing of the prefix that a proxy
  names, which may be the client's.
"""

from __future__ import annotations

import re
import time
from math import ceil
from threading import Lock
from typing import cast
from weakref import WeakKeyDictionary

import limits as library
from limits.errors import ConfigurationError as StorageConfigurationError
from limits.errors import StorageError
from limits.storage import Storage, storage_from_string
from limits.strategies import STRATEGIES

from ...core.arguments import check_function
from ...core.contract import Demand
from ...core.errors import ConfigurationError, HTTPError
from ...core.middleware import Layer
from .fields import Fields, Verdict
from .keys import as_key
from .memory import MemoryStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from limits import RateLimitItem
    from limits.strategies import RateLimiter

    from ...core.middleware import CallNext, Middleware
    from ...core.request import Request
    from ...core.response import Response

TIMEOUT_S = 0.5
"""How long a store over the network, given by its URI, may take for one answer."""
RETRY_S = 5.0
"""For how long a store that failed is not asked again."""

_QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded"
_DEMAND = Demand(statuses=(429,))
_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,64}")

_stores: WeakKeyDictionary[Any, dict[str, MemoryStore]] = WeakKeyDictionary()
"""Where the limits of each application count in memory, by their names."""
_stores_lock = Lock()


class Limiter:
    """The limits of one layer, with the store that counts for them; arguments as for `rate_limit`."""

    def __init__(
        self,
        limits: str | Iterable[str],
        *,
        by: Callable[[Request], str | None],
        storage: Any,
        name: str | None,
        cost: int | Callable[[Request], int],
        exempt: Callable[[Request], bool] | None,
        strategy: str,
        fail_open: bool,
    ) -> None:
        if name is not None and not _NAME.fullmatch(name):
            raise ConfigurationError(f"the name of a rate limit is made of letters, digits and '_.:-', not {name!r}")
        check_function("by", by)
        if exempt is not None:
            check_function("exempt", exempt)
        self._items = _parse(limits)
        self._by = by
        self._name = name
        self._cost = cost
        self._exempt = exempt
        self._fail_open = fail_open
        if not callable(cost):
            self._check_cost(cost)
        self._storage = _open(storage)
        self._has_own_store = storage == "memory://"
        self._is_to_join = self._has_own_store and name is not None
        self._strategy = _counting(strategy, self._storage)
        self._name_of_strategy = strategy
        self._failures: tuple[type[Exception], ...] = (StorageError, OSError, *_as_tuple(self._storage.base_exceptions))
        self._is_down = False
        self._down_until_s = 0.0

    def as_layer(self) -> Layer:
        """Make the layer: without a colour where the store is in memory, with a form for each side where it is not."""
        if isinstance(self._storage, MemoryStore):
            return Layer(self.limit, demand=_DEMAND)
        return Layer(self.limit, blocking=True, on_loop=self.limit_on_loop, demand=_DEMAND)

    def limit(self, request: Request) -> Middleware:
        """Be the layer where the store may be asked: anywhere, or in a thread that may wait."""
        asked = self._asks(request)
        if asked is not None:
            if self._is_to_join:
                self._join(request.app)
            self._admit(request, self._ask(*asked))
        yield

    async def limit_on_loop(self, request: Request, call_next: CallNext) -> Response:
        """Be the layer on an event loop: a thread asks the store and is free again before the handler begins."""
        from ...bridge.to_thread import run_io

        asked = self._asks(request)
        if asked is not None:
            if self._is_left_alone():
                self._admit(request, None)
            else:
                self._admit(request, await run_io(request.app, self._ask, *asked))
        return await call_next(request)

    def _join(self, app: Any) -> None:
        """Count where the other limits of this name do, in the application whose request is the first one."""
        with _stores_lock:
            if self._is_to_join:
                self._storage = _stores.setdefault(app, {}).setdefault(self._name or "", MemoryStore())
                self._strategy = _counting(self._name_of_strategy, self._storage)
                self._is_to_join = False

    # --- what to ask ---

    def _asks(self, request: Request) -> tuple[str, str, int] | None:
        """Give what is counted together, for whom, and how much; None of a request that is not counted."""
        if request.method == "OPTIONS" and request.route is None and request.is_answered:
            return None
        if self._exempt is not None and self._exempt(request):
            return None
        client = self._by(request)
        cost = self._cost(request) if callable(self._cost) else self._cost
        if client is None or cost <= 0:
            return None
        for item in self._items:
            if cost > item.amount:
                raise self._never(item, cost)
        return self._name or as_key(self._route_of(request)), as_key(client), cost

    def _route_of(self, request: Request) -> str:
        """Name what is counted where there is no name: the route, and which of the limits around it this is."""
        route, places = request.route, request._places
        mount = places[-1][1].removeprefix(places[0][1]) if places else ""
        named = f"none{mount}" if route is None else f"{route.host} {','.join(route.methods)} {mount}{route.path}"
        place = 0 if self._has_own_store else self._place_in(request)
        return f"{named} {place}" if place else named

    def _place_in(self, request: Request) -> int:
        """Tell how many limits without a name are further out."""
        around: list[Any] = [request.app] if request._places is None else [place[0] for place in request._places]
        if request.route is not None:
            around += (*request.route.routers[1:], request.route)
        limits = [getattr(layer.function, "__self__", None) for owner in around for layer in owner.layers]
        unnamed = [limit for limit in limits if isinstance(limit, Limiter) and limit._name is None]
        return unnamed.index(self) if self in unnamed else 0

    def _never(self, item: RateLimitItem, cost: int) -> HTTPError:
        """Make the refusal of what no time will let in; it says no time to come again."""
        quota, window_s = item.amount, item.get_expiry()
        return HTTPError(
            429,
            f"this request takes {cost} of a limit that has {quota} within {window_s} s: it is never let in",
            type=_QUOTA_EXCEEDED,
            extensions={"violated-policies": [self._label(window_s)]},
        )

    def _label(self, window_s: int) -> str:
        """Give the name of a limit that clients are told."""
        name = self._name or "route"
        return f"{name}-{window_s}" if len(self._items) > 1 else name

    def _check_cost(self, cost: Any) -> None:
        least = min(item.amount for item in self._items)
        if isinstance(cost, bool) or not isinstance(cost, int) or not 0 <= cost <= least:
            raise ConfigurationError(f"the cost of a request must be a whole number from 0 to {least}, not {cost!r}")

    # --- asking ---

    def _is_left_alone(self) -> bool:
        return self._is_down and time.monotonic() < self._down_until_s

    def _ask(self, counted: str, client: str, cost: int) -> list[Verdict] | None:
        """Count a request; None where the store does not answer."""
        if self._is_left_alone():
            return None
        try:
            verdicts = self._count(counted, client, cost)
        except self._failures as exc:
            self._fail(exc)
            return None
        if self._is_down:
            self._is_down = False
            _log("the store of rate limits answers again")
        return verdicts

    def _count(self, counted: str, client: str, cost: int) -> list[Verdict]:
        verdicts: list[Verdict] = []
        for item in self._items:
            is_admitted = self._strategy.hit(item, counted, client, cost=cost)
            reset_s, remaining = self._strategy.get_window_stats(item, counted, client)
            window_s = item.get_expiry()
            after_s = min(max(0, ceil(reset_s - time.time())), window_s)
            verdicts.append(
                Verdict(
                    self._label(window_s), item.amount, window_s, max(0, remaining), after_s, not is_admitted,
                    0 if is_admitted else self._wait_s(item, (counted, client), cost, after_s),
                )
            )  # fmt: skip
            if not is_admitted:
                break
        return verdicts

    def _wait_s(self, item: RateLimitItem, asked: tuple[str, str], cost: int, after_s: int) -> int:
        """Give the seconds after which a request of this cost is let in: one unit may be there earlier than all."""
        window_s: int = item.get_expiry()
        if cost == 1 or self._name_of_strategy == "fixed-window":
            return after_s
        if not isinstance(self._storage, MemoryStore):
            return window_s  # stores over the network tell of the first unit alone
        free_at_s = self._storage.free_at(item.key_for(*asked), item.amount, window_s, cost)
        return min(max(0, ceil(free_at_s - time.time())), window_s)

    def _fail(self, error: Exception) -> None:
        if not self._is_down:
            passed = "let through uncounted" if self._fail_open else "refused with 503"
            _log(f"the store of rate limits does not answer, and requests are {passed} meanwhile: {error!r}")
        self._is_down = True
        self._down_until_s = time.monotonic() + RETRY_S

    # --- answering ---

    def _admit(self, request: Request, verdicts: list[Verdict] | None) -> None:
        """Let a request in. Raises: HTTPError 429; 503 where the store is away and that is not put up with."""
        if verdicts is None:
            if not self._fail_open:
                raise HTTPError(503, "limits cannot be checked at present", headers={"retry-after": str(ceil(RETRY_S))})
            return
        Fields.of(request).verdicts += verdicts
        last = verdicts[-1]
        if last.is_exceeded:
            wait_s = max(1, last.wait_s)
            raise HTTPError(
                429,
                f"more than {last.quota} requests within {last.window_s} s; come again in {wait_s} s",
                headers={"retry-after": str(wait_s)},
                type=_QUOTA_EXCEEDED,
                extensions={"violated-policies": [last.policy]},
            )


def _parse(limits: str | Iterable[str]) -> list[RateLimitItem]:
    texts = [limits] if isinstance(limits, str) else list(limits)
    items: list[RateLimitItem] = []
    for text in texts:
        try:
            items += library.parse_many(text)
        except ValueError:
            raise ConfigurationError(
                f"the rate limit {text!r} cannot be read; write '5/minute', '100 per 10 minutes' or '5/second; 9/hour'"
            ) from None
    if not items or not all(item.amount > 0 and item.get_expiry() > 0 for item in items):
        raise ConfigurationError(f"a rate limit allows at least one request, which {limits!r} does not")
    return sorted(items, key=lambda item: item.get_expiry())


def _open(storage: Any) -> Storage:
    """Give the store: our own in memory, one by its URI, or the object itself."""
    if storage == "memory://":
        return MemoryStore()
    if isinstance(storage, Storage):
        return storage
    if not isinstance(storage, str) or storage.startswith("async+"):
        raise ConfigurationError(
            f"storage= is a URI as 'redis://localhost:6379', or a storage of `limits.storage`, not {storage!r};"
            " there is no need for an asynchronous one: no event loop waits for it"
        )
    options = _redis_options() if storage.startswith(("redis", "valkey")) else {}
    try:
        made = storage_from_string(storage, **options)
    except StorageConfigurationError as exc:
        if "prerequisite" in str(exc):
            raise ImportError(f"the store {storage!r} needs a library besides `limits`: {exc}") from exc
        raise ConfigurationError(f"storage={storage!r}: {exc}") from exc
    return cast("Storage", made)  # those for asyncio have other schemes


def _redis_options() -> dict[str, Any]:
    """Give short time-outs, and one further try for a connection that went stale meanwhile: not after a time-out."""
    try:
        from redis.backoff import NoBackoff
        from redis.exceptions import ConnectionError as Disconnected
        from redis.retry import Retry
    except ImportError as exc:
        raise ImportError("rate limits over Redis need its client: pip install 'ambi[redis]'") from exc
    return {
        "socket_timeout": TIMEOUT_S,
        "socket_connect_timeout": TIMEOUT_S,
        "retry": Retry(NoBackoff(), 1, (Disconnected,)),
    }


def _counting(strategy: str, storage: Storage) -> RateLimiter:
    if strategy not in STRATEGIES:
        raise ConfigurationError(f"strategy= is one of {', '.join(map(repr, STRATEGIES))}, not {strategy!r}")
    try:
        return STRATEGIES[strategy](storage)
    except NotImplementedError:
        raise ConfigurationError(
            f"{type(storage).__name__} cannot count by strategy={strategy!r}; 'moving-window' and 'fixed-window' it can"
        ) from None


def _as_tuple(errors: type[Exception] | tuple[type[Exception], ...]) -> tuple[type[Exception], ...]:
    return errors if isinstance(errors, tuple) else (errors,)


def _log(text: str) -> None:
    import logging

    logging.getLogger("ambi.error").warning(text)
