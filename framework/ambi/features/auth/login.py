"""Pages for those who are logged in: the others are sent to log in, and afterwards back.

Facts
- Only what a browser opens as a page can be answered with another page. What a script asks for gets a 401, since a
  login page in place of its data would help nobody. A redirect after a POST leads to the login, but not back to where
  only a POST is understood.
- A 401 must have a challenge (RFC 9110 11.6.1), and for a login by form none is registered. Clients pass over schemes
  that they do not know, so this one is called after what it asks for, `Cookie`.
- Where to go back to is a path, without a host that somebody else may have named. It comes back from the client, so the
  login checks it: `safe_redirect`.
"""

from __future__ import annotations

from typing import TypeVar, overload

from ...core.binding import parameters_of
from ...core.errors import ConfigurationError, HTTPError
from ...core.negotiation import best_media_type
from ...core.response import Redirect
from ...core.url import encode_path, encode_query
from .credentials import Guard, challenging

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from ...core.request import Request
    from ...core.response import Response

U = TypeVar("U")


class LoginRequired(Guard[U]):
    """Let in who is logged in; send pages to the login with `?next=`, and answer everything else with 401.

    Args:
        check: a function of the request, which gives who is logged in: from a session, say. None for nobody.
        login: the name of the login page's route, or its path if it begins with a slash.
        blocking: False says that a `def` check never waits.
        required: False lets in who is not logged in as well, with None.

    Example:
        def current_user(request: Request) -> User | None:
            return users.get(request.session.get("user_id"))

        logged_in = LoginRequired(current_user, login="login")

        @app.get("/orders")
        def orders(user: Annotated[User, logged_in]):
            return {"orders": user.orders}
    """

    __slots__ = ("_login",)

    @overload
    def __init__(
        self,
        check: Callable[[Request], Awaitable[U | None]],
        *,
        login: str = ...,
        blocking: bool = ...,
        required: bool = ...,
    ) -> None: ...
    @overload
    def __init__(
        self, check: Callable[[Request], U | None], *, login: str = ..., blocking: bool = ..., required: bool = ...
    ) -> None: ...
    def __init__(
        self,
        check: Callable[[Request], Any],
        *,
        login: str = "login",
        blocking: bool = True,
        required: bool = True,
    ) -> None:
        self._login = login
        super().__init__(check, blocking=blocking, required=required)

    def _check_signature(self, check: Callable[..., object]) -> bool:
        count = len(parameters_of(check, {}, resolve=False))
        if count != 1:
            raise ConfigurationError.at(check, f"the check of LoginRequired takes (request), not {count} parameters")
        return True

    def refuse(self, request: Request) -> Response | None:
        """Send a page to the login. Raises: HTTPError 401 for what is no page."""
        if not self.required:
            return None
        if _wants_page(request):
            return Redirect(self._address(request, with_next=request.method in ("GET", "HEAD")))
        raise self.refusal(request, shown=False)

    def refusal(self, request: Request, *, shown: bool) -> HTTPError:
        """Make the 401."""
        return challenging(request, self.challenge(None), "This is for those who are logged in.")

    def challenge(self, error: str | None) -> str:
        """Give the challenge."""
        return 'Cookie realm="login"'

    def _address(self, request: Request, *, with_next: bool) -> str:
        login = self._login if self._login[:1] == "/" else request.url_for(self._login)
        if not with_next:
            return login
        back = encode_path(request.root_path + request.path)
        back += f"?{request.query_string}" if request.query_string else ""
        return f"{login}{'&' if '?' in login else '?'}{encode_query([('next', back)])}"


def _wants_page(request: Request) -> bool:
    """Tell whether a browser opens a page: it says so, or prefers HTML; a client that takes anything does not."""
    if request.route is not None and request.route.websocket is not None:
        return False
    mode = request.headers.get("sec-fetch-mode")
    if mode is not None:
        return mode == "navigate"
    accept = request.headers.get("accept")
    return bool(accept) and best_media_type(accept, ("application/json", "text/html")) == "text/html"
