"""The access log: one line a request, when the last byte of its answer is sent, on the logger `ambi.access`.

Facts
- A server's own access log knows neither routes nor ids, and some write before a stream is over; each has a form of
  its own. Turn it off where this one is on.
- A query may hold what nobody should read in a log (tokens, searches, addresses): only the arguments named are shown.
  So may a path, such as that of a password reset: where a parameter of the route has such a name, the template stands
  in its place, also for what missed the route by its method or by a slash. What has no route is shown as it came.
- What clients send is quoted: it can neither end a line nor hide a part of it, and of a line of text it is one word.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from datetime import UTC, datetime

from ..core.arguments import check_texts
from ..core.errors import HTTPError, quote_for_log
from ..core.log import SECRET_PARAMS, as_word, template_for
from ..core.middleware import Middleware
from ..core.request import Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from ..core.ending import Sent
    from ..core.routing import Router

LOGGER = logging.getLogger("ambi.access")
_MAX_METHOD = 40


def setup(app: Router, *, json: bool, query: Iterable[str], secret_params: Iterable[str] | None) -> None:
    """Add the layer that has a line written. Arguments and errors as for `App.access_log`."""
    hidden = SECRET_PARAMS if secret_params is None else secret_params
    app.middleware(access_log(as_json=json, query=query, secret_params=hidden))


def access_log(*, as_json: bool, query: Iterable[str], secret_params: Iterable[str]) -> Callable[[Request], Middleware]:
    """Make the middleware. Arguments and errors as for `App.access_log`."""
    shown = frozenset(check_texts("query", query))
    hidden = frozenset(check_texts("secret_params", secret_params))
    if LOGGER.level == logging.NOTSET:
        LOGGER.setLevel(logging.INFO)  # else nothing would be seen before somebody configures it

    def log(request: Request) -> Middleware:
        started_s, came = time.perf_counter(), datetime.now(UTC)

        def write(sent: Sent) -> None:
            fields: dict[str, Any] = {
                "time": came.isoformat(timespec="milliseconds"),
                "client": request.client[0] if request.client else None,
                "method": quote_for_log(request.method, _MAX_METHOD),
                "path": _path_of(request, shown, hidden),
                "status": sent.status,
                "bytes": sent.body_bytes,
                "duration_ms": round((time.perf_counter() - started_s) * 1000, 3),
                "complete": sent.is_complete,
                "route": request.route.path if request.route is not None else None,
                "id": request.id,
            }
            _write(_json_line(fields) if as_json else _text_line(fields), fields)

        request.on_sent(write)
        yield

    return log


def _path_of(request: Request, shown: frozenset[str], hidden: frozenset[str]) -> str:
    """Give the whole path, with what may be seen of the query."""
    path = quote_for_log(request.root_path + (template_for(request, hidden) or request.path))
    if not (shown and request.query_string):
        return path
    try:
        pairs = [(name, value) for name, value in request.query.pairs() if name in shown]
    except HTTPError:  # more arguments than are read
        return path
    query = "&".join(f"{name}={value}" for name, value in pairs)
    return f"{path}?{quote_for_log(query)}" if pairs else path


def _json_line(fields: dict[str, Any]) -> str:
    return json.dumps(fields, separators=(",", ":"))


def _text_line(fields: dict[str, Any]) -> str:
    client = quote_for_log(fields["client"] or "-")  # a server may have it from a header field, and as it came
    return (
        f"{as_word(client)} {as_word(fields['method'])} {as_word(fields['path'])}"
        f" {fields['status'] or '-'} {fields['bytes']}B"
        f" {fields['duration_ms']:.1f}ms{'' if fields['complete'] else ' incomplete'} route={fields['route'] or '-'}"
        f" id={fields['id']}"
    )


def _write(line: str, fields: dict[str, Any]) -> None:
    """Write the line; to stderr as long as logging is not configured. Handlers find the fields on the record."""
    if LOGGER.hasHandlers():
        LOGGER.info("%s", line, extra={"access": fields})
    elif LOGGER.isEnabledFor(logging.INFO):
        sys.stderr.write(f"{line}\n")
