"""URLs: percent-encoding, paths, query strings, hosts. One decode, one grammar, for both gateways.

Facts
- A path is decoded once, as strict UTF-8; a percent sign without two hex digits stands for itself.
- `a2b_qp` decodes "=XX" in C, and nothing else where each "=" is followed by two hex digits: twelve times as fast as a
  loop. A form may have 2 MiB of triplets, for which an event loop waits.
- A query decodes "+" to a space and bytes that are no UTF-8 to U+FFFD, as browsers do (WHATWG URL 5.1).
- A host may hold no comma here, although RFC 3986 allows one: a server that joins two Host lines would make one of
  them out of two.
"""

from __future__ import annotations

from binascii import a2b_qp
from functools import cache

from .errors import HTTPError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Iterable

UNENCODED = "the target of the request holds a character that must be percent-encoded"
"""What a refusal says of a control character or a "#"."""

DEFAULT_PORTS = {"http": 80, "https": 443}
HTTP_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
"""The handshake of a WebSocket is an HTTP request."""

WEBSOCKET_SCHEMES = {"http": "ws", "https": "wss"}

DIGITS = frozenset("0123456789")
"""Those of every grammar; `str.isdigit` knows more."""

_UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
_SEGMENT_SAFE = frozenset((_UNRESERVED + "!$&'()*+,;=:@").encode())
_QUERY_SAFE = frozenset(_UNRESERVED.encode())
_AS_SENT_SAFE = frozenset((_UNRESERVED + "!$&'()*+,;=:@/?%").encode())
_HOST_SAFE = frozenset(_UNRESERVED + "!$&'()*+;=%")
_IP_LITERAL = frozenset("0123456789abcdefABCDEF:.")


def percent_decode(data: bytes) -> bytes:
    """Decode every `%XX` once; what is no such triplet stays as it is. See: RFC 3986 2.1."""
    if b"%" not in data:
        return data
    return a2b_qp(_stray_percent().sub(b"%25", data).replace(b"=", b"%3D").replace(b"%", b"="))


@cache
def _stray_percent() -> re.Pattern[bytes]:
    import re  # loaded with the first "%" of a request

    return re.compile(rb"%(?![0-9A-Fa-f]{2})")


def percent_encode(text: str, safe: frozenset[int] = _SEGMENT_SAFE) -> str:
    """Encode one path segment (or what `safe` says) as UTF-8 triplets. See: RFC 3986 2.1 and 3.3."""
    data = text.encode("utf-8", "surrogatepass")
    if safe.issuperset(data):
        return text
    return "".join(chr(byte) if byte in safe else f"%{byte:02X}" for byte in data)


def encode_path(path: str) -> str:
    """Encode a decoded path, its slashes kept."""
    return "/".join(map(percent_encode, path.split("/")))


def reference_beside(path: str, raw: bytes, *, slash: bool) -> str:
    """Write the relative reference from a path to the same one with a slash at its end, or without one.

    An encoded slash is part of a segment to whoever resolves the reference, and must stay one. See: RFC 3986 5.2.4.

    Args:
        path: decoded, with all prefixes.
        raw: as it was sent; b"" where the server does not tell, and then nobody knows of encoded slashes.
        slash: with one.
    """
    end = "/" if raw[-1:] == b"/" else ""
    last = percent_decode(raw.removesuffix(b"/").rpartition(b"/")[2]).decode("utf-8", "replace")
    if not last or not path.endswith(f"/{last}{end}"):  # somebody has rewritten it
        end = "/" if path[-1] == "/" else ""
        last = path.removesuffix("/").rpartition("/")[2]
    reference = "%2F".join(map(percent_encode, last.removesuffix("/").split("/")))
    return f"{'../' if end else './'}{reference}{'/' if slash else ''}"


def decode_path(raw: bytes) -> str:
    """Decode a raw path to text.

    Raises:
        HTTPError: 400 for control bytes, "#", a missing leading slash, or bytes that are no UTF-8.
    """
    if raw[:1] != b"/":
        raw = path_of_absolute_form(raw)
    if b"#" in raw or any(byte < 0x20 or byte == 0x7F for byte in raw):
        raise HTTPError(400, UNENCODED)
    return decode_utf8_path(percent_decode(raw))


