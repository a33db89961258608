"""Proxies in front of the server: whom to believe about the client, the scheme, the host and the prefix.

Facts
- Everybody can send these fields. The last element of a list is the nearest proxy's, and that is the only one known to
  be true; each one further to the left is true if the proxy that wrote its neighbour is believed.
- Proxies add to X-Forwarded-For and to Forwarded, and set the other fields, if told to; a field that the proxy does not
  set passes through from the client. So only those named are believed.
- A client can open a quoted string that swallows what the proxy adds to Forwarded: one that is not well-formed from
  its beginning to its end is refused, and not passed over. See: RFC 7239 4 and 8.1.
- Some proxies write a port behind an address; some say "wss" of a WebSocket.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from ..core.arguments import check_texts
from ..core.errors import ConfigurationError, HTTPError
from ..core.forwarded import Forwarded
from ..core.headers import is_token, split_list
from ..core.url import DEFAULT_PORTS, DIGITS, HTTP_SCHEMES, decode_path, split_host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from ipaddress import IPv4Network, IPv6Network
    from typing import Any

    from ..core.extending import Extensible
    from ..core.request import Edge

    Address = IPv4Address | IPv6Address
    Client = tuple[str, int | None] | None

FOR, PROTO, HOST, PORT, PREFIX = (f"x-forwarded-{what}" for what in ("for", "proto", "host", "port", "prefix"))
_FORWARDED = "forwarded"
_KNOWN = (FOR, PROTO, HOST, PORT, PREFIX, _FORWARDED)
_UNIX = "unix"
_ENDS_OF_VALUE = frozenset(',;" \t')


def setup(app: Extensible, *, hops: int | None, trusted: Iterable[str] | None, headers: Iterable[str]) -> None:
    """Have the gateways believe proxies. Arguments and errors as for `App.proxy`."""
    app.proxies = TrustedProxies(hops=hops, trusted=trusted, headers=headers)


class TrustedProxies:
    """The proxies of an application. Arguments and errors as for `App.proxy`."""

    def __init__(self, *, hops: int | None, trusted: Iterable[str] | None, headers: Iterable[str]) -> None:
        if (hops is None) == (trusted is None):
            raise ConfigurationError("app.proxy() takes hops= or trusted=: how many proxies there are, or which")
        if hops is not None and (hops.__class__ is not int or hops < 1):
            raise ConfigurationError(f"app.proxy(hops={hops!r}): a number of proxies was expected, at least 1")
        self._hops = hops
        self._networks, self._trusts_unix = _networks_of(trusted)
        self.fields = _check_headers(headers)
        self._known_peers: dict[str, bool] = {}

    def read(self, edge: Edge, native: Any, /) -> Forwarded | None:
        """Read what the proxies say; None where the peer is not believed.

        Raises:
            HTTPError: 400 where a field that is believed is malformed.
        """
        peer = edge.client(native)
        if self._hops is None and not self._trusts_peer(peer):
            return None
        if _FORWARDED in self.fields:
            return self._read_forwarded(edge, native, peer)
        return self._read_x_forwarded(edge, native, peer)

    # --- X-Forwarded-* ---

    def _read_x_forwarded(self, edge: Edge, native: Any, peer: Client) -> Forwarded:
        def values_of(name: str) -> list[str]:
            return split_list(edge.header(native, name) or "") if name in self.fields else []

        depth, client = self._walk(values_of(FOR), peer)

        def value_of(name: str) -> str | None:
            values = values_of(name)
            return values[-min(depth, len(values))] if values else None

        scheme = _scheme_of(value_of(PROTO)) or edge.scheme(native)
        host, port = value_of(HOST), value_of(PORT)
        if port is not None:
            host = _with_port(host or edge.header(native, "host") or edge.server(native), port, scheme)
        return Forwarded(client, scheme, host, _prefix_of(value_of(PREFIX)))

    def _walk(self, addresses: list[str], peer: Client) -> tuple[int, Client]:
        """Go from the peer towards the client, as far as who says so is believed.

        Returns:
            How many elements, from the right, that is (at least 1), and the client.
        """
        if self._hops is not None:
            depth = min(self._hops, len(addresses))
            return (depth, _node(addresses[-depth])) if depth else (self._hops, peer)
        depth, client = 0, peer
        for text in reversed(addresses):
            depth, client = depth + 1, _node(text)
            if client is None or not self._trusts(client[0]):
                break
        return max(depth, 1), client

    # --- Forwarded ---

    def _read_forwarded(self, edge: Edge, native: Any, peer: Client) -> Forwarded:
        elements = parse_forwarded(edge.header(native, _FORWARDED) or "")
        client, element = peer, dict[str, str]()
        for depth, element in enumerate(reversed(elements), 1):
            client = _node(element["for"]) if "for" in element else None
            if depth == self._hops:
                break
            if self._hops is None and (client is None or not self._trusts(client[0])):
                break
        scheme = _scheme_of(element.get("proto")) or edge.scheme(native)
        return Forwarded(client, scheme, element.get("host"), "")

    # --- whom to believe ---

    def _trusts_peer(self, peer: Client) -> bool:
        if peer is None:
            return self._trusts_unix
        trusted = self._known_peers.get(peer[0])
        if trusted is None:
            if len(self._known_peers) >= 256:
                self._known_peers.clear()
            trusted = self._known_peers[peer[0]] = self._trusts(peer[0])
        return trusted

    def _trusts(self, text: str) -> bool:
        address = _address(text)
        return address is not None and any(address in network for network in self._networks)


def _networks_of(trusted: Iterable[str] | None) -> tuple[tuple[IPv4Network | IPv6Network, ...], bool]:
    """Check the networks. Raises: ConfigurationError."""
    networks: list[IPv4Network | IPv6Network] = []
    names = () if trusted is None else check_texts("trusted", trusted)
    for name in names:
        if name != _UNIX:
            try:
                networks.append(ip_network(name))
            except ValueError as exc:
                raise ConfigurationError(
                    f"app.proxy(trusted=...): {exc}; an address, a network as '10.0.0.0/8', or 'unix' was expected"
                ) from None
    if trusted is not None and not names:
        raise ConfigurationError("app.proxy(trusted=[]) believes nobody; leave the call out, or name the proxies")
    return tuple(networks), _UNIX in names


def _check_headers(headers: Iterable[str]) -> frozenset[str]:
    """Check the names of the fields. Raises: ConfigurationError."""
    names = frozenset(name.lower() for name in check_texts("headers", headers))
    unknown = sorted(names.difference(_KNOWN))
    if unknown or not names:
        raise ConfigurationError(f"app.proxy(headers=...) takes {', '.join(_KNOWN)}, not {unknown or 'nothing'}")
    if _FORWARDED in names and len(names) > 1:
        raise ConfigurationError(
            "app.proxy(headers=...) believes Forwarded or the X-Forwarded fields, not both: a proxy sets those of one"
            " family, and passes a client's of the other on"
        )
    return names


# --- what they say ---


def _malformed(what: str) -> HTTPError:
    return HTTPError(400, f"the proxy's {what} is not valid")


def _scheme_of(text: str | None) -> str | None:
    """Give the scheme; None for none. Raises: HTTPError 400."""
    if text is None:
        return None
    scheme = HTTP_SCHEMES.get(text.lower())
    if scheme is None:
        raise _malformed("scheme")
    return scheme


def _with_port(host: str, text: str, scheme: str) -> str:
    """Give the host with that port, which is left out where the scheme says it. Raises: HTTPError 400."""
    if not _is_port(text):
        raise _malformed("port")
    split_host(host)
    name = host[: host.index("]") + 1] if host[:1] == "[" else host.partition(":")[0]
    return name if int(text) == DEFAULT_PORTS.get(scheme) else f"{name}:{int(text)}"


def _prefix_of(text: str | None) -> str:
    """Give the prefix, percent-decoded, without a slash at its end; "" for none.

    Links begin with it: two slashes, or a backslash, would make a host of what follows.

    Raises:
        HTTPError: 400 for what is no path.
    """
    if text is None:
        return ""
    if not text.isascii() or not text.isprintable() or not set("?\\ ").isdisjoint(text) or text[:1] != "/":
        raise _malformed("prefix")
    prefix = decode_path(text.encode("ascii")).rstrip("/")
    segments = prefix.split("/")
    if not prefix.isprintable() or "\\" in prefix or "" in segments[1:] or "." in segments or ".." in segments:
        raise _malformed("prefix")
    return prefix


def _is_port(text: str) -> bool:
    return 0 < len(text) <= 5 and DIGITS.issuperset(text) and 0 < int(text) < 65536


def _address(text: str) -> Address | None:
    """Read an IP address; None for what is none. One of version 4 in the clothes of 6 is one of version 4."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _node(text: str) -> Client:
    """Read who sent a request: an address, and its port if there is one; None for one that is not told.

    Raises:
        HTTPError: 400 for what is neither.

    See: RFC 7239 6.
    """
    if text.lower() == "unknown" or text[:1] == "_":  # an identifier that says nothing outside
        return None
    name, port = text, ""
    if text[:1] == "[":
        name, bracket, rest = text[1:].partition("]")
        if not bracket or rest[:1] not in ("", ":") or rest == ":" or ":" not in name:
            raise _malformed("client address")
        port = rest[1:]
    elif text.count(":") == 1:
        name, _, port = text.partition(":")
    address = _address(name) if "%" not in name else None  # a zone means something on one machine only
    is_hidden = port[:1] == "_" and is_token(port)
    if address is None or (port and not is_hidden and not _is_port(port)):
        if not (name.lower() == "unknown" and port):
            raise _malformed("client address")
        return None
    return str(address), int(port) if port and not is_hidden else None


