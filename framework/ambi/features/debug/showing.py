"""Who may see the debug page: who sits at this machine, and no page of another site that this one has open.

Facts
- A name that a stranger owns may lead to 127.0.0.1 (DNS rebinding); his page then reads what that address answers. The
  browser sends his name as the Host.
- A proxy on this machine makes everybody a loopback peer. It says so, in one of the fields below; or it is nginx as it
  comes, which says nothing, names its upstream as the Host and speaks HTTP/1.0, which no browser does. What tells one
  that is quieter still is a Referer that does not fit the Host.
- An application may let every origin read its answers (CORS); a browser sends the origin of a page that wants to, and
  says of what has none whether it goes to another site.
"""

from __future__ import annotations

from ipaddress import ip_address

from ...core.errors import HTTPError, quote_for_log
from ...core.forwarded import PEER, tells_of_proxy
from ...core.origins import is_loopback_name
from ...core.url import split_host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...core.request import Request

_OLD = ("HTTP/1.0", "1.0")


def why_hidden(request: Request) -> str | None:
    """Say why the debug page must not be shown to who sent a request; None where it may."""
    native = request.native
    is_told = PEER in native
    peer = native[PEER] if is_told else request.client
    if not is_loopback_address(peer and peer[0]):
        return f"the peer {_named(peer)} is not this machine"
    believed = request.app.proxies.fields if is_told and request.app.proxies is not None else frozenset[str]()
    for name in request.headers:
        if tells_of_proxy(name) and name not in believed:
            return f"it came through a proxy, as {name} says, which is not believed"
    if native.get("SERVER_PROTOCOL", native.get("http_version")) in _OLD:
        return "it came by HTTP/1.0, as through a proxy that says nothing of itself"
    client = request.client
    if not is_loopback_address(client and client[0]):
        return f"the client {_named(client)} is not this machine"
    if not is_loopback_host(request.host):
        return f"the host {quote_for_log(request.host, 100)} is not localhost or a loopback address"
    return _why_foreign(request)


def _why_foreign(request: Request) -> str | None:
    """Say so where a page of another site asks, other than by a link."""
    field = request._edge.field
    origin = field(request, "origin")
    if origin is not None:
        is_own = is_loopback_host(origin.partition("://")[2].lower())
        return None if is_own else f"a page of {quote_for_log(origin, 100)} asks for it"
    site, referrer = field(request, "sec-fetch-site"), field(request, "referer")
    if site == "same-origin" and referrer and not is_loopback_host(referrer.partition("://")[2].partition("/")[0]):
        return "it came through a proxy, as its Referer is not of this host"
    if site == "cross-site" and field(request, "sec-fetch-mode") != "navigate":
        return "a page of another site asks for it"
    return None


def is_loopback_address(text: str | None) -> bool:
    """Tell whether an address is that of the machine itself; None, as of a Unix socket, is none."""
    try:
        address = ip_address(text or "")
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def is_loopback_host(host: str) -> bool:
    """Tell whether a host, with or without a port, is a name or an address of the machine itself."""
    try:
        name = split_host(host)[0]
    except HTTPError:
        return False
    return is_loopback_name(name) or is_loopback_address(name.strip("[]"))


def _named(address: tuple[str, int | None] | None) -> str:
    return "of unknown address" if address is None else quote_for_log(address[0], 100)
