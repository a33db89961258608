"""`ambi openapi shop:app > openapi.json`: the description of an application, as `app.openapi` serves it."""

from __future__ import annotations

import contextlib
import json
import sys

from ..core.errors import ConfigurationError
from .loading import add_app_argument, load_app, named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

_EPILOG = """\
exit status: 0 it was written; 1 the application cannot be loaded, put together or described; 2 wrong use

The same application gives the same text, so it can be kept under version control and compared. An application that does
not call app.openapi(...) is described with its defaults.
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Say what the command takes."""
    from argparse import RawDescriptionHelpFormatter

    parser.formatter_class = RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    add_app_argument(parser)
    parser.add_argument("--indent", type=int, default=2, metavar="N", help="spaces a level; 0 for one line. Default: 2")


def run(options: Namespace) -> int:
    """Load the application and write its description; the exit status."""
    if options.indent < 0:
        sys.stderr.write(f"ambi openapi: --indent is 0 or more, not {options.indent}\n")
        return 2
    try:
        with contextlib.redirect_stdout(sys.stderr):  # what the user's modules print is none of ours
            options.app, root = named(options.app)
            document = load_app(options.app, root).openapi_document()
    except (ConfigurationError, ImportError) as exc:
        sys.stderr.write(f"ambi openapi: {exc}\n")
        return 1
    separators = (",", ": ") if options.indent else (",", ":")
    text = json.dumps(document, indent=options.indent or None, separators=separators, ensure_ascii=False)
    sys.stdout.write(f"{text}\n")
    return 0
