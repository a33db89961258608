"""Templates, what all of them know, and the pages of errors."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from ambi import HTTPError, Request, Response
from ambi.features.templates import Templates

from . import images

HERE = Path(__file__).parent
Answer = Response | tuple[Response, int]
Failure = tuple[Response, int, Mapping[str, str]]


def iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


templates = Templates(
    HERE / "templates",
    filters={"iso": iso},
    globals={"max_image_bytes": images.MAX_BYTES, "image_kinds": images.KINDS, "image_types": images.TYPES},
    environment={"trim_blocks": True, "lstrip_blocks": True},
)

SAID = {
    401: ("Log in first", "Only those who are logged in may do this."),
    403: ("Not allowed", "This is somebody else's; or the form was an old one: then load its page again, and retry."),
    404: ("Nothing here", "There is no such page, or not any more."),
    413: ("Too large", "What you sent is larger than what fits here. Pictures may have up to 4 MiB."),
    429: ("Slow down", "Those were many attempts. Wait a little, and try again."),
    500: ("That went wrong", "It is our fault, and nothing was saved. Try again in a moment."),
    503: ("Very busy", "There is too much to do right now. Try again in a moment."),
}


class Visitor(NamedTuple):
    """Who is logged in, as the session knows it: pages that show no more of a user need no database."""

    id: int
    name: str


def visitor(request: Request) -> Visitor | None:
    known = request.session.get("user")
    return Visitor(*known) if known else None


async def busy_page(request: Request, error: Exception) -> Failure:
    """Make the page of a 503. As a `def` it would wait for the very threads of which none was free."""
    return error_page(request, error)


def error_page(request: Request, error: Exception) -> Failure:
    """Make a page of an error for those who look at pages. The others get what they get by default: it is raised."""
    if not isinstance(error, HTTPError):
        error = HTTPError(500)
    if request.accepts("application/problem+json", "text/html") != "text/html":
        raise error
    title, text = SAID.get(error.status, (error.title, error.detail or "This request was not understood."))
    page = templates.render("error.html", request, title=title, text=text, status=error.status)
    return page, error.status, error.headers or {}
