"""`ambi routes shop:app`: the routes of an application in a table, and which of them answers a path."""

from __future__ import annotations

import contextlib
import json
import sys
from http import HTTPStatus

from .answering import find_answer
from .document import GATEWAYS, VERSION, describe_app, sorted_routes
from .loading import WrongUseError, add_app_argument, load_app, named
from .printing import Page, print_details, print_routes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from ..app import App
    from .answering import AnswerEntry
    from .document import Document

_EPILOG = """\
exit status: 0 there it is; 1 the application cannot be loaded, or --match finds no route; 2 wrong use

`wsgi` and `asgi`: how often a request goes from a thread to an event loop, or the other way round, and back. `layers`:
the middlewares around a handler, outermost first. What it all needs of servers is what `ambi check` tells.
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Say what the command takes."""
    from argparse import RawDescriptionHelpFormatter

    parser.formatter_class = RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    add_app_argument(parser)
    parser.add_argument("--match", metavar="PATH", help="show the route that answers a path or URL; nothing is run")
    parser.add_argument("--method", help="of the request for --match; WEBSOCKET for a handshake. Default: GET")
    parser.add_argument("--json", action="store_true", help="write the same as JSON, for tools")


def run(options: Namespace) -> int:
    """Load the application and show its routes; the exit status."""
    if options.method is not None and options.match is None:
        raise WrongUseError("--method is for --match, which names a path")
    with contextlib.redirect_stdout(sys.stderr):  # what the user's modules print is none of ours
        options.app, root = named(options.app)
        app = load_app(options.app, root)
        document = describe_app(app, options.app, GATEWAYS)
    if options.match is not None:
        return _match(options, app, document)
    if options.json:
        told = {key: document[key] for key in ("version", "app", "gateways", "routes", "mounts")}
        _write_json(told)
    else:
        print_routes(Page(sys.stdout), document["routes"], document["gateways"])
    return 0


def _match(options: Namespace, app: App, document: Document) -> int:
    """Show what one request comes to; the exit status."""
    method = (options.method or "GET").upper()
    method = "WEBSOCKET" if method == "WS" else method
    answer = find_answer(app, sorted_routes(app), document["routes"], method, options.match)
    if options.json:
        _write_json({"version": VERSION, "app": options.app, "match": answer})
    elif answer["route"] is not None:
        page = Page(sys.stdout)
        print_details(page, [answer["route"]])
        for label, (name, value) in zip(["values", *[""] * 99], answer["values"].items(), strict=False):
            page.write(f"  {label:7}  {name} = {value!r}")
    else:
        sys.stdout.write(f"{_told(answer)}\n")
    return 0 if answer["route"] is not None else 1


def _told(answer: AnswerEntry) -> str:
    """Say what is answered without a handler."""
    status = answer["status"] or 404
    said = f"{answer['method']} {answer['host']}{answer['path']}: no handler; {status} {HTTPStatus(status).phrase}"
    more = [
        answer["detail"],
        f"the path has {', '.join(answer['allow'])}" if answer["allow"] else "",
        f"to {answer['location']}" if answer["location"] else "",
    ]
    return ", ".join([said, *filter(None, more)])


def _write_json(told: object) -> None:
    json.dump(told, sys.stdout, indent=2, sort_keys=True)
    sys.stdout.write("\n")
