"""Rate limits: how many requests a client may send in a time, counted by the library `limits` (extra `ratelimit`).

    limiter.py    the layer: asks, admits or refuses, and tells clients what is left
    fields.py     the header fields of an answer
    keys.py       who a request is counted for
    memory.py     a store in memory; those of `limits` (Redis, Memcached, MongoDB) are for several processes

See: https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/ (draft 11), RFC 6585 section 4 (429),
docs/decisions/0018-a-layer-for-each-side.md (why a store over the network costs no crossing).
"""

from __future__ import annotations

from typing import TypedDict

from .keys import client_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, Literal

    from typing_extensions import Unpack

    from ...core.middleware import Layer
    from ...core.request import Request
    from ...core.routing import Router

    Strategy = Literal["moving-window", "fixed-window", "sliding-window-counter"]

__all__ = ["RateLimitOptions", "client_address", "rate_limit", "setup"]


class RateLimitOptions(TypedDict, total=False):
    """The options of `App.rate_limit`; `rate_limit` says what they mean."""

    by: Callable[[Request], str | None]
    storage: Any
    cost: int | Callable[[Request], int]
    exempt: Callable[[Request], bool] | None
    strategy: Strategy
    fail_open: bool


def setup(app: Router, *, limits: str | Iterable[str], name: str, **options: Unpack[RateLimitOptions]) -> None:
    """Limit the requests for all routes together. Arguments and errors as for `App.rate_limit`."""
    app.middleware(rate_limit(limits, name=name, **options))


def rate_limit(
    limits: str | Iterable[str],
    *,
    by: Callable[[Request], str | None] = client_address,
    storage: Any = "memory://",
    name: str | None = None,
    cost: int | Callable[[Request], int] = 1,
    exempt: Callable[[Request], bool] | None = None,
    strategy: Strategy = "moving-window",
    fail_open: bool = True,
) -> Layer:
    """Make the layer that limits the requests of a route or a router; `App.rate_limit` limits those of all routes.

    Args:
        limits: "5/minute", "100 per 10 minutes"; several as "5/second; 100/minute" or a list. All must allow a request.
        by: gives the text that a request is counted for; it must not block. None is not counted.
        storage: "memory://" counts in this process; "redis://host:6379" and the other URIs of `limits`, or a storage
            object of it, count for all processes.
        name: what is counted together, and what clients are told: in memory all limits of this name in one `App`, over
            the network all that use the store. Without one each route is counted for itself.
        cost: how much of the limits a request takes, or a function that says so; 0 for nothing.
        exempt: tells of a request that it is not counted.
        strategy: "moving-window" counts exactly, and keeps the time of each request; "fixed-window" keeps one number,
            and lets a client send twice the limit around the border of two windows; "sliding-window-counter" keeps two
            and estimates, in stores over the network.
        fail_open: whether requests are let through, uncounted, while the store does not answer; else they get a 503.

    Raises:
        ConfigurationError: a limit that cannot be read, or a store or a cost that cannot be.
        ImportError: a library is missing.

    Example:
        @app.post("/login", middleware=[rate_limit("5/minute")])
        def login(request: Request): ...
    """
    try:
        from .limiter import Limiter
    except ModuleNotFoundError as exc:
        if exc.name != "limits":
            raise
        raise ImportError("rate limits need the library `limits`: pip install 'ambi[ratelimit]'") from exc
    return Limiter(
        limits, by=by, storage=storage, name=name, cost=cost, exempt=exempt, strategy=strategy, fail_open=fail_open
    ).as_layer()
