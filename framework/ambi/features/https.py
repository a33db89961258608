"""HTTPS: requests that come by plain http are sent there, and browsers remember it (HSTS). See: RFC 6797.

Facts
- Only what was asked for with GET or HEAD is redirected. Anything else has sent its body, with whatever secrets, in
  clear already; to repeat it over TLS would hide that for good, so it is refused.
- A handshake of a WebSocket cannot be redirected: browsers do not follow.
- What is refused whatever it asks for, as its host is not one of ours, is redirected to nowhere: least of all there.
- Strict-Transport-Security counts only over TLS, and must not be sent without (RFC 6797 7.2).
- Behind a proxy that speaks TLS, the request says http unless the application is told to believe the proxy.
- The machine's own names are left alone: development has no certificate, and a browser that remembered https for
  `localhost` would do so for every other server there.
"""

from __future__ import annotations

from ..core.arguments import check_texts, check_whole
from ..core.errors import ConfigurationError, HTTPError
from ..core.log import log_redirect_loop
from ..core.origins import is_loopback_name
from ..core.response import Redirect
from ..core.url import URL, split_host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..core.extending import Extensible
    from ..core.middleware import Middleware
    from ..core.request import Request
    from ..core.response import Response

YEAR_S = 365 * 24 * 60 * 60
_RANK = 10
"""Around all others: what is sent to https needs no more of them."""


def setup(
    app: Extensible,
    *,
    redirect: bool,
    hsts_s: int,
    subdomains: bool,
    preload: bool,
    port: int,
    exempt: Iterable[str],
) -> None:
    """Add the layer that demands https. Arguments and errors as for `App.https`."""
    rules = HTTPS(redirect=redirect, hsts_s=hsts_s, subdomains=subdomains, preload=preload, port=port, exempt=exempt)
    app.surround(rules.demand_https, rank=_RANK)


class HTTPS:
    """The rules of `app.https(...)`; its arguments are told there.

    Raises:
        ConfigurationError: what is asked to be preloaded would be refused by the list, or a path is none.
    """

    def __init__(
        self,
        *,
        redirect: bool,
        hsts_s: int,
        subdomains: bool,
        preload: bool,
        port: int,
        exempt: Iterable[str],
    ) -> None:
        check_whole("hsts_s", hsts_s, least=0)
        if preload and (hsts_s < YEAR_S or not subdomains):
            raise ConfigurationError(
                "app.https(preload=True) needs subdomains=True and hsts_s of a year or more: the list asks for both"
            )
        paths = check_texts("exempt", exempt)
        if any(path[:1] != "/" for path in paths):
            raise ConfigurationError(f"app.https(exempt=...) is a list of paths, as ['/healthz'], not {exempt!r}")
        self.redirect = redirect
        self.port = check_whole("port", port, least=1, most=65535)
        self.exempt = frozenset(paths)
        parts = [f"max-age={hsts_s}", *(["includeSubDomains"] * subdomains), *(["preload"] * preload)]
        self.hsts = "; ".join(parts) if hsts_s else ""
        self._has_warned = False

    def demand_https(self, request: Request) -> Middleware:
        """Redirect or refuse what came without TLS; have browsers remember what came with it."""
        if is_loopback_name(split_host(request.host)[0] if request.host else ""):
            pass
        elif request.scheme == "https":
            if self.hsts:
                request.on_response(self._remember)
        elif self.redirect and not request.is_refused and request.path not in self.exempt:
            return self._send_there(request)
        yield None

    def _remember(self, response: Response) -> None:
        response.headers["strict-transport-security"] = self.hsts

    def _send_there(self, request: Request) -> Redirect:
        """Give the redirect. Raises: HTTPError 403 for what must not be repeated."""
        edge, native = request._edge, request.native
        upgrade = edge.header(native, "upgrade")
        if request.method not in ("GET", "HEAD") or (upgrade is not None and upgrade.lower() == "websocket"):
            raise HTTPError(403, "this site is served over https alone; what was sent now was sent in clear")
        forwarded = edge.header(native, "x-forwarded-proto")
        if forwarded is not None and forwarded.lower() == "https" and not self._has_warned:
            self._has_warned = True
            log_redirect_loop(request)
        name = split_host(request.host)[0]
        host = name if self.port == 443 else f"{name}:{self.port}"
        return Redirect(str(URL("https", host, request.root_path + request.path, request.query_string)), 308)
