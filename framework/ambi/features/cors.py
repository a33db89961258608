"""CORS: which pages of other sites may read what this one answers. See: the Fetch standard, "HTTP-CORS protocol".

Facts
- An origin is compared as text: browsers write it in lower case, without a port that is the scheme's own, and so is
  one that the application names. What is sent otherwise is no browser's.
- A browser asks beforehand (a preflight) with an OPTIONS that carries no cookies; so it is answered here, before any
  layer inside that asks who the user is, and whether there is such a path or not.
- `null` is the origin of every sandboxed frame: to allow it is to allow everybody, with their cookies.
- `*` and credentials exclude each other; a browser would refuse the answer.
- A cache must not give one origin what was answered to another: `Vary: Origin`, also where no origin was sent.
- The header fields belong on errors too, that of a crash included: without them a page cannot read which it was.
- What a handler or a mounted application allows by itself to an origin that is not named here stays, and what is
  mounted gets the preflight for it. Where `*` names all, what is allowed to the very origin that asked stays, but no
  preflight gets there.
- Rules of several prefixes may be for one path: those of the longest decide alone, for a preflight and for the answer
  after it, whatever the order in which they were given.
"""

from __future__ import annotations

import re

from ..core.arguments import check_texts, check_whole
from ..core.errors import ConfigurationError
from ..core.headers import is_token
from ..core.origins import check_origins
from ..core.response import Response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..core.extending import Extensible
    from ..core.middleware import Middleware
    from ..core.request import Request

_RANK = 30
_ANY = "*"
_LABEL_CHARS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-.")
_MAX_ORIGIN_LENGTH = 300
_MAX_REQUESTED = 100


def setup(
    app: Extensible,
    *,
    origins: Iterable[str],
    origin_regex: str | re.Pattern[str] | None,
    methods: Iterable[str],
    headers: Iterable[str],
    expose: Iterable[str],
    credentials: bool,
    max_age_s: int,
    private_network: bool,
    prefix: str,
) -> None:
    """Add the layer that answers browsers. Arguments and errors as for `App.cors`."""
    rules = CORS(
        origins, origin_regex=origin_regex, methods=methods, headers=headers, expose=expose, credentials=credentials,
        max_age_s=max_age_s, private_network=private_network, prefix=prefix,
    )  # fmt: skip
    _layer_of(app).add(rules)


def _layer_of(app: Extensible) -> CORSLayer:
    """Give the one layer of an application."""
    for known in app.layers:
        layer = getattr(known.function, "__self__", None)
        if isinstance(layer, CORSLayer):
            return layer
    layer = CORSLayer()
    app.surround(layer.answer_cors, rank=_RANK)
    if app.cross_site is not None:
        app.cross_site.trust(layer.trusts)
    return layer


class CORSLayer:
    """Answer browsers by the rules of all `app.cors(...)` of one application."""

    def __init__(self) -> None:
        self.rules: tuple[CORS, ...] = ()

    def add(self, rules: CORS) -> None:
        """Take the rules of a further prefix. Raises: ConfigurationError: there are rules for it already."""
        if any(known.prefix == rules.prefix for known in self.rules):
            raise ConfigurationError(
                f"app.cors(prefix={rules.prefix!r}) is called twice, and only one can decide: name all origins in one"
            )
        self.rules = tuple(sorted((*self.rules, rules), key=lambda one: -len(one.prefix)))

    def trusts(self, request: Request, origin: str) -> bool:
        """Tell whether pages of an origin may change something with the cookies of a user."""
        for rules in self.rules:
            if rules.is_below(request):
                return rules.credentials and rules.names(origin)
        return False

    def answer_cors(self, request: Request) -> Middleware:
        """Answer preflights, and add the header fields to whatever else is sent."""
        for rules in self.rules:
            if rules.is_below(request):
                preflight = rules.answer(request)
                if preflight is not None:
                    return preflight
                break
        yield None


