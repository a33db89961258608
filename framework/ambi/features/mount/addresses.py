"""What a guest is told of where it stands: the prefix, the path below it, and the path as it was sent.

A guest links to itself by its prefix, so all of them have to agree: `SCRIPT_NAME` and `root_path` are the prefix of all
mounts around it, and of the server; `PATH_INFO` is the path below, a scope's `path` the whole (ASGI, "root_path").
"""

from __future__ import annotations

from ...core.url import DEFAULT_PORTS, encode_path, percent_decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...core.request import Request


def raw_path_of(request: Request) -> bytes:
    """Give the whole path percent-encoded: as the client sent it where the server tells and it is that path still."""
    path = request.root_path + request.path
    raw = request._edge.raw_path(request.native)
    decoded = percent_decode(raw).decode("utf-8", "replace")
    if decoded == path:
        return raw
    # A server or a host may have taken its own prefix off what was sent.
    if raw and path.endswith(decoded) and request.root_path.startswith(prefix := path[: -len(decoded)]):
        return encode_path(prefix).encode("latin-1") + raw
    return encode_path(path).encode("latin-1")


def server_of(request: Request) -> tuple[str, int]:
    """Give the name and port of the server; those that the client named where the server does not know."""
    address = request._edge.server(request.native) or request.host or "localhost"
    name, colon, port = address.rpartition(":")
    if not colon or port[-1:] == "]":
        name, port = address, ""
    return name.removeprefix("[").removesuffix("]"), int(port) if port else DEFAULT_PORTS.get(request.scheme, 80)
