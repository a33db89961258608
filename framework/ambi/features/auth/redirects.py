r"""Redirecting to where a request says, as `?next=` after a login: only to this site.

Facts
- Browsers read a target by the URL standard, not by RFC 3986: they drop tabs and line breaks wherever they stand,
  trim what is below a space, take `\` for `/`, and need no slashes behind `https:`. So `/\evil.test`,
  `/<tab>/evil.test` and `https:evil.test` are other hosts. See: https://url.spec.whatwg.org, 4.4.
- What follows a redirect may take dots out of a path before it looks whether two slashes are at its beginning.
- A host may be written in other characters that mean the same to a browser, percent-encoded or full-width. So a host
  is compared only when it is plain ASCII by the grammar of RFC 3986.
- Whether it is allowed is told by a list of what is, never of what is not.
"""

from __future__ import annotations

from ...core.errors import HTTPError
from ...core.origins import check_host_patterns, is_allowed
from ...core.response import Redirect
from ...core.url import DEFAULT_PORTS, split_host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...core.request import Request

MAX_TARGET_CHARS = 8192
"""As long as a request target may be."""


def safe_redirect(
    request: Request, target: str | None, fallback: str = "/", *, allowed_hosts: Iterable[str] = (), status: int = 303
) -> Redirect:
    """Redirect to where a request says, if that is on this site; else to the fallback.

    Args:
        request: whose own host is allowed, as are the application's `allowed_hosts`.
        target: from the client, and so not to be trusted: a path from the root, as "/orders?page=2", or a whole URL.
        fallback: where to go without a target or with an unsafe one; your own, and not checked.
        allowed_hosts: further hosts, as "example.com" or "*.example.com".
        status: 303 by default.

    Raises:
        ValueError: status is no redirect.
        ConfigurationError: one of the hosts is none.

    Example:
        return safe_redirect(request, request.query.get("next"), fallback=request.url_for("home"))

    See: CWE-601.
    """
    safe = target if target and is_safe_target(request, target, allowed_hosts=allowed_hosts) else fallback
    return Redirect(safe, status)


def is_safe_target(request: Request, target: str, *, allowed_hosts: Iterable[str] = ()) -> bool:
    """Tell whether a target leads to this site: a path from the root, or a URL of an allowed host.

    A whole URL must be http or https, not http where the request came by https, and name the port of the request or
    none. Where the application has `allowed_hosts`, the host that the request names is not believed unless it is one.
    """
    patterns = (*request.app.allowed_hosts, *check_host_patterns(allowed_hosts))
    if not 0 < len(target) <= MAX_TARGET_CHARS or any(map(_is_misread, target)):
        return False
    if target[0] == "/":
        return target[1:2] != "/" and not _has_dot_segment(target)
    scheme, separator, rest = target.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in DEFAULT_PORTS or (scheme == "http" and request.scheme == "https"):
        return False
    return _is_ours(request, scheme, _authority(rest), patterns)


def _is_misread(character: str) -> bool:
    r"""Tell of a character that browsers drop, trim, or take for another: controls, spaces and `\`."""
    return character <= " " or character == "\\" or "\x7f" <= character <= "\xa0" or "\ud800" <= character <= "\udfff"


def _has_dot_segment(target: str) -> bool:
    """Tell of a path that is another one when its dots are taken out: `/.//evil.test` is one with a host then.

    Browsers take them out before they send a path, so none comes from there. See: RFC 3986 5.2.4.
    """
    path = target.partition("?")[0].partition("#")[0]
    return any(segment.lower().replace("%2e", ".") in (".", "..") for segment in path.split("/"))


def _authority(rest: str) -> str:
    for end in "/?#":
        rest = rest.partition(end)[0]
    return rest


def _is_ours(request: Request, scheme: str, authority: str, patterns: tuple[str, ...]) -> bool:
    if not authority.isascii() or "@" in authority or "%" in authority:
        return False
    try:
        name, port = split_host(authority)
        own_name, own_port = split_host(request.host)
    except HTTPError:
        return False
    own_port = DEFAULT_PORTS.get(request.scheme) if own_port is None else own_port
    if port not in (None, DEFAULT_PORTS[scheme], own_port):
        return False
    if is_allowed(name, patterns):
        return True
    port = DEFAULT_PORTS[scheme] if port is None else port
    same_port = port == own_port or (port == 443 and own_port == 80)  # from http to https of the same name
    return name == own_name and same_port and not request.app.allowed_hosts
