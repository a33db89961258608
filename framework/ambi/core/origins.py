"""Which web pages may open a WebSocket: the check against cross-site WebSocket hijacking.

A browser lets every page open a WebSocket to every host, and sends the cookies along; all that tells a page of ours
from another is the Origin field. See: RFC 6455 10.2.

Facts
- A client that is no browser sends no Origin; it is let in, since it can say what it likes anyway.
- An origin names no port where it is the scheme's own, a Host may do so; the server may have been reached through a
  proxy that speaks TLS, so the schemes are not compared. See: RFC 6454 6.1, RFC 9110 7.2.
- `null` is the origin of a sandboxed frame or a local file: of anybody.
"""

from __future__ import annotations

from .errors import ConfigurationError, HTTPError
from .url import split_host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .request import Request

_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


class OriginCheck:
    """Let in requests without an origin, of the same host, of an allowed host, or of one of `origins`.

    Args:
        origins: whole origins, as "https://app.example.com"; "*" for every one.

    Raises:
        ConfigurationError: one of them is no origin.
    """

    __slots__ = ("origins",)

    def __init__(self, origins: Iterable[str] = ()) -> None:
        if isinstance(origins, str):
            raise ConfigurationError(f"origins are a list, as origins=[{origins!r}], not one text")
        self.origins = frozenset(origin.lower() for origin in origins)
        for origin in self.origins:
            if origin not in ("*", "null") and _read(origin) is None:
                raise ConfigurationError(f"an origin is scheme and host, as 'https://app.example.com', not {origin!r}")

    def check(self, request: Request) -> None:
        """Refuse a request of a foreign page. Raises: HTTPError 403."""
        origin = request._edge.header(request.native, "origin")
        if origin is None or "*" in self.origins or origin.lower() in self.origins:
            return
        found = _read(origin.lower())
        if found is None or not (_is_same_host(found, request) or is_allowed(found[1], request.app.allowed_hosts)):
            raise HTTPError(403, "a page of this origin may not open a WebSocket here")


def _read(origin: str) -> tuple[str, str, int | None] | None:
    """Split `scheme://host:port` into scheme, host, and a port that is not the scheme's own; None for anything else."""
    scheme, separator, host = origin.partition("://")
    try:
        name, port = split_host(host)
    except HTTPError:
        return None
    if not separator or not scheme:
        return None
    return scheme, name, None if port == _PORTS.get(scheme) else port


def _is_same_host(origin: tuple[str, str, int | None], request: Request) -> bool:
    scheme, name, port = origin
    own_name, own_port = split_host(request.host) if request.host else ("", None)
    return (name, port) == (own_name, None if own_port == _PORTS.get(scheme) else own_port)


def check_host_patterns(patterns: Iterable[str]) -> tuple[str, ...]:
    """Give patterns of hosts in lower case: "example.com", or "*.example.com" for every subdomain of it.

    Raises:
        ConfigurationError: one of them is neither.
    """
    if isinstance(patterns, str):
        raise ConfigurationError(f"allowed_hosts is a list, as allowed_hosts=[{patterns!r}], not one text")
    checked = tuple(pattern.lower() for pattern in patterns)
    for pattern in checked:
        try:
            name, port = split_host(pattern.removeprefix("*."))
        except HTTPError:
            name, port = "", None
        if port is not None or not name or "*" in name:
            raise ConfigurationError(
                f"an allowed host is a name alone, as 'example.com' or '*.example.com', not {pattern!r}"
            )
    return checked


def is_allowed(name: str, patterns: Iterable[str]) -> bool:
    """Tell whether a host name, in lower case, is one of the patterns."""
    return any(name.endswith(pattern[1:]) if pattern[0] == "*" else name == pattern for pattern in patterns)
