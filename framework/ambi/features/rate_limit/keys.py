"""Who a request is counted for.

Facts
- A subscriber has a whole /64 of IPv6 addresses (RFC 6177), so those count as one: else nobody would ever be limited.
- On a dual-stack socket IPv4 comes as `::ffff:192.0.2.1`; a link-local address has a zone behind a `%`.
- Over a Unix socket there is no address: then all clients are one, until proxy headers are trusted.
"""

from __future__ import annotations

import hashlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...core.request import Request

UNKNOWN = "unknown"
_IPV6_PREFIX = 64
_MAX_CHARS = 64


def client_address(request: Request) -> str:
    """Give the address of the client, `request.client`; of IPv6 its /64 network, as "2001:db8:1:2::/64".

    Behind a proxy that is the proxy's own address, unless the application is told to trust what it says.
    """
    client = request.client
    if client is None:
        return UNKNOWN
    address = client[0]
    return address if ":" not in address else _network_of(address)


def _network_of(address: str) -> str:
    from ipaddress import AddressValueError, IPv6Address, IPv6Network

    try:
        whole = IPv6Address(address.partition("%")[0])
    except AddressValueError:
        return address
    if whole.ipv4_mapped is not None:
        return str(whole.ipv4_mapped)
    return str(IPv6Network((int(whole), _IPV6_PREFIX), strict=False))


def as_key(text: str) -> str:
    """Give a text as a part of a store's key: of bounded length, and without what separates the parts."""
    if len(text) <= _MAX_CHARS and "/" not in text and text.isascii() and text.isprintable():
        return text
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
