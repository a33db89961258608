"""CSRF tokens, for browsers that do not say which page a request comes from.

What browsers of today say is checked without a token, by `core/origins.py`. Tokens are the second line: for the
few per cent that are older, for forms that sign a user in, and for whoever wants both lines at once.

    seed     a random text in a cookie, one a browser
    token    HMAC-SHA256 of the seed, and of whom the page was made for, under a secret of the application
    sent     the token under a random mask, and the mask: another text in each page

Facts
- A page of another site can neither read the cookie nor the page, so it cannot know the token; nor make one for a seed
  that it planted, as it does not know the secret.
- It could plant a seed together with a token that it was given itself: the cookie's name begins with `__Host-`, so no
  subdomain can set it (RFC 6265bis 4.1.3.2), and `bound_to` makes a token good for one user alone.
- A cache that many share would give all of them one seed and one token, its own visitors and whoever is after them: a
  page with either is private, even if it says that it is public.
- A compressed page tells by its length what a part that stays the same is (BREACH, CVE-2013-3587): hence the mask.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode

from ..core.arguments import check_function
from ..core.chance import random_bytes, random_text
from ..core.errors import ConfigurationError, HTTPError
from ..core.headers import check_name, is_private, is_token, split_list
from ..core.origins import SAFE_METHODS, check_origins, proves_itself
from ..core.secrets import check_secrets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from ..core.extending import Extensible
    from ..core.origins import CrossSiteCheck
    from ..core.request import Request
    from ..core.response import Response

_TOKEN_BYTES = 32
_SEED_LENGTH, _SENT_LENGTH = 22, 86
"""Characters of 16 bytes and of 64 in base64 without padding."""
_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


def setup(
    app: Extensible,
    *,
    origins: Iterable[str],
    secret: str | bytes | Iterable[str | bytes] | None,
    field: str,
    header: str,
    cookie: str,
    bound_to: Callable[[Request], str] | None,
    always: bool,
) -> None:
    """Trust origins, and with a secret have tokens made and checked. Arguments and errors as for `App.csrf`."""
    sites = app.cross_site
    if sites is None:
        raise ConfigurationError("app.csrf(...) says what is checked, but App(csrf=False) says that nothing is")
    sites.origins |= check_origins(origins)
    if secret is not None:
        app.csrf_tokens = CSRFTokens(
            sites, secret, field=field, header=header, cookie=cookie, bound_to=bound_to, always=always
        )
        sites.always = True
        app.template_functions["csrf_token"] = lambda request: request.csrf_token
    app._changed()


class CSRFTokens:
    """Make tokens and check them. `App.csrf` makes one; its arguments are told there.

    Raises:
        ConfigurationError: a secret is too short, or a name cannot be one.
    """

    def __init__(
        self,
        sites: CrossSiteCheck,
        secret: str | bytes | Iterable[str | bytes],
        *,
        field: str,
        header: str,
        cookie: str,
        bound_to: Callable[[Request], str] | None,
        always: bool,
    ) -> None:
        if not is_token(cookie) or cookie.startswith("__"):
            raise ConfigurationError(f"cookie= is a name without a prefix, as 'csrf', not {cookie!r}")
        try:
            self.header = check_name(header)
        except ValueError as exc:
            raise ConfigurationError(f"app.csrf(header=...): {exc}") from None
        if bound_to is not None:
            check_function("bound_to", bound_to)
        self.field = field
        self.cookie = cookie
        self.always = always
        self._keys = check_secrets(secret, "CSRF")
        self._sites = sites
        self._bound_to = bound_to

    # --- made ---

    def token_for(self, request: Request) -> str:
        """Give a token for the forms of a page, and see to it that the browser has the seed."""
        seed = self._keep(request, self._seed_of(request) or random_text(16))
        mask = random_bytes(_TOKEN_BYTES)
        sent = mask + _xor(mask, self._token(self._keys[0], seed, request))
        return urlsafe_b64encode(sent).rstrip(b"=").decode("ascii")

    def rotate(self, request: Request) -> None:
        """Give the browser another seed: tokens of pages made before are good no more."""
        self._keep(request, random_text(16))

    def _seed_of(self, request: Request) -> str:
        """Give the seed that the browser has or is about to get; "" for none."""
        name = self._cookie_name(request)
        return _seeds_of(request).get(name) or self._seed_sent(request, name)

    def _seed_sent(self, request: Request, name: str) -> str:
        seed = request.cookies.get(name, "")
        return seed if len(seed) == _SEED_LENGTH and _BASE64.issuperset(seed) else ""

    def _keep(self, request: Request, seed: str) -> str:
        """See to it that the browser has the seed, and that nobody else is given what is made of it."""
        name, seeds = self._cookie_name(request), _seeds_of(request)
        kept = seeds.get(name, "")
        if seed != kept and request.has_begun:
            raise RuntimeError(
                "the CSRF token is asked for while the response is sent, where no cookie can be set: ask for"
                " request.csrf_token in the handler, before it returns the stream"
            )
        if not kept:
            sent = self._seed_sent(request, name)
            request.on_response(_keep_to_one_user)
            request.on_response(lambda response: _set_seed(response, name, sent, seeds[name]))
        seeds[name] = seed
        return seed

    def _cookie_name(self, request: Request) -> str:
        return self.cookie if request.is_loopback else f"__Host-{self.cookie}"

    def _token(self, key: bytes, seed: str, request: Request) -> bytes:
        bound_to = "" if self._bound_to is None else self._bound_to(request)
        return hmac.digest(key, f"ambi.csrf\0{seed}\0{bound_to}".encode("utf-8", "surrogatepass"), "sha256")

    # --- checked ---

    def guarding(self, call: Callable[[Request], Any]) -> Callable[[Request], Any]:
        """Make the call of a handler that checks the token first: the form is there by then."""

        def guarded(request: Request) -> Any:
            self.check(request)
            return call(request)

        return guarded

    def check(self, request: Request) -> None:
        """Refuse a request that neither shows where it comes from nor has a token. Raises: HTTPError 403."""
        if request.method in SAFE_METHODS or proves_itself(request):
            return
        if not self.always and self._sites.is_of_this_site(request):
            return
        sent = self._sent(request)
        if not sent:
            raise HTTPError(
                403, f"the CSRF token is missing: send it in the form field {self.field!r} or the field {self.header}"
            )
        if not self._is_good(sent, request):
            raise HTTPError(403, "the CSRF token is not one of this browser's, or an old one: load the page again")

    def _sent(self, request: Request) -> str:
        header = request._edge.field(request, self.header)
        if header is None and request.is_loaded and request.content_type[0] in _FORMS:
            value = request.form.get(self.field)
            return value if isinstance(value, str) else ""
        return header or ""

    def _is_good(self, sent: str, request: Request) -> bool:
        seed = self._seed_of(request)
        if not seed or len(sent) != _SENT_LENGTH or not _BASE64.issuperset(sent):
            return False
        masked = urlsafe_b64decode(sent + "==")
        token = _xor(masked[:_TOKEN_BYTES], masked[_TOKEN_BYTES:])
        return any(hmac.compare_digest(token, self._token(key, seed, request)) for key in self._keys)


def rotate_csrf_token(request: Request) -> None:
    """Make the tokens of all pages that a browser has worthless: call it when a user signs in or out.

    Where tokens are `bound_to` the user they change by themselves.

    Raises:
        RuntimeError: the application has no tokens.
    """
    request.csrf_tokens.rotate(request)


def _seeds_of(request: Request) -> dict[str, str]:
    """Give the seeds that the browser is about to have, by their cookies: an application around may have another."""
    try:
        return request._csrf_seeds
    except AttributeError:
        request._csrf_seeds = {}
        return request._csrf_seeds


def _set_seed(response: Response, name: str, sent: str, seed: str) -> None:
    """Give the browser a seed that it has not yet."""
    if seed != sent:
        response.set_cookie(name, seed)


def _keep_to_one_user(response: Response) -> None:
    """Keep a page with a token, or with a seed, out of caches that others share, whatever it says of itself."""
    response.headers.add_vary("Cookie")
    said = response.headers.get("cache-control", "")
    if not is_private(said):
        kept = [
            part for part in split_list(said) if part.lower() != "public" and not part.lower().startswith("s-maxage=")
        ]
        response.headers["cache-control"] = ", ".join(["private", *kept])


def _xor(first: bytes, second: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(first, second, strict=True))
