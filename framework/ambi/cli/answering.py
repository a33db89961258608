"""Which route answers a path: asked of the router itself, as a gateway asks it, and no handler is run."""

from __future__ import annotations

from io import BytesIO
from typing import Any, TypedDict
from urllib.parse import urlsplit

from ..core.errors import HTTPError
from ..core.url import percent_decode
from ..core.websocket import WEBSOCKET
from ..gateways.wsgi import read_request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..app import App
    from ..core.plan import Plan
    from ..core.request import Request
    from .document import Found, RouteEntry


class AnswerEntry(TypedDict):
    """What a request comes to.

    `status`: of an answer that no handler makes, as 404, 405 and 308; None where a route is found. `allow`: the methods
    that the path has. `location`: of a redirect. `values`: the parameters of the path as text. `route`: the one found.
    """

    method: str
    path: str
    host: str
    status: int | None
    detail: str
    allow: list[str]
    location: str
    values: dict[str, str]
    route: RouteEntry | None


def find_answer(
    app: App, found: Sequence[Found], entries: Sequence[RouteEntry], method: str, target: str
) -> AnswerEntry:
    """Find what a request comes to.

    Args:
        app: the application at the top.
        found: all its routes.
        entries: what the document says of each of them.
        method: "WEBSOCKET" for the handshake of one.
        target: a path, with a query or without; or a whole URL, for routes of a host.
    """
    host, path = _split(target)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method, "SCRIPT_NAME": "", "PATH_INFO": percent_decode(path.encode()).decode("latin-1"),
        "RAW_URI": path, "QUERY_STRING": "", "SERVER_NAME": "localhost", "SERVER_PORT": "80",
        "REMOTE_ADDR": "127.0.0.1", "wsgi.url_scheme": "http", "wsgi.input": BytesIO(),
        "SERVER_PROTOCOL": "HTTP/1.1" if host else "HTTP/1.0",  # which may name none, whichever hosts are allowed
    }  # fmt: skip
    if host:
        environ["HTTP_HOST"] = host
    request, refusal = read_request(app, environ)
    if method == "WEBSOCKET":
        request.method = WEBSOCKET
    plan = app.plan_for(request, refusal)
    entry: AnswerEntry = {
        "method": method, "path": path, "host": host, "status": None, "detail": "", "allow": [], "location": "",
        "values": {name: str(value) for name, value in request.path_params.items()},
        "route": _entry_of(request, plan, found, entries),
    }  # fmt: skip
    answer: Any = getattr(request, "_answer", None)
    if answer is not None:
        _add_answer(entry, answer)
    return entry


def _split(target: str) -> tuple[str, str]:
    """Split what was asked for into host and path; the query is of no matter to the router."""
    if "://" in target:
        url = urlsplit(target)
        return url.netloc, url.path or "/"
    path = target.partition("?")[0]
    return "", path if path[:1] == "/" else f"/{path}"


def _entry_of(request: Request, plan: Plan, found: Sequence[Found], entries: Sequence[RouteEntry]) -> RouteEntry | None:
    """Give what the document says of the route that was found; one application may be mounted in two places."""
    for one, entry in zip(found, entries, strict=True):
        is_it = one.route is request.route if one.route is not None else one.plan.function is plan.function
        if is_it and one.prefix == request.root_path:
            return entry
    return None


def _add_answer(entry: AnswerEntry, answer: Any) -> None:
    """Add what is answered without a handler: an error, or a response."""
    entry["route"] = None
    entry["values"] = {}
    if isinstance(answer, HTTPError) or not isinstance(answer, Exception):
        entry["status"], headers = answer.status, answer.headers or {}
        entry["allow"] = [method for method in headers.get("allow", "").split(", ") if method]
        entry["location"] = headers.get("location", "")
        entry["detail"] = getattr(answer, "detail", None) or ""
    else:  # a converter of the user
        entry["status"], entry["detail"] = 500, f"{type(answer).__name__}: {answer}"
