"""Which web pages may open a WebSocket or send a request with our cookies, and which hosts are ours.

A browser lets every page open a WebSocket to every host, and post a form to it, and sends the cookies along; all that
tells a page of ours from another is what the browser says of it. See: RFC 6455 10.2, RFC 6454 7, and the W3C's "Fetch
Metadata Request Headers".

Facts
- A client that is no browser sends no Origin; it is let in, since it can say what it likes anyway.
- Browsers since 2023 send Sec-Fetch-Site with every request to a secure address: it is right behind every proxy. Those
  before send an Origin with what is no GET or HEAD; very old ones send a Referer at best.
- An origin names no port where it is the scheme's own, a Host may do so; the server may have been reached through a
  proxy that speaks TLS, so the scheme of an origin may be another than ours. But where ours is TLS, a page that came by
  http was perhaps written by someone in between. See: RFC 6454 6.1, RFC 9110 7.2.
- `null` is the origin of a sandboxed frame or a local file: of anybody.
"""

from __future__ import annotations

from .arguments import check_texts
from .errors import ConfigurationError, HTTPError, quote_for_log
from .log import log_any_host
from .url import DEFAULT_PORTS, split_host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .request import Request

SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS", "QUERY", "TRACE"))
"""Methods that change nothing. See: RFC 9110 9.2.1; QUERY is as safe as GET."""

_BY_ITSELF = frozenset(("basic", "digest", "negotiate", "ntlm"))
"""Schemes of Authorization that a browser answers by itself once the user has signed in."""


class OriginCheck:
    """Let in requests without an origin, of the same host, of an allowed host, or of one of `origins`.

    Args:
        origins: whole origins, as "https://app.example.com"; "*" for every one.

    Raises:
        ConfigurationError: one of them is no origin.
    """

    __slots__ = ("origins",)

    def __init__(self, origins: Iterable[str] = ()) -> None:
        self.origins = check_origins(origins, also=("*", "null"))

    def check(self, request: Request) -> None:
        """Refuse a request of a foreign page. Raises: HTTPError 403."""
        origin = request._edge.field(request, "origin")
        if origin is None or "*" in self.origins or origin.lower() in self.origins:
            return
        found = _read_page(origin, request)
        if found is None or not (_is_same_host(found, request) or is_allowed(found[1], request.app.allowed_hosts)):
            raise HTTPError(403, "a page of this origin may not open a WebSocket here")


class CrossSiteCheck:
    """Refuse requests that change something, carry credentials, and come from a page of another site.

    Args:
        origins: whole origins whose pages may send them, as "https://admin.example.com".
        always: refuse those without credentials too; a form that signs the user in carries none yet.

    Raises:
        ConfigurationError: one of them is no origin.
    """

    __slots__ = ("_trusting", "always", "origins")

    def __init__(self, origins: Iterable[str] = (), *, always: bool = False) -> None:
        self.origins = check_origins(origins)
        self.always = always
        self._trusting: tuple[Callable[[Request, str], bool], ...] = ()

    def trust(self, trusts: Callable[[Request, str], bool]) -> None:
        """Let in the requests of further origins: those of which a function of (request, origin) says so."""
        self._trusting = (*self._trusting, trusts)

    def check(self, request: Request) -> None:
        """Refuse the request of a foreign page. Raises: HTTPError 403."""
        if request.method in SAFE_METHODS:
            return
        matters = not proves_itself(request) if self.always else carries_credentials(request)
        if matters and self.is_of_this_site(request) is False:
            origin = request._edge.field(request, "origin")
            page = f" ({quote_for_log(origin, 100)})" if origin else ""
            raise HTTPError(403, f"this was sent by a page of another site{page}, which the application does not trust")

    def is_of_this_site(self, request: Request) -> bool | None:
        """Tell whether a page of ours, or of an origin that is trusted, sent the request; None where nothing tells."""
        field = request._edge.field
        origin = field(request, "origin")
        if origin is not None and (
            origin.lower() in self.origins or any(trusts(request, origin) for trusts in self._trusting)
        ):
            return True
        site = field(request, "sec-fetch-site")
        if site is not None:
            return site in ("same-origin", "none")
        if origin is None:
            referrer = field(request, "referer")
            if referrer is None:
                return None
            scheme, _, rest = referrer.partition("://")
            origin = f"{scheme}://{rest.partition('/')[0]}"
        found = _read_page(origin, request)
        return found is not None and _is_same_host(found, request)


def carries_credentials(request: Request) -> bool:
    """Tell whether a browser would have added something by itself that says who the user is."""
    field = request._edge.field
    if field(request, "cookie") is not None:
        return True
    authorization = request.authorization
    return authorization is not None and authorization[0] in _BY_ITSELF


