"""Documents that are always the same, and pages of links."""

from pathlib import Path

from ambi import HTML, Redirect, Request, Response, Router

routes = Router()

FILES = Path(__file__).parent / "files"
KEEP_OUT = r"""
        .-~~~~~-.
       /  \   /  \
      |   o   o   |
      |     ^     |
       \  .---.  /
        '-.___.-'
   YOU SHOULDN'T BE HERE
"""


@routes.get("/html")
def html() -> HTML:
    """Give a page."""
    return HTML((FILES / "page.html").read_text(encoding="utf-8"))


@routes.get("/forms/post")
def form() -> HTML:
    """Give a page with a form, which is sent to /post."""
    return HTML((FILES / "form.html").read_text(encoding="utf-8"))


@routes.get("/xml")
def xml() -> Response:
    """Give a document of XML."""
    return Response((FILES / "slides.xml").read_bytes(), content_type="application/xml")


@routes.get("/json")
async def json_document() -> dict[str, object]:
    """Give a document of JSON."""
    return {"slideshow": SLIDES}


SLIDES = {  # the very values that clients' tests look for
    "author": "Yours Truly",
    "date": "date of publication",
    "slides": [
        {"title": "Wake up to WonderWidgets!", "type": "all"},
        {
            "items": ["Why <em>WonderWidgets</em> are great", "Who <em>buys</em> WonderWidgets"],
            "title": "Overview",
            "type": "all",
        },
    ],
    "title": "Sample Slide Show",
}


@routes.get("/robots.txt")
async def robots() -> str:
    """Tell robots where not to go."""
    return "User-agent: *\nDisallow: /deny\n"


@routes.get("/deny")
async def deny() -> str:
    """Meet a robot that went there."""
    return KEEP_OUT


@routes.get("/links/{n}")
async def links(request: Request, n: int) -> Redirect:
    """Redirect to the first page of n links."""
    return Redirect(request.url_for("link_page", n=n, offset=0), 302)


@routes.get("/links/{n}/{offset}")
async def link_page(request: Request, n: int, offset: int) -> HTML:
    """Give a page of n links, from 1 to 200, to pages like it."""
    count = min(max(n, 1), 200)
    parts = (
        f"{i} " if i == offset else f"<a href='{request.url_for('link_page', n=count, offset=i)}'>{i}</a> "
        for i in range(count)
    )
    return HTML(f"<html><head><title>Links</title></head><body>{''.join(parts)}</body></html>")