def decode_utf8_path(data: bytes) -> str:
    """Decode the bytes of a percent-decoded path. Raises: HTTPError 400 for what is no UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise no_utf8() from None


def no_utf8() -> HTTPError:
    """Make the refusal of a path whose bytes are no UTF-8."""
    return HTTPError(400, "the path of the request is not valid UTF-8")


def path_of_absolute_form(raw: bytes) -> bytes:
    """Give the path of `http://host/path`; some servers pass this form through. See: RFC 9112 3.2.2.

    Raises:
        HTTPError: 400 for what is neither a path nor an absolute form.
    """
    scheme, found, rest = raw.partition(b"://")
    if not found or scheme.lower() not in (b"http", b"https"):
        raise HTTPError(400, "the request target does not begin with a slash")
    return b"/" + rest.partition(b"/")[2]


def strip_root(path: str, root_path: str) -> str:
    """Take the mount prefix off a path, at a segment border only; else give the path as it is."""
    if root_path and path.startswith(root_path):
        rest = path[len(root_path) :]
        if not rest or rest[0] == "/":
            return rest or "/"
    return path or "/"


def parse_urlencoded(text: str, max_fields: int, status: int = 400) -> list[tuple[str, str]]:
    """Parse `a=1&b=2` into pairs, in order.

    Args:
        text: the latin-1 reading of the bytes received.
        max_fields: more pairs than this are refused.
        status: of the refusal.

    Raises:
        HTTPError: too many pairs.

    See: WHATWG URL 5.1.
    """
    if text.count("&") >= max_fields:
        raise HTTPError(status, f"more than {max_fields} fields")
    plain = text.isascii() and "%" not in text and "+" not in text
    pairs: list[tuple[str, str]] = []
    for part in text.split("&"):
        if part:
            name, _, value = part.partition("=")
            pairs.append((name, value) if plain else (_decode_field(name), _decode_field(value)))
    return pairs


def _decode_field(text: str) -> str:
    return percent_decode(text.replace("+", " ").encode("latin-1")).decode("utf-8", "replace")


def encode_raw_query(text: str) -> str:
    """Percent-encode what a client sent unencoded: bytes beyond ASCII, in their latin-1 reading."""
    return "".join(c if c <= "\x7f" else f"%{ord(c):02X}" for c in text)


def encode_controls(query: str) -> str:
    """Percent-encode the control characters of a query: servers let them pass, and no field may hold one."""
    return "".join(c if c >= " " and c != "\x7f" else f"%{ord(c):02X}" for c in query)


def encode_query(pairs: Iterable[tuple[str, object]]) -> str:
    """Write pairs as a query string; values by `str`."""
    return "&".join(f"{percent_encode(n, _QUERY_SAFE)}={percent_encode(str(v), _QUERY_SAFE)}" for n, v in pairs)


def split_host(host: str) -> tuple[str, int | None]:
    """Split `name:port` and check both.

    Returns:
        The name in lower case (an IPv6 address keeps its brackets), and the port or None.

    Raises:
        HTTPError: 400 for what is no host of RFC 3986 3.2.2, or a port over 65535.
    """
    if host[:1] == "[":
        name, bracket, rest = host.partition("]")
        name += bracket
        valid = bool(bracket) and rest[:1] in ("", ":") and _is_ipv6(name[1:-1])
        port = rest[1:]
    else:
        name, _, port = host.partition(":")
        valid = bool(name) and _HOST_SAFE.issuperset(name) and ("%" not in name or _has_only_triplets(name))
    if (
        not valid
        or len(name) > 255
        or (port and not (DIGITS.issuperset(port) and len(port) <= 5 and int(port) < 65536))
    ):
        raise HTTPError(400, "the Host header is not a valid host")
    return name.lower(), int(port) if port else None


def _has_only_triplets(name: str) -> bool:
    return _stray_percent().search(name.encode("ascii")) is None


def _is_ipv6(text: str) -> bool:
    from ipaddress import IPv6Address  # loaded with the first host of this kind

    if not _IP_LITERAL.issuperset(text):  # a zone means something on one machine only
        return False
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True


class URL:
    """An absolute URL, as the request's own. Immutable; `str(url)` is percent-encoded and can be sent.

    Attributes:
        scheme: "http" or "https".
        host: as the client named it, with its port if that was named.
        path: percent-decoded, with the mount prefix.
        query: as received, percent-encoded, without "?".
    """

    __slots__ = ("host", "path", "query", "scheme")

    def __init__(self, scheme: str, host: str, path: str, query: str = "") -> None:
        self.scheme = scheme
        self.host = host
        self.path = path
        self.query = query

    @property
    def hostname(self) -> str:
        """The host without its port, in lower case."""
        return split_host(self.host)[0]

    @property
    def port(self) -> int:
        """The port named in the host, else the scheme's."""
        port = split_host(self.host)[1]
        return DEFAULT_PORTS.get(self.scheme, 80) if port is None else port

    def __str__(self) -> str:
        query = f"?{percent_encode(self.query, _AS_SENT_SAFE)}" if self.query else ""
        return f"{self.scheme}://{self.host}{encode_path(self.path)}{query}"

    def __repr__(self) -> str:
        return f"URL({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return str(self) == str(other) if isinstance(other, (URL, str)) else NotImplemented

    def __hash__(self) -> int:
        return hash(str(self))
