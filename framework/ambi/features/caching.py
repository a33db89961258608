"""What clients and caches may keep: the Cache-Control field, and entity tags of what is sent.

    CacheControl     the field value, put together of checked parts
    setup            `App.etags`

Facts
- A 304 has the fields that the 200 would have had, so that what is kept lives on with them (RFC 9110 15.4.5).
- Equal bytes have equal tags and unequal ones unequal, so a tag made of the bytes is a strong one.
- `private` and `no-store` differ: a browser may keep the one, nobody may keep the other (RFC 9111 5.2.2).

See: RFC 9111 (caching), RFC 5861 (stale-while-revalidate, stale-if-error), RFC 8246 (immutable).
"""

from __future__ import annotations

from datetime import timedelta
from hashlib import blake2b

from ..core.headers import split_list
from ..core.limits import check_size
from ..core.preconditions import evaluate, refused
from ..core.response import Response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

    from ..core.middleware import Middleware
    from ..core.request import Request
    from ..core.routing import Router

    Seconds = int | timedelta


class CacheControl(str):
    """The value of a Cache-Control field: a text, fit for every place that takes a header field.

    Args:
        max_age: how long an answer is fresh, in seconds or as a timedelta.
        s_maxage: the same for shared caches.
        public: shared caches may keep what they otherwise would not, as the answer to a request with Authorization.
        private: only the client's own cache may keep it.
        no_cache: it may be kept, but is asked for each time.
        no_store: nobody may keep it.
        no_transform: nobody may compress or convert it on the way.
        must_revalidate: it is not to be used once it is stale.
        proxy_revalidate: the same for shared caches.
        must_understand: caches that do not know its status are not to keep it.
        immutable: it does not change while it is fresh, so reloading need not ask.
        stale_while_revalidate: for how long a stale one may be used while a new one is fetched.
        stale_if_error: for how long a stale one may be used when there is no new one to be had.

    Raises:
        ValueError: parts that contradict each other, a time that is negative, or nothing at all.

    Example:
        >>> CacheControl(max_age=60, private=True, stale_while_revalidate=600)
        'private, max-age=60, stale-while-revalidate=600'

    See: RFC 9111 5.2.2.
    """

    __slots__ = ()

    def __new__(  # noqa: D102  # the class says it
        cls,
        *,
        max_age: Seconds | None = None,
        s_maxage: Seconds | None = None,
        public: bool = False,
        private: bool = False,
        no_cache: bool = False,
        no_store: bool = False,
        no_transform: bool = False,
        must_revalidate: bool = False,
        proxy_revalidate: bool = False,
        must_understand: bool = False,
        immutable: bool = False,
        stale_while_revalidate: Seconds | None = None,
        stale_if_error: Seconds | None = None,
    ) -> Self:
        flags = {
            "public": public, "private": private, "no-cache": no_cache, "no-store": no_store,
            "no-transform": no_transform, "must-revalidate": must_revalidate, "proxy-revalidate": proxy_revalidate,
            "must-understand": must_understand, "immutable": immutable,
        }  # fmt: skip
        times = {
            "max-age": max_age, "s-maxage": s_maxage, "stale-while-revalidate": stale_while_revalidate,
            "stale-if-error": stale_if_error,
        }  # fmt: skip
        said = [name for name, is_said in flags.items() if is_said]
        timed = {name: whole_seconds(name, time) for name, time in times.items() if time is not None}
        _check({*said, *timed}, timed)
        return super().__new__(cls, ", ".join([*said, *(f"{name}={seconds}" for name, seconds in timed.items())]))

    def __reduce__(self) -> tuple[Any, tuple[type[Self], str]]:
        """Copy and pickle the text: the parts that it was made of are not kept."""
        return str.__new__, (type(self), str(self))


_CONTRADICTIONS = (
    ("private", "public"), ("private", "s-maxage"), ("no-store", "immutable"), ("no-store", "s-maxage"),
    ("no-store", "stale-while-revalidate"), ("no-store", "stale-if-error"), ("no-cache", "immutable"),
    ("must-revalidate", "stale-while-revalidate"), ("must-revalidate", "stale-if-error"),
)  # fmt: skip
"""What cannot both be meant: a cache would heed the stricter one, and the other says that somebody was mistaken."""


def _check(said: set[str], timed: dict[str, int]) -> None:
    for one, other in _CONTRADICTIONS:
        if one in said and other in said:
            raise ValueError(f"Cache-Control cannot say both {one} and {other}: leave out one of them")
    if "no-store" in said and timed.get("max-age"):  # `no-store, max-age=0` is widespread, and true
        raise ValueError("Cache-Control cannot say both no-store and a max-age above 0: leave out one of them")
    if not said:
        raise ValueError("a Cache-Control without a directive says nothing: leave the field out")


def whole_seconds(name: str, time: Seconds) -> int:
    """Give a time in whole seconds. Raises: ValueError for less than none, and for what is no number."""
    seconds = int(time.total_seconds()) if isinstance(time, timedelta) else time
    if not isinstance(seconds, int) or isinstance(seconds, bool) or seconds < 0:
        raise ValueError(f"{name} must be whole seconds, 0 or more, or a timedelta; not {time!r}")
    return seconds


# --- entity tags of what is sent ---


def setup(app: Router, *, max_bytes: int) -> None:
    """Add the layer that tags answers and holds conditions to the tags; arguments and errors as for `App.etags`."""
    check_size("max_bytes", max_bytes)

    @app.middleware
    def etags(request: Request) -> Middleware:
        response = yield
        if response.status != 200 or not response.is_open or request.method not in ("GET", "HEAD"):
            return None
        headers = response.headers
        made = "" if "etag" in headers else tag_of(response, max_bytes)
        etag, modified = made or headers.get("etag", ""), headers.get("last-modified", "")
        status = evaluate(request, etag, modified) if etag or modified else 200
        if status == 412:
            raise refused()
        if status == 304:
            return unchanged(response, made)
        return Tagged(response, made) if made else None


def tag_of(response: Response, max_bytes: int) -> str:
    """Give an entity tag made of the bytes of a response; "" where it may have none."""
    body = response.body
    if not isinstance(body, bytes) or not 0 < len(body) <= max_bytes:
        return ""
    if "no-store" in split_list(response.headers.get("cache-control", "").lower()):
        return ""
    return f'"{blake2b(body, digest_size=16).hexdigest()}"'


class Tagged(Response):
    """A response of bytes with their tag.

    The other one stays without: an application may keep it, and give it other bytes for the next request.
    """

    __slots__ = ("is_verbatim",)

    def __init__(self, response: Response, etag: str) -> None:
        self.status = response.status
        self.body = response.body
        self.is_verbatim = response.is_verbatim
        self._cookies = response._cookies
        self._pairs = [*response._pairs, ("etag", etag)]


def unchanged(response: Response, etag: str) -> Response:
    """Give the 304 that is sent instead of a response; with a tag that it has not, if there is one."""
    answer = Response(b"", 304)
    answer._cookies = response._cookies
    answer._pairs = [pair for pair in response._pairs if pair[0] not in _OF_THE_BODY]
    if etag:
        answer._pairs.append(("etag", etag))
    return answer


_OF_THE_BODY = frozenset(("content-length", "content-encoding", "content-disposition", "content-language"))
