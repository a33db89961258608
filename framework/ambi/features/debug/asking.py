"""What is told of a request that failed: the request itself, the plan that answered it, the server."""

from __future__ import annotations

import os
import sys

from ...core.crossings import count_crossings, stays
from ...core.errors import HTTPError
from ...core.forms import UploadFile
from ...core.log import SECRET_PARAMS
from ...core.pieces import piece_of, piece_of_layer
from ...core.sides import ASYNC, SYNC
from ...core.url import encode_query
from .collecting import Collector, Report, Section, masked, masked_rows
from .describing import Describer
from .masking import MASK, Masking, is_secret
from .places import shown_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...core.pieces import Piece
    from ...core.plan import Plan
    from ...core.request import Request

_SERVERS = (
    "gunicorn", "uvicorn", "hypercorn", "daphne", "granian", "waitress", "cheroot", "werkzeug", "gevent", "wsgiref",
)  # fmt: skip
_PLACES = {SYNC: "thread", ASYNC: "event loop"}


def report_on(request: Request, failure: BaseException, plan: Plan | None) -> Report:
    """Make the report of a crash."""
    masking = Masking()
    _learn(request, masking)
    sections = [
        section
        for section in (
            _request_section(request, masking),
            Section("Query", masked_rows(_query_of(request), masking)),
            Section("Path parameters", _path_params(request, masking)),
            Section("Header fields", _header_fields(request, masking)),
            Section("Cookies", [(name, MASK if value else "") for name, value in sorted(request.cookies.items())]),
            Section("Form", _form_of(request, masking)),
            *([] if plan is None else [_plan_section(request, plan)]),
            _server_section(request),
        )
        if section.rows
    ]
    failed = Collector(masking).collect(failure)
    where = "" if plan is None else f" in {piece_of(plan.function).name}"
    report = Report(failed, f"{request.method} {_path_of(request)}{where}", sections)
    shown: Report = masked(report, masking)
    return shown


def _learn(request: Request, masking: Masking) -> None:
    """Remember what must not be seen wherever it occurs: credentials, cookies, secrets of the environment."""
    for name, value in os.environ.items():
        if is_secret(name) and name not in ("PWD", "OLDPWD"):
            masking.learn(name, value)
    for value in request.cookies.values():
        masking.learn("token", value)
    masking.learn_credentials(request._edge.field(request, "authorization") or "")
    for name, value in request.headers.items():
        if is_secret(name):
            masking.learn(name, value)
    for name, value in request.path_params.items():
        if is_secret(name):
            masking.learn(name, str(value) if type(value) in (int, str) else value)


# --- the request ---


def _path_of(request: Request) -> str:
    """Give the path, or the template of its route where a parameter is a secret."""
    route = request.route
    hides = route is not None and any(name in SECRET_PARAMS or is_secret(name) for name in route.param_names)
    return request.root_path + (route.path if route is not None and hides else request.path)


def _query_of(request: Request) -> list[tuple[str, str]]:
    try:
        return [(name, value) for name, value in request.query.pairs()]
    except HTTPError as exc:
        return [("(not read)", str(exc))]


def _request_section(request: Request, masking: Masking) -> Section:
    query = encode_query(masked_rows(_query_of(request), masking)) if request.query_string else ""
    url = f"{request.scheme}://{request.host}{_path_of(request)}{'?' if query else ''}{query.replace(_QUOTED, MASK)}"
    client = request.client
    rows = [
        ("method", request.method),
        ("URL", url),
        ("client", "" if client is None else str(client[0])),
        ("body", _body_of(request)),
        ("request id", request.id),
    ]
    return Section("Request", rows)


_QUOTED = encode_query([("", MASK)])[1:]


def _body_of(request: Request) -> str:
    """Tell of the body no more than how large it is, and of what type."""
    if not request._has_body:
        return "none"
    kind = request.content_type[0] or "no content type"
    if request._form is not None:
        return f"a form, {kind}"
    if request._body is not None:
        return f"{len(request._body):,} bytes, {kind}"
    return f"not read, {kind}"


def _path_params(request: Request, masking: Masking) -> list[tuple[str, str]]:
    describer = Describer(masking)
    return [(name, describer.describe(name, value)) for name, value in request.path_params.items()]


def _header_fields(request: Request, masking: Masking) -> list[tuple[str, str]]:
    return masked_rows(sorted(request.headers.items()), masking)


def _form_of(request: Request, masking: Masking) -> list[tuple[str, str]]:
    """Give the fields of a form that has been read."""
    if not request.is_loaded or not request._has_body or "form" not in request.content_type[0]:
        return []
    try:
        pairs = request.form.pairs()
    except HTTPError as exc:
        return [("(not read)", str(exc))]
    rows = [
        (name, f"a file, {value.filename!r}, {value.size:,} bytes" if isinstance(value, UploadFile) else value)
        for name, value in pairs
    ]
    return masked_rows(rows, masking)


# --- the plan, the server ---


def place_of(piece: Piece) -> str:
    """Give name, file and line of a function."""
    if not piece.file:
        return piece.name
    return f"{piece.name}  {shown_file(piece.file)}:{piece.line}"


def _plan_section(request: Request, plan: Plan) -> Section:
    route, handler = request.route, piece_of(plan.function)
    native = SYNC if request.gateway == "wsgi" else ASYNC
    colour = handler.colour if plan.is_async or plan.blocking else f"{handler.colour}, which does not block"
    rows = [] if route is None else [("route", f"{', '.join(route.methods)} {route.path}  named {route.name}")]
    rows.append(("handler", f"{place_of(handler)}  {colour}"))
    for number, layer in enumerate(plan.layers, 1):
        piece = piece_of_layer(layer)
        if not str(getattr(layer.written, "__module__", "")).startswith("ambi.core."):  # how mounts are seen
            rows.append((f"layer {number}", f"{place_of(piece)}  {piece.form}"))
    way = [
        f"{_PLACES[side]}: {', '.join(names)}"
        for side, names in stays(plan, native, handler.name, with_body=request._has_body)
    ]
    crossings = count_crossings(plan, native, with_body=request._has_body)
    rows += [("way in", " → ".join(way)), ("crossings", f"{crossings} under {request.gateway.upper()}")]
    return Section("Plan", rows)


def _server_section(request: Request) -> Section:
    rows = [("gateway", request.gateway.upper()), ("server", server_of(request))]
    rows.append(("versions", f"ambi {_version_of('ambi')}, Python {sys.version.partition(' ')[0]} on {sys.platform}"))
    return Section("Server", rows)


def server_of(request: Request) -> str:
    """Give name and version of the server, as it says of itself or as its code tells; "unknown" else."""
    said = str(request.native.get("SERVER_SOFTWARE") or "") if request.gateway == "wsgi" else ""
    if said:
        return said
    receive = getattr(request, "_receive", None)
    module = str(getattr(receive, "__module__", "") or type(receive).__module__).partition(".")[0]
    return f"{module} {_version_of(module)}".strip() if module in _SERVERS else "unknown"


def _version_of(module: str) -> str:
    return str(getattr(sys.modules.get(module), "__version__", ""))
