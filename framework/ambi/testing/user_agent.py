"""What of a client does no I/O: making requests, keeping cookies, deciding where a redirect leads.

`Client` and `AsyncClient` are thin shells around it. See: RFC 9110 3.5 and 15.4.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Generic, TypeVar
from urllib.parse import urljoin, urlsplit

from ..core.url import HTTP_SCHEMES, percent_encode
from .cookies import Cookies
from .encoding import basic_credentials, encode_body, encode_pairs, header_lines, over_defaults
from .errors import RedirectImpossible, TooManyRedirects
from .framing import Framing
from .messages import Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from typing_extensions import Unpack

    from ..core.url import URL
    from .encoding import Content, Files, HeaderPairs, Pairs, RequestOptions
    from .messages import Response

Answer = TypeVar("Answer")

MAX_REDIRECTS = 20
_TARGET_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/?%[]")
_WITH_BODY = frozenset(("POST", "PUT", "PATCH"))
_OF_THE_BODY = frozenset(
    ("content-length", "content-type", "content-encoding", "content-language", "transfer-encoding")
)
_CREDENTIALS = frozenset(("authorization", "proxy-authorization"))


class ClientHeaders(MutableMapping[str, str]):
    """The header fields of a client: without case, checked when set.

    Raises:
        TypeError, ValueError: on setting, what could not be sent.
    """

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __setitem__(self, name: str, value: str) -> None:
        self._values.update(header_lines([(name, value)]))

    def __delitem__(self, name: str) -> None:
        del self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<ClientHeaders {self._values}>"


class UserAgent(Generic[Answer]):
    """What `Client` and `AsyncClient` have in common; `Answer` is what `request` gives.

    Attributes:
        headers: sent with every request, unless the request names the same field.
        cookies: those kept; a mapping that may be changed.
        follow_redirects: where a request does not say.
    """

    def __init__(
        self,
        base_url: str,
        headers: HeaderPairs | None,
        cookies: Mapping[str, str] | None,
        *,
        follow_redirects: bool,
    ) -> None:
        scheme, separator, rest = base_url.partition("://")
        if not separator or scheme not in ("http", "https") or not rest:
            raise ValueError(f"base_url must begin with http:// or https:// and name a host, not {base_url!r}")
        self._scheme = scheme
        self._host, _, path = rest.partition("/")
        self._base_path = f"/{path}".rstrip("/")
        self.headers = headers
        self._cookies = Cookies(cookies)
        self.follow_redirects = follow_redirects

    @property
    def cookies(self) -> Cookies:
        """The cookies kept; a mapping that may be changed, or assigned."""
        return self._cookies

    @cookies.setter
    def cookies(self, cookies: Mapping[str, str]) -> None:
        self._cookies = cookies if isinstance(cookies, Cookies) else Cookies(cookies)

    @property
    def headers(self) -> MutableMapping[str, str]:
        """The header fields sent with every request, without case; a mapping that may be changed, or assigned."""
        return self._headers

    @headers.setter
    def headers(self, headers: HeaderPairs | None) -> None:
        self._headers = ClientHeaders()
        self._headers.update(headers or ())

    @property
    def base_url(self) -> str:
        """What a path is appended to."""
        return f"{self._scheme}://{self._host}{self._base_path}"

    # --- verbs ---

    def request(self, method: str, url: str | URL, **options: Unpack[RequestOptions]) -> Answer:
        """Send a request and read the answer."""
        raise NotImplementedError

    def get(self, url: str | URL, **options: Unpack[RequestOptions]) -> Answer:
        """Send a GET; options as for `request`."""
        return self.request("GET", url, **options)

    def head(self, url: str | URL, **options: Unpack[RequestOptions]) -> Answer:
        """Send a HEAD; options as for `request`."""
        return self.request("HEAD", url, **options)

    def options(self, url: str | URL, **options: Unpack[RequestOptions]) -> Answer:
        """Send an OPTIONS; options as for `request`."""
        return self.request("OPTIONS", url, **options)

    def post(self, url: str | URL, **options: Unpack[RequestOptions]) -> Answer:
        """Send a POST; options as for `request`."""
        return self.request("POST", url, **options)

    def put(self, url: str | URL, **options: Unpack[RequestOptions]) -> Answer:
        """Send a PUT; options as for `request`."""
        return self.request("PUT", url, **options)

    def patch(self, url: str | URL, **options: Unpack[RequestOptions]) -> Answer:
        """Send a PATCH; options as for `request`."""
        return self.request("PATCH", url, **options)

    def delete(self, url: str | URL, **options: Unpack[RequestOptions]) -> Answer:
        """Send a DELETE; options as for `request`."""
        return self.request("DELETE", url, **options)

    # --- requests ---

    def build_request(
        self,
        method: str,
        url: str | URL,
        *,
        params: Pairs | None = None,
        headers: HeaderPairs | None = None,
        cookies: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        content: Content | None = None,
        data: Pairs | None = None,
        files: Files | None = None,
        json: Any = None,
    ) -> Request:
        """Make a request for `send`; arguments as for `request`."""
        url = str(url)
        scheme, host, target = self._locate(url)
        if params:
            target += ("&" if "?" in target else "?") + encode_pairs(params)
        lines = over_defaults(self._headers.items(), header_lines(headers) if headers else None)
        if auth is not None:
            lines = [line for line in lines if line[0] != "authorization"]
            lines.append(("authorization", basic_credentials(auth)))
        names = {name for name, _ in lines}
        body, content_type = encode_body(content, data, files, json)
        if content_type and "content-type" not in names:
            lines.append(("content-type", content_type))
        if not isinstance(body, bytes):
            if "content-length" not in names:
                lines.append(("transfer-encoding", "chunked"))
        elif (body or method in _WITH_BODY) and not names & {"content-length", "transfer-encoding"}:
            lines.append(("content-length", str(len(body))))
        lines += self._cookie_lines(scheme, host, target, cookies or {})
        if "host" not in names:
            lines.insert(0, ("host", host))
        fragment = url.partition("#")[2]
        return Request(method, scheme, host, target, header_lines=lines, body=body, fragment=fragment)

    def _cookie_lines(self, scheme: str, host: str, target: str, own: Mapping[str, str]) -> list[tuple[str, str]]:
        """Give the Cookie field, or none: what is kept, but for names that the request gives itself."""
        kept = self._cookies.for_request(scheme, host, target.partition("?")[0])
        going = [pair for pair in kept if pair[0] not in own] + list(own.items())
        return [("cookie", "; ".join([f"{name}={value}" for name, value in going]))] if going else []

    def _locate(self, url: str) -> tuple[str, str, str]:
        """Give scheme, host and target of a URL or path. Raises: ValueError for a scheme that is not served."""
        url = url.partition("#")[0]
        scheme, separator, rest = url.partition("://")
        if not separator or not scheme.isalpha():
            path = url if url[:1] in ("/", "*") or (url[:1] == "?" and self._base_path) else f"/{url}"
            return self._scheme, self._host, percent_encode(self._base_path + path, _TARGET_SAFE)
        scheme = HTTP_SCHEMES.get(scheme.lower(), "")
        end = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
        host, target = rest[:end].rpartition("@")[2], rest[end:]
        if not scheme or not host:
            raise ValueError(f"a URL must begin with http:// or https:// and name a host, not {url!r}")
        return scheme, host, percent_encode(target if target[:1] == "/" else f"/{target}", _TARGET_SAFE)

    # --- answers ---

    def _keep_handshake(self, request: Request) -> Callable[[Response], object]:
        """Give what takes note of the answer to a handshake."""
        return lambda response: self._take(response, request, [], follow_redirects=False)

    def _take(
        self, response: Response, request: Request, history: list[Response], follow_redirects: bool | None
    ) -> Request | None:
        """Take note of an answer; give the request that has to be sent next, None when there is none to send.

        Raises:
            TooManyRedirects, RedirectImpossible: to be followed, but cannot be.
        """
        response.request = request
        response.history = list(history)
        response._framing = Framing(request.method, response.status_code, response.headers.get("content-length"))
        if "set-cookie" in response.headers:
            for line in response.set_cookies:
                self._cookies.keep(line, request.host, request.target.partition("?")[0])
        if not response.has_redirect_location:
            return None
        follows = self.follow_redirects if follow_redirects is None else follow_redirects
        if not follows:
            response.next_request = self._redirected(response, lenient=True)
            return None
        if len(history) >= MAX_REDIRECTS:
            raise TooManyRedirects(f"{request.method} {request.url} is the {MAX_REDIRECTS + 1}st redirect", response)
        return self._redirected(response)

    def _redirected(self, response: Response, *, lenient: bool = False) -> Request | None:
        """Make the request that a redirect asks for. See: RFC 9110 15.4.

        Raises:
            RedirectImpossible: the location is none of HTTP, or the body is gone; lenient gives None instead.
        """
        old, location = response.request, response.headers["location"]
        try:
            scheme, host, target = self._locate(urljoin(f"{old.scheme}://{old.host}{old.target}", location))
            is_elsewhere = urlsplit(location).scheme not in ("", "http", "https")
        except ValueError:
            scheme = host = target = ""
            is_elsewhere = True
        method, keeps_body = _redirected_method(old.method, response.status_code)
        if is_elsewhere or (keeps_body and not isinstance(old.body, bytes)):
            if lenient:
                return None
            why = "that is no URL of HTTP" if is_elsewhere else "its body was sent in chunks, which are gone"
            raise RedirectImpossible(f"{old.method} {old.url} cannot be sent again to {location!r}: {why}", response)
        dropped = {"host", "cookie"}
        if not keeps_body:
            dropped |= _OF_THE_BODY
        if (scheme, host) != (old.scheme, old.host):
            dropped |= _CREDENTIALS
        lines = [line for line in old.header_lines if line[0] not in dropped]
        lines = [("host", host), *lines, *self._cookie_lines(scheme, host, target, {})]
        body, fragment = old.body if keeps_body else b"", location.partition("#")[2] or old.fragment
        return Request(method, scheme, host, target, header_lines=lines, body=body, fragment=fragment)


def _redirected_method(method: str, status: int) -> tuple[str, bool]:
    """Give the method after a redirect, and whether it keeps the body. See: RFC 9110 15.4."""
    if (status == 303 and method not in ("GET", "HEAD")) or (status in (301, 302) and method == "POST"):
        return "GET", False
    return method, True