class CORS:
    """The rules of one `app.cors(...)`; its arguments are told there.

    Raises:
        ConfigurationError: rules that contradict each other, or that no browser would follow.
    """

    def __init__(
        self,
        origins: Iterable[str],
        *,
        origin_regex: str | re.Pattern[str] | None,
        methods: Iterable[str],
        headers: Iterable[str],
        expose: Iterable[str],
        credentials: bool,
        max_age_s: int,
        private_network: bool,
        prefix: str,
    ) -> None:
        self._read_origins(origins, origin_regex)
        self.methods = ", ".join(_names("methods", methods))
        self.headers = _names("headers", headers)
        self.expose = ", ".join(_names("expose", expose))
        if credentials and (self.is_any or _ANY in self.expose):
            raise ConfigurationError(
                "app.cors(credentials=True) needs explicit origins= and expose=: a browser takes no '*' with them"
            )
        if prefix and (prefix[0] != "/" or prefix[-1] == "/"):
            raise ConfigurationError(f"app.cors(prefix=...) begins with a slash and does not end with one: {prefix!r}")
        self.credentials = credentials
        self.max_age_s = check_whole("max_age_s", max_age_s, least=0)
        self.private_network = private_network
        self.prefix = prefix

    def _read_origins(self, origins: Iterable[str], regex: str | re.Pattern[str] | None) -> None:
        names = check_origins(origins, also=(_ANY, "null"))
        if "null" in names:
            raise ConfigurationError("app.cors(origins=...): 'null' is the origin of any sandboxed frame: of everybody")
        self.is_any = _ANY in names
        self.origins = frozenset(name for name in names if _ANY not in name)
        self._below = tuple(_around_star(name) for name in names if _ANY in name and name != _ANY)
        try:
            self._regex = None if regex is None else re.compile(regex)
        except re.error as exc:
            raise ConfigurationError(f"app.cors(origin_regex={regex!r}) is no regular expression: {exc}") from None
        if not names and regex is None:
            raise ConfigurationError("app.cors needs origins=, as ['https://app.example.com'], or ['*'] for every page")

    def is_below(self, request: Request) -> bool:
        """Tell whether the rules are for the path of a request: the one that the router sees."""
        prefix = self.prefix
        return not prefix or request.path == prefix or request.path.startswith(prefix + "/")

    def names(self, origin: str) -> bool:
        """Tell whether an origin is one of those named, alone or by what they have in common."""
        if origin in self.origins:
            return True
        if len(origin) > _MAX_ORIGIN_LENGTH or origin == "null":
            return False
        if self._regex is not None and self._regex.fullmatch(origin):
            return True
        return any(_is_between(origin, before, after) for before, after in self._below)

    def answer(self, request: Request) -> Response | None:
        """Answer a preflight; have the header fields added to whatever else is sent."""
        edge, native = request._edge, request.native
        origin = edge.header(native, "origin")
        if request.method == "OPTIONS" and origin is not None:
            method = edge.header(native, "access-control-request-method")
            if method is not None and (not _is_for_mounted(request) or self.is_any or self.names(origin)):
                return self._answer_preflight(request, origin)

        def mark(response: Response) -> None:
            if self._allow(response, origin) and self.expose:
                response.headers["access-control-expose-headers"] = self.expose

        request.on_response(mark)
        return None

    def _allow(self, response: Response, origin: str | None) -> bool:
        headers = response.headers
        if self.is_any:
            if origin is not None and headers.get("access-control-allow-origin") == origin:
                headers.add_vary("Origin")
                return False
            headers["access-control-allow-origin"] = _ANY
            return True
        headers.add_vary("Origin")
        if origin is None or not self.names(origin):
            return False
        headers["access-control-allow-origin"] = origin
        if self.credentials:
            headers["access-control-allow-credentials"] = "true"
        return True

    def _answer_preflight(self, request: Request, origin: str) -> Response:
        edge, native = request._edge, request.native
        response = Response(b"", 204)
        headers = response.headers
        is_allowed = self._allow(response, origin)
        if _ANY in self.headers:
            headers.add_vary("Access-Control-Request-Headers")
        if not is_allowed:
            return response
        headers["access-control-allow-methods"] = self.methods
        allowed = self._allowed_headers(edge.header(native, "access-control-request-headers") or "")
        if allowed:
            headers["access-control-allow-headers"] = allowed
        headers["access-control-max-age"] = str(self.max_age_s)
        if self.private_network and edge.header(native, "access-control-request-private-network") == "true":
            headers["access-control-allow-private-network"] = "true"
        return response

    def _allowed_headers(self, requested: str) -> str:
        """Give the names of the fields that may be sent; all that are asked for where all are allowed.

        They are named one by one, since `*` would leave out Authorization, and mean nothing with credentials.
        """
        if _ANY not in self.headers:
            return ", ".join(self.headers)
        names = (name.strip(" \t").lower() for name in requested.split(",", _MAX_REQUESTED)[:_MAX_REQUESTED])
        return ", ".join(name for name in names if is_token(name) and _ANY not in name)


def _is_for_mounted(request: Request) -> bool:
    """Tell whether something that is mounted in the application serves a request."""
    return request._places is not None and request._distance > 0


def _names(argument: str, names: Iterable[str]) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(check_texts(argument, names)))
    for name in found:
        if not is_token(name):
            raise ConfigurationError(f"app.cors({argument}=...): {name!r} is no name of one")
    if argument == "methods" and (_ANY in found or any(name != name.upper() for name in found)):
        raise ConfigurationError(f"app.cors(methods=...) names methods in upper case, not {found!r}")
    return found


def _around_star(origin: str) -> tuple[str, str]:
    """Split `https://*.example.com` at its star. Raises: ConfigurationError."""
    before, _, after = origin.partition(_ANY)
    if not before.endswith("://") or _ANY in after or after[:1] != "." or "." not in after[1:]:
        raise ConfigurationError(
            f"app.cors(origins=...): the origin {origin!r} may have one '*', for everything before a domain:"
            " 'https://*.example.com'"
        )
    return before, after


def _is_between(origin: str, before: str, after: str) -> bool:
    """Tell whether an origin is one of `https://*.example.com`: the star is labels of a host name."""
    label = origin[len(before) : len(origin) - len(after)]
    return (
        bool(label)
        and origin.startswith(before)
        and origin.endswith(after)
        and _LABEL_CHARS.issuperset(label)
        and label[0] != "."
    )
