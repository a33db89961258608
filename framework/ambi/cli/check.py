"""`ambi check shop:app`: what an application is made of, what it needs of servers, and what is wrong with it."""

from __future__ import annotations

import contextlib
import json
import sys

from ..core.errors import near_to
from .document import GATEWAYS, describe_app
from .loading import WrongUseError, add_app_argument, load_app, named
from .printing import Page, print_details, print_document

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from .document import Document, RouteEntry

_EPILOG = """\
exit status: 0 all is well, warnings or not; 1 the application cannot be loaded or put together; 2 wrong use

`wsgi` and `asgi` in the table: how often a request goes to the other side (from a thread to an event loop, or the other
way round) and back. 0 costs nothing.
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Say what the command takes."""
    from argparse import RawDescriptionHelpFormatter

    parser.formatter_class = RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    add_app_argument(parser)
    parser.add_argument("--gateway", choices=GATEWAYS, help="look at one side only")
    parser.add_argument("--route", metavar="NAME_OR_PATH", help="show a route in detail, or those below a path")
    parser.add_argument("-v", "--verbose", action="store_true", help="show all routes in detail")
    parser.add_argument("--json", action="store_true", help="write the same as JSON, for tools")


def run(options: Namespace) -> int:
    """Load the application and show it; the exit status."""
    with contextlib.redirect_stdout(sys.stderr):  # what the user's modules print is none of ours
        options.app, root = named(options.app)
        app = load_app(options.app, root)
        gateways = (options.gateway,) if options.gateway else GATEWAYS
        document = describe_app(app, options.app, gateways)
    chosen = _choose(document, options.route)
    if options.json:
        json.dump({**document, "routes": chosen}, sys.stdout, indent=2, sort_keys=True)
        sys.stdout.write("\n")
    elif options.route is not None or options.verbose:
        print_details(Page(sys.stdout), chosen)
    if not options.json and options.route is None:
        print_document(Page(sys.stdout), document, table=not options.verbose)
    return 0


def _choose(document: Document, wanted: str | None) -> list[RouteEntry]:
    """Give the routes of a name or path, else those below the path.

    Raises:
        WrongUseError: there is none.
    """
    routes = document["routes"]
    if wanted is None:
        return routes
    below = wanted.rstrip("/") + "/"
    found = [route for route in routes if wanted in (route["name"], route["path"])]
    found = found or [route for route in routes if route["path"].startswith(below)]
    if not found:
        known = {word for route in routes for word in (route["name"], route["path"])}
        raise WrongUseError(f"no route has the name or path {wanted!r}{near_to(wanted, known)}")
    return found
