"""The application: its routes are in the other files; here are CORS and the page that lists them."""

from html import escape
from inspect import getdoc

from ambi import HTML, App, Limits, Middleware, Request, Response, Route

from . import (
    auth,
    caching,
    cookies,
    digest,
    documents,
    dynamic,
    echo,
    encodings,
    images,
    redirects,
    statuses,
    streams,
)
from .answers import IndentedJSON
from .around import around_asgi, around_wsgi

MAX_BODY_BYTES = 16 * 1024**2

# Files are echoed as JSON, so they are in memory anyway: none is put on disk. It is made to be called from pages of
# other sites, with whatever cookies they were given here.
app = App(json=IndentedJSON(), csrf=False, limits=Limits(max_body_bytes=MAX_BODY_BYTES, spool_bytes=MAX_BODY_BYTES))


@app.middleware
def cors(request: Request) -> Middleware:
    """Let pages of every site read every answer, with cookies: what no application with secrets may do.

    That is why `app.cors` refuses it, and it is written out here.
    """
    request.on_response(lambda response: allow_origin(request, response))
    response = yield
    if request.method == "OPTIONS" and response.status == 204:
        response.status = 200  # which httpbin answers, and suites ask for


def allow_origin(request: Request, response: Response) -> None:
    headers, asked = response.headers, request.headers
    headers["access-control-allow-origin"] = asked.get("origin", "*")
    headers["access-control-allow-credentials"] = "true"
    if request.method == "OPTIONS":
        headers["access-control-allow-methods"] = "GET, POST, PUT, DELETE, PATCH, OPTIONS"
        headers["access-control-max-age"] = "3600"
        if "access-control-request-headers" in asked:
            headers["access-control-allow-headers"] = asked["access-control-request-headers"]


app.wsgi = around_wsgi(app.wsgi)
app.asgi = around_asgi(app.asgi)


@app.get("/")
def home(request: Request) -> HTML:
    """List the routes."""
    return HTML(PAGE.replace("ROWS", "".join(row(request, route) for route in app.routes)))


def row(request: Request, route: Route) -> str:
    """Write the row of a route, a link to it where its path has no parameters."""
    shown = f"<code>{escape(route.path)}</code>"
    if "GET" in route.methods and not route.param_names:
        shown = f'<a href="{escape(request.url_for(route.name))}">{shown}</a>'
    does = (getdoc(route.handler) or "").partition("\n")[0]
    return f"<tr><td>{', '.join(route.methods)}<td>{shown}<td>{escape(does)}\n"


PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>httpbin(1): HTTP Client Testing Service</title>
<link rel="icon" href="data:,">
<style>
:root { color-scheme: light dark }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
td { vertical-align: top; padding: .15rem .8rem .15rem 0 }
td:first-child { font-size: .75em; opacity: .7; max-width: 9rem }
@media (max-width: 40rem) {
  tr, td { display: block; max-width: none; overflow-wrap: anywhere }
  tr { margin: .8rem 0 }
}
</style>
<h1>httpbin(1): HTTP Request &amp; Response Service</h1>
<p>What clients of HTTP are tried on.</p>
<table>
ROWS</table>
</html>
"""

for module in (
    echo, statuses, redirects, cookies, auth, digest, caching, streams, dynamic, documents, encodings, images
):  # fmt: skip
    app.include(module.routes)