def proves_itself(request: Request) -> bool:
    """Tell whether credentials were added on purpose: no page of another site can, unless it was allowed to."""
    authorization = request.authorization
    return authorization is not None and authorization[0] not in _BY_ITSELF


def check_origins(origins: Iterable[str], also: Iterable[str] = ()) -> frozenset[str]:
    """Give origins as browsers write them: in lower case, without the port that the scheme has by itself.

    Raises:
        ConfigurationError: what is none, nor one of `also`.
    """
    checked = frozenset(_as_sent(origin.lower()) for origin in check_texts("origins", origins))
    for origin in checked:
        if origin not in also and _read(origin) is None:
            raise ConfigurationError(f"an origin is scheme and host, as 'https://app.example.com', not {origin!r}")
    return checked


def _as_sent(origin: str) -> str:
    scheme = origin.partition("://")[0]
    return origin.removesuffix(f":{DEFAULT_PORTS[scheme]}") if scheme in DEFAULT_PORTS else origin


def _read(origin: str) -> tuple[str, str, int | None] | None:
    """Split `scheme://host:port` into scheme, host, and a port that is not the scheme's own; None for anything else."""
    scheme, _, host = origin.partition("://")
    try:
        name, port = split_host(host)
    except HTTPError:
        return None
    return (scheme, name, None if port == DEFAULT_PORTS.get(scheme) else port) if scheme else None


def _read_page(origin: str, request: Request) -> tuple[str, str, int | None] | None:
    """Split the origin of a page that sent a request.

    None for a page that came in clear where the request is by TLS, and for one that did not come by HTTP: whoever makes
    up a scheme of his own, as applications with a browser inside do, names its hosts as he likes.
    """
    found = _read(origin.lower())
    if found is None or found[0] not in ("http", "https"):
        return None
    return None if found[0] == "http" and request.scheme == "https" else found


def _is_same_host(origin: tuple[str, str, int | None], request: Request) -> bool:
    scheme, name, port = origin
    if not request.host:  # the server is on a Unix socket, and who asks names none
        return False
    own_name, own_port = split_host(request.host)
    return (name, port) == (own_name, None if own_port == DEFAULT_PORTS.get(scheme) else own_port)


def check_host_patterns(patterns: Iterable[str]) -> tuple[str, ...]:
    """Give patterns of hosts in lower case: "example.com", or "*.example.com" for every subdomain of it.

    Raises:
        ConfigurationError: one of them is neither.
    """
    checked = tuple(pattern.lower() for pattern in check_texts("allowed_hosts", patterns))
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
    is_subdomain = name[:1] != "."  # of which a label stands in front
    return any((is_subdomain and name.endswith(p[1:])) if p[0] == "*" else name == p for p in patterns)


_LOOPBACK_HOSTS = frozenset(("localhost", "127.0.0.1", "[::1]"))
_MAX_HOSTS = 256


def is_loopback_name(name: str) -> bool:
    """Tell whether a host name, in lower case, is that of the machine itself."""
    return name in _LOOPBACK_HOSTS or name.endswith(".localhost")


class HostCheck:
    """Answer only requests for the hosts of this site. See: RFC 9110 7.2.

    A Host field is what a client says, and links, redirects and caches are made of it. A request without one is let
    in: its host is the server's own name. (One of HTTP/1.1 has been refused by the gateway where hosts are named, as it
    must have one.) Where no hosts are named, the first request for another than the machine's
    own is answered, and a warning logged.

    Args:
        patterns: as `check_host_patterns` gives them; none lets all in.

    Attributes:
        known: hosts found good before, a few hundred at most: what is in it needs no check.
    """

    __slots__ = ("_has_warned", "known", "patterns")

    def __init__(self, patterns: tuple[str, ...]) -> None:
        self.patterns = patterns
        self.known: set[str | None] = {None, ""}
        self._has_warned = False

    def check(self, request: Request) -> HTTPError | None:
        """Give the refusal of a request whose host is not known; None where it is good."""
        host = request.host
        name = split_host(host)[0]
        is_own = is_loopback_name(name)
        if self.patterns and not is_allowed(name, self.patterns) and not (is_own and request.app.debug):
            return HTTPError(400, f"the host {quote_for_log(host, 100)} is not one of this site's")
        if not self.patterns and not is_own and not request.app.debug and not self._has_warned:
            self._has_warned = True
            log_any_host(request)
        if len(self.known) >= _MAX_HOSTS:
            self.known = {None, ""}
        self.known.add(host)
        return None
