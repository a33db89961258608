"""A request as its client sent it to the proxies that are believed: an environ or a scope that says so.

It is made before anything is read, so that routes, guards, cookies, links and mounted applications all see one client,
one scheme and one host. It is a copy: what a server keeps, and logs, is its own. The prefix is not in it, since servers
do not agree whether a scope's path begins with it: it goes before the `root_path` of the request.
"""

from __future__ import annotations

from ..core.errors import HTTPError
from ..core.forwarded import PEER
from ..core.url import WEBSOCKET_SCHEMES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..core.forwarded import Forwarded, Proxies
    from ..core.request import Edge


def forwarded(proxies: Proxies, edge: Edge, native: Any) -> tuple[Any, str, HTTPError | None]:
    """Ask the proxies.

    Returns:
        The environ or scope that says what they say, the prefix that they took off the path, and the refusal of a
        request of which they say what is malformed.
    """
    try:
        origin = proxies.read(edge, native)
    except HTTPError as exc:
        return native, "", exc
    if origin is None:
        return native, "", None
    said = (_environ if edge.name == "wsgi" else _scope)(native, origin)
    said[PEER] = edge.client(native)
    return said, origin.prefix, None


def _environ(environ: dict[str, Any], origin: Forwarded) -> dict[str, Any]:
    address, port = origin.client or ("", None)
    said: dict[str, Any] = {
        **environ, "wsgi.url_scheme": origin.scheme, "REMOTE_ADDR": address, "REMOTE_PORT": str(port or ""),
    }  # fmt: skip
    if origin.host is not None and "," not in environ.get("HTTP_HOST", ""):  # two lines are refused, as of a scope
        said["HTTP_HOST"] = origin.host
    return said


def _scope(scope: dict[str, Any], origin: Forwarded) -> dict[str, Any]:
    scheme = WEBSOCKET_SCHEMES[origin.scheme] if scope["type"] == "websocket" else origin.scheme
    client = origin.client and (origin.client[0], origin.client[1] or 0)
    said = {**scope, "scheme": scheme, "client": client}
    if origin.host is not None:
        host = origin.host.encode("latin-1")
        fields = [  # two hosts in one line are refused, as of an environ
            (name, host if name == b"host" and b"," not in value else value) for name, value in scope["headers"]
        ]
        said["headers"] = fields if any(name == b"host" for name, _ in fields) else [(b"host", host), *fields]
    return said
