"""The debug page: what is shown of a crash, and of a path that no route has, to who develops the application.

    showing      who may see it                    masking      what nobody sees
    describing   values as text, within bounds     collecting   a failure: its chain, frames, sources and locals
    asking       the request, its plan, the server  routes      the route table, and what may have been meant
    page  text  document                            the three forms: HTML, plain text, JSON

Facts
- Nothing that a client sends is run: there is no console, no script in the page, and no address that it asks.
- A page of another site must not read it: that is why the Host, and not only the peer, has to be this machine's.
- A failure in here is logged, and the plain answer is sent.
"""

from __future__ import annotations

from ...core.log import log_not_shown
from ...core.response import assemble

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...core.errors import HTTPError
    from ...core.plan import Plan
    from ...core.request import Request
    from ...core.response import Response
    from .collecting import Report
    from .routes import Miss

__all__ = ["show_failure", "show_miss"]

_HTML, _TEXT, _PROBLEM, _JSON = "text/html", "text/plain", "application/problem+json", "application/json"
_OFFERS = (_TEXT, _HTML, _PROBLEM, _JSON)
"""Plain text first: that is what a terminal gets, which asks for anything."""

_FIELDS = (
    ("cache-control", "no-store"),
    ("referrer-policy", "no-referrer"),
    ("x-frame-options", "DENY"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("vary", "accept"),
)


def show_failure(request: Request, failure: BaseException, plan: Plan | None) -> Response | None:
    """Show a crash; None, and a line in the log, where who asks may not see it.

    It reads files and calls the reprs of whatever the frames hold, within a second: not for an event loop.
    """
    from .showing import why_hidden

    why = why_hidden(request)
    if why is not None:
        log_not_shown(request, why)
        return None
    from .asking import report_on

    return _answer(request, report_on(request, failure, plan), 500)


def show_miss(request: Request, error: HTTPError) -> Response | None:
    """Show which routes there are, to a request that none of them took; None where who asks may not see it."""
    from .showing import why_hidden

    if why_hidden(request) is not None:
        return None
    from .routes import find_miss

    return _answer(request, find_miss(request, error), error.status)


def _answer(request: Request, shown: Report | Miss, status: int) -> Response:
    """Write it in the form that the client likes best."""
    from ...core.negotiation import best_media_type

    chosen = best_media_type(request._edge.field(request, "accept"), _OFFERS) or _TEXT
    fields = list(_FIELDS)
    if chosen == _HTML:
        from .page import write_page

        nonce = request.csp_nonce
        written = write_page(shown, nonce)
        fields.append(("content-security-policy", _policy(nonce)))
        kind = "text/html; charset=utf-8"
    elif chosen == _TEXT:
        from .text import write_text

        written, kind = write_text(shown), "text/plain; charset=utf-8"
    else:
        from .document import write_document

        written, kind = write_document(shown), _PROBLEM
    return assemble(written.encode("utf-8", "backslashreplace"), status, [("content-type", kind), *fields])


def _policy(nonce: str) -> str:
    return (
        f"default-src 'none'; style-src 'nonce-{nonce}'; img-src data:; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'"
    )
