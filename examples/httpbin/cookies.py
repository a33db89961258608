"""Cookies: shown, set, deleted."""

from ambi import Redirect, Request, Router

from .answers import set_cookie

routes = Router()

FOREIGN = frozenset((
    "_gauges_unique", "_gauges_unique_year", "_gauges_unique_month", "_gauges_unique_day", "_gauges_unique_hour",
    "__utmz", "__utma", "__utmb",
))  # fmt: skip
"""Cookies of statistics that a browser may have for the host; shown to those who ask with `show_env`."""


@routes.get("/cookies")
async def cookies(request: Request) -> dict[str, object]:
    """Show the cookies."""
    hidden = frozenset[str]() if "show_env" in request.query else FOREIGN
    return {"cookies": {name: value for name, value in request.cookies.items() if name not in hidden}}


@routes.get("/cookies/set")
def set_cookies(request: Request) -> Redirect:
    """Set each argument as a cookie, and redirect to /cookies."""
    response = Redirect(request.url_for("cookies"), 302)
    for name in request.query:
        set_cookie(request, response, name, request.query[name])
    return response


@routes.get("/cookies/set/{name}/{value}")
async def set_one_cookie(request: Request, name: str, value: str) -> Redirect:
    """Set one cookie, and redirect to /cookies."""
    response = Redirect(request.url_for("cookies"), 302)
    set_cookie(request, response, name, value)
    return response


@routes.get("/cookies/delete")
def delete_cookies(request: Request) -> Redirect:
    """Delete the cookies that the arguments name, and redirect to /cookies."""
    response = Redirect(request.url_for("cookies"), 302)
    for name in request.query:
        set_cookie(request, response, name, "")  # which refuses names that no cookie can have
        response.delete_cookie(name, secure=request.scheme == "https")
    return response
