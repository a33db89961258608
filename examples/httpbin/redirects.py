"""Redirects: a number of them in a row, relative or absolute, or one to wherever the request says."""

from ambi import HTTPError, Redirect, Request, Router

from .arguments import argument, whole

routes = Router()

METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "TRACE")


def redirect_again(request: Request, n: int, route: str, *, absolute: bool) -> Redirect:
    """Make the redirect to the next of a row, the last of which leads to /get."""
    if n < 1:
        raise HTTPError(400, "the number of redirects must be at least 1")
    if n == 1:
        return Redirect(request.url_for("get", absolute=absolute), 302)
    return Redirect(request.url_for(route, n=n - 1, absolute=absolute), 302)


@routes.get("/redirect/{n}")
async def redirect(request: Request, n: int) -> Redirect:
    """Redirect n times; `?absolute=true` by whole URLs."""
    absolute = request.query.get("absolute", "").lower() == "true"
    route = "absolute_redirect" if absolute else "relative_redirect"
    return redirect_again(request, n, route, absolute=absolute)


@routes.get("/relative-redirect/{n}")
def relative_redirect(request: Request, n: int) -> Redirect:
    """Redirect n times, by paths."""
    return redirect_again(request, n, "relative_redirect", absolute=False)


@routes.get("/absolute-redirect/{n}")
async def absolute_redirect(request: Request, n: int) -> Redirect:
    """Redirect n times, by whole URLs."""
    return redirect_again(request, n, "absolute_redirect", absolute=True)


@routes.route("/redirect-to", methods=METHODS)
def redirect_to(request: Request) -> Redirect:
    """Redirect to `url`, with `status_code` if that is one of 300 to 399.

    To wherever the request says: what an application does only through `safe_redirect` of `ambi.features.auth`.
    """
    url = argument(request, "url")
    if url is None:
        raise HTTPError(400, "say where to, as ?url=/get")
    status = whole(request, "status_code", 302)
    try:
        response = Redirect(url, 302)
    except ValueError as exc:
        raise HTTPError(400, str(exc)) from None
    if 300 <= status <= 399:
        response.status = status
    return response