def parse_forwarded(text: str) -> list[dict[str, str]]:
    """Parse a Forwarded field into its elements, names in lower case, in one forward pass.

    Raises:
        HTTPError: 400 for what is not well-formed, or says a thing twice in one element.

    See: RFC 7239 4.
    """
    elements: list[dict[str, str]] = [{}]
    position, length = 0, len(text)
    while position < length:
        character = text[position]
        if character in " \t;":
            position += 1
        elif character == ",":
            elements.append({})
            position += 1
        else:
            position = _take_pair(text, position, elements[-1])
    return [element for element in elements if element]


def _take_pair(text: str, start: int, element: dict[str, str]) -> int:
    """Take one `name=value`, and give the index behind it. Raises: HTTPError 400."""
    equals = text.find("=", start)
    name = text[start:equals].lower()
    if equals < 0 or not is_token(name) or name in element:
        raise _malformed("Forwarded")
    value, position = (_quoted if text[equals + 1 : equals + 2] == '"' else _plain)(text, equals + 1)
    rest = position
    while text[rest : rest + 1] in (" ", "\t"):
        rest += 1
    if not value or text[rest : rest + 1] not in ("", ",", ";"):
        raise _malformed("Forwarded")
    element[name] = value
    return rest


def _plain(text: str, position: int) -> tuple[str, int]:
    """Give a value without quotes; many leave them out where a colon asks for them."""
    start, length = position, len(text)
    while position < length and text[position] not in _ENDS_OF_VALUE:
        position += 1
    return text[start:position], position


def _quoted(text: str, position: int) -> tuple[str, int]:
    """Give the content of a quoted string. Raises: HTTPError 400 for one that is not closed."""
    content: list[str] = []
    position, length = position + 1, len(text)
    while position < length and text[position] != '"':
        position += text[position] == "\\"
        content.append(text[position : position + 1])
        position += 1
    if position >= length:
        raise _malformed("Forwarded")
    return "".join(content), position + 1
