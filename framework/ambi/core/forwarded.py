"""What proxies in front of the server say of a request, when they are believed. See: RFC 7239.

Who is believed, and how far, is a feature (`features/proxy.py`); the gateways ask it once, before they read a request.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .request import Edge


class Forwarded(NamedTuple):
    """A request as its client sent it to the outermost proxy that is believed.

    Attributes:
        client: address and port; the peer itself where no proxy tells.
        scheme: "http" or "https".
        host: `name` or `name:port`, not checked yet; None for that of the request itself.
        prefix: what a proxy took off the path, percent-decoded; "" for nothing.
    """

    client: tuple[str, int | None] | None
    scheme: str
    host: str | None
    prefix: str


PEER = "ambi.peer"
"""Where an environ or scope that was made as proxies say keeps `(address, port)` of who really connected, or None."""


_FIELDS = frozenset((
    "forwarded", "via", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "x-original-forwarded-for",
    "x-original-host", "x-proxyuser-ip", "cf-connecting-ip", "true-client-ip", "fastly-client-ip",
))  # fmt: skip


def tells_of_proxy(name: str) -> bool:
    """Tell whether a header field, its name in lower case, is one that proxies add to what they pass on."""
    return name in _FIELDS or name.startswith("x-forwarded")


class Proxies(Protocol):
    """Who is believed."""

    @property
    def fields(self) -> frozenset[str]:
        """The header fields in which they are believed, in lower case."""
        ...

    def read(self, edge: Edge, native: Any, /) -> Forwarded | None:
        """Read what the proxies say; None where nobody is believed. Raises: HTTPError 400 for what is malformed."""
        ...
