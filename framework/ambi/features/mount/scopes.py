"""The scope that an ASGI guest is given. See: ASGI 3.0, HTTP and WebSocket.

Under ASGI it is a copy of the server's own, under WSGI it is made of the request. Of the extensions only those are
named that reach the server from here.
"""

from __future__ import annotations

from ...core.url import WEBSOCKET_SCHEMES
from .addresses import raw_path_of, server_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ...core.request import Request

_PASSED_ON = ("tls", "websocket.http.response")
_OF_THE_HOST = frozenset(("app", "app_root_path", "endpoint", "path_params", "route", "router"))
"""What Starlette and its kin leave in a scope that they have routed: their guests would take it for their own."""

_VERSIONS = {"version": "3.0", "spec_version": "2.4"}
"""2.4: a `send` after the client has left raises OSError."""


def scope_of(request: Request, state: dict[str, Any] | None) -> dict[str, Any]:
    """Make the scope of a guest's HTTP request.

    Args:
        request: as the guest is to see it.
        state: what the guest's lifespan has left; None where it has none.
    """
    is_native = request.gateway == "asgi"
    scope = _host_scope(request.native) if is_native else _made_of(request)
    given: dict[str, Any] = scope.get("extensions") or {}
    scope |= {
        "type": "http", "asgi": _VERSIONS, "method": request.method, "root_path": request.root_path,
        "path": request.root_path + request.path, "raw_path": raw_path_of(request),
        "extensions": {name: given[name] for name in _PASSED_ON if name in given},
    }  # fmt: skip
    if state is not None:
        scope["state"] = dict(state)
    return scope


def websocket_scope_of(request: Request, state: dict[str, Any] | None) -> dict[str, Any]:
    """Make the scope of a guest's WebSocket; arguments as for `scope_of`."""
    scope = scope_of(request, state)
    del scope["method"]
    scope |= {
        "type": "websocket", "scheme": WEBSOCKET_SCHEMES.get(request.scheme, request.scheme),
        "subprotocols": list(request._websocket.subprotocols),
    }  # fmt: skip
    return scope


def _host_scope(native: dict[str, Any]) -> dict[str, Any]:
    """Copy what is a guest's of the server's scope; fields that the host does not see, the guest does not either."""
    scope = {key: value for key, value in native.items() if key not in _OF_THE_HOST}
    scope["headers"] = [(name, value) for name, value in native["headers"] if b"_" not in name]
    return scope


def _made_of(request: Request) -> dict[str, Any]:
    """Make what is the same for both kinds of a request that came as an environ."""
    client = request.client
    return {
        "http_version": request.native["SERVER_PROTOCOL"].removeprefix("HTTP/"), "scheme": request.scheme,
        "query_string": request.query_string.encode("latin-1"), "client": client and [client[0], client[1] or 0],
        "server": list(server_of(request)), "extensions": {"websocket.http.response": {}},
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in request.headers.items()],
    }  # fmt: skip
