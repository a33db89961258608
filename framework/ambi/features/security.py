"""Header fields that take from a page what it does not need: framing, foreign openers, foreign scripts.

Facts
- A Content-Security-Policy says what a document may load and run. It means nothing for what is no document, so JSON,
  pictures and files do not carry it; an SVG and an XML are documents.
- A 304 keeps the page that the browser has, and with it that page's nonce: it carries no policy, which would replace
  the one it was stored with (RFC 9111 4.3.4).
- A nonce is in the policy only if something asked for it while the page was made (`request.csp_nonce`): other pages
  have a policy that is always the same. Of a stream nobody knows yet whether it will ask, so it has one.
- What a handler set itself stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from ..core.errors import ConfigurationError
from ..core.headers import check_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Unpack

    from ..core.extending import Extensible
    from ..core.middleware import Middleware
    from ..core.request import Request
    from ..core.response import Response

    Policy = Mapping[str, str | Iterable[str]]
    """Directive -> its sources, as a list or as one text."""

_RANK = 20
DEFAULT_POLICY: Policy = {
    "default-src": ("self",),
    "script-src": ("self", "nonce"),
    "style-src": ("self", "nonce"),
    "img-src": ("self", "data:"),
    "object-src": ("none",),
    "base-uri": ("self",),
    "form-action": ("self",),
    "frame-ancestors": ("none",),
}
"""What `app.security()` sends: everything from this site, and inline what carries the nonce."""

_KEYWORDS = frozenset((
    "self", "none", "unsafe-inline", "unsafe-eval", "unsafe-hashes", "strict-dynamic", "report-sample",
    "wasm-unsafe-eval", "inline-speculation-rules", "script",
))  # fmt: skip
_DIRECTIVES = frozenset((
    "default-src", "child-src", "connect-src", "fenced-frame-src", "font-src", "frame-src", "img-src", "manifest-src",
    "media-src", "object-src", "prefetch-src", "script-src", "script-src-elem", "script-src-attr", "style-src",
    "style-src-elem", "style-src-attr", "worker-src", "base-uri", "sandbox", "form-action", "frame-ancestors",
    "report-to", "report-uri", "require-trusted-types-for", "trusted-types", "upgrade-insecure-requests",
))  # fmt: skip
_WITHOUT_KEYWORDS = frozenset(("sandbox", "report-to", "report-uri", "trusted-types"))
_DOCUMENTS = frozenset(("text/html", "application/xhtml+xml", "image/svg+xml", "text/xml", "application/xml"))
_KEY_STARTS = frozenset("abcdefghijklmnopqrstuvwxyz*")
_KEY_CHARS = _KEY_STARTS.union("0123456789_-.")
_NO_URL_CHARS = frozenset(' "\\<>')
_HASHES = ("sha256-", "sha384-", "sha512-")


class CSP:
    """A Content-Security-Policy, written once; the nonce is put in for each page.

    Sources are written with or without their quotes: "self" is `'self'`, and "nonce" the nonce of the page.

    Args:
        directives: directive -> sources, as {"img-src": ["self", "https://images.example.com"]}; an empty list for a
            directive that stands alone.

    Raises:
        ConfigurationError: an unknown directive, or a source that would end it.

    Example:
        >>> CSP({"default-src": "self", "script-src": ["self", "nonce"]}).text("abc")
        "default-src 'self'; script-src 'self' 'nonce-abc'"
        >>> CSP({"default-src": "self", "script-src": ["self", "nonce"]}).text(None)
        "default-src 'self'; script-src 'self'"

    See: Content Security Policy Level 3.
    """

    __slots__ = ("_parts", "has_nonce")

    def __init__(self, directives: Policy) -> None:
        if not isinstance(directives, Mapping):
            raise ConfigurationError(
                f"a Content-Security-Policy is a mapping, as {{'img-src': ['self', 'data:']}}, not {directives!r}"
            )
        written = [_directive(name, sources) for name, sources in directives.items()]
        self._parts = "; ".join(written).split(" 'nonce'")
        self.has_nonce = len(self._parts) > 1

    def text(self, nonce: str | None) -> str:
        """Give the policy with a nonce, or without one where no script of the page has it."""
        return ("" if nonce is None else f" 'nonce-{nonce}'").join(self._parts)


def _directive(name: str, sources: str | Iterable[str]) -> str:
    if name not in _DIRECTIVES:
        raise ConfigurationError(f"a Content-Security-Policy has no directive {name!r}; it has, as examples, 'img-src'")
    found = sources.split() if isinstance(sources, str) else list(sources)
    for source in found:
        if not source.isascii() or not source.isprintable() or not source or set(source) & set(" ;,"):
            raise ConfigurationError(f"{source!r} is no source of {name}: one word was expected, without ';' and ','")
    quoted = found if name in _WITHOUT_KEYWORDS else [_source(name, source) for source in found]
    if "'none'" in quoted and len(quoted) > 1:
        raise ConfigurationError(f"{name} has 'none' beside others, {found!r}: it means that there are none")
    return " ".join((name, *quoted))


def _source(name: str, source: str) -> str:
    word = source.strip("'")
    if word == "nonce":
        if not name.startswith(("script-src", "style-src", "default-src")):
            raise ConfigurationError(f"{name} takes no nonce: scripts and styles have one")
        return "'nonce'"
    if word.startswith("nonce-"):
        raise ConfigurationError(
            f"{name} has the nonce {source!r}, the same for all pages; write 'nonce' for a new one"
        )
    return f"'{word}'" if word in _KEYWORDS or word.startswith(_HASHES) else source


class SecurityOptions(TypedDict, total=False):
    """The options of `App.security`, which says what they mean."""

    csp: Policy | None
    csp_report_only: Policy | None
    frame: str | None
    referrer: str | None
    opener: str | None
    resource: str | None
    permissions: str | None
    reporting: Mapping[str, str] | None


def setup(app: Extensible, **options: Unpack[SecurityOptions]) -> None:
    """Add the layer that sets the fields, and give templates the nonce. Options and errors as for `App.security`."""
    app.surround(SecurityHeaders(**options).set_security_fields, rank=_RANK)
    app.template_functions["csp_nonce"] = lambda request: request.csp_nonce


class SecurityHeaders:
    """The rules of `app.security(...)`; its arguments are told there.

    Raises:
        ConfigurationError: a value that cannot be sent.
    """

    def __init__(
        self,
        *,
        csp: Policy | None = DEFAULT_POLICY,
        csp_report_only: Policy | None = None,
        frame: str | None = "deny",
        referrer: str | None = "strict-origin-when-cross-origin",
        opener: str | None = "same-origin",
        resource: str | None = "same-origin",
        permissions: str | None = None,
        reporting: Mapping[str, str] | None = None,
    ) -> None:
        if frame not in ("deny", "sameorigin", None):
            raise ConfigurationError(f"app.security(frame=...) is 'deny', 'sameorigin' or None, not {frame!r}")
        self._policies = tuple(
            (field, CSP(policy))
            for field, policy in (
                ("content-security-policy", csp),
                ("content-security-policy-report-only", csp_report_only),
            )
            if policy is not None
        )
        self._of_documents = _fields({
            "x-frame-options": frame and frame.upper(),
            "cross-origin-opener-policy": opener,
            "permissions-policy": permissions,
            "reporting-endpoints": _endpoints(reporting or {}),
        })  # fmt: skip
        self._of_all = _fields({"referrer-policy": referrer, "cross-origin-resource-policy": resource})

    def set_security_fields(self, request: Request) -> Middleware:
        """Add the fields to whatever is sent, errors included."""
        request.on_response(lambda response: self._mark(request, response))
        yield

    def _mark(self, request: Request, response: Response) -> None:
        headers = response.headers
        for name, value in self._of_all:
            headers.setdefault(name, value)
        if response.status == 304 or not _is_document(response):
            return
        for name, value in self._of_documents:
            headers.setdefault(name, value)
        for name, policy in self._policies:
            if name not in headers:
                headers[name] = policy.text(_nonce_for(request, response) if policy.has_nonce else None)


def _is_document(response: Response) -> bool:
    media_type = response.headers.get("content-type", "").partition(";")[0].strip(" \t").lower()
    return media_type in _DOCUMENTS or media_type.endswith("+xml")


def _nonce_for(request: Request, response: Response) -> str | None:
    """Give the nonce of a page that asked for one, or may still ask."""
    if response.body.__class__ is not bytes and "content-length" not in response.headers:  # a stream, and no file
        return request.csp_nonce
    return getattr(request, "_csp_nonce", None)


def _endpoints(reporting: Mapping[str, str]) -> str | None:
    """Write a dictionary of strings. Raises: ConfigurationError for what none can hold. See: RFC 9651 3.2, 3.3.3."""
    for name, url in reporting.items():
        if not _KEY_CHARS.issuperset(name) or name[:1] not in _KEY_STARTS:
            raise ConfigurationError(
                f"app.security(reporting=...): {name!r} is no name: lower-case letters, digits and '_-.*' were"
                " expected, a letter or '*' first"
            )
        if not url or not url.isascii() or not url.isprintable() or not _NO_URL_CHARS.isdisjoint(url):
            raise ConfigurationError(
                f"app.security(reporting=...): {url!r} is no URL: percent-encode spaces, quotes, backslashes and"
                " what is not ASCII"
            )
    return ", ".join(f'{name}="{url}"' for name, url in reporting.items()) or None


def _fields(values: Mapping[str, str | None]) -> tuple[tuple[str, str], ...]:
    """Give the fields that have a value. Raises: ConfigurationError for what cannot be sent."""
    try:
        return tuple((name, check_value(value)) for name, value in values.items() if value)
    except ValueError as exc:
        raise ConfigurationError(f"app.security(...): {exc}") from None
