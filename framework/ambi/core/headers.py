"""Header fields: immutable for requests, checked for responses; and the one scanner for `token; name="value"`.

Facts
- Field names are tokens and have no case (RFC 9110 5.1); here they are lower case.
- WSGI joins the lines of a repeated field with a comma, ASGI gives them singly. Both are seen here joined with ","
  ("; " for Cookie), so that an application cannot tell the gateways apart. A space behind the comma would look
  better (RFC 9110 5.3), but gunicorn, Werkzeug, wsgiref and gevent add none, and nobody can tell afterwards.
- WSGI cannot tell `X-A_B` from `X-A-B`: fields whose name has an underscore are dropped on both gateways.
- A value with CR, LF or NUL would end the line it stands in (RFC 9110 5.5): refused when set.
- Hop-by-hop fields belong to the server (PEP 3333, "Other HTTP Features"): refused when set.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Pair = tuple[str, str]

TOKEN_CHARS = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_TOKEN_REMOVED = dict.fromkeys(map(ord, TOKEN_CHARS))
HOP_BY_HOP = frozenset(
    ("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade")
)


def is_token(text: str) -> bool:
    """Tell whether `text` is a token. See: RFC 9110 5.6.2."""
    return bool(text) and not text.translate(_TOKEN_REMOVED)


def check_name(name: str) -> str:
    """Give the field name in lower case.

    Raises:
        ValueError: it is no token, or a hop-by-hop field, which only the server may send.
    """
    lowered = name.lower()
    if not is_token(name):  # before it is lowered: some letters outside ASCII have an ASCII lower case
        raise ValueError(f"{name!r} is no header field name: a token was expected (RFC 9110 5.1)")
    if lowered in HOP_BY_HOP:
        raise ValueError(f"{name!r} is a hop-by-hop field; only the server sends it (PEP 3333)")
    return lowered


def check_value(value: str) -> str:
    """Give the field value, without the space around it: that is no part of it, and some servers refuse it.

    Raises:
        ValueError: it holds a control character, or a character outside latin-1.
    """
    value = value.strip(" \t")
    if value.isascii() and value.isprintable():
        return value
    if any((c < " " and c != "\t") or c == "\x7f" for c in value):
        raise ValueError(f"header field value {value[:80]!r} holds a control character (RFC 9110 5.5)")
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError(f"header field value {value[:80]!r} holds a character outside latin-1; encode it") from None
    return value


class Headers(Mapping[str, str]):
    """The header fields of a request: immutable, without case, in the order received.

    `headers["name"]` gives the lines of a repeated field joined with ",".
    """

    __slots__ = ("_joined", "_pairs")

    _joined: dict[str, str]
    _joiner: str = ","

    def __init__(self, pairs: Iterable[Pair] = ()) -> None:
        """Take `(name in lower case, value)` pairs."""
        self._pairs = tuple(pairs)
        self._joined = dict(self._pairs)
        if len(self._joined) < len(self._pairs):
            self._joined = self._join()

    def _join(self) -> dict[str, str]:
        """Join the lines of repeated fields; those that are empty leave no space at an end, on either gateway."""
        lines: dict[str, list[str]] = {}
        for name, value in self._pairs:
            lines.setdefault(name, []).append(value)
        joiners = {"cookie": "; "}
        return {name: joiners.get(name, self._joiner).join(values).strip(" \t") for name, values in lines.items()}

    def __getitem__(self, name: str) -> str:
        return self._joined[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._joined)

    def __len__(self) -> int:
        return len(self._joined)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._joined

    def __repr__(self) -> str:
        return f"Headers({list(self._joined.items())!r})"


class ResponseHeaders(MutableMapping[str, str]):
    """The header fields of a response: checked when set, without case, in the order set.

    A view on the response's list of pairs. Setting a name replaces all lines of it; `append` adds a line.

    Raises:
        ValueError: on setting, when name or value cannot be sent, or the field is hop-by-hop.
    """

    __slots__ = ("_pairs",)

    def __init__(self, pairs: list[Pair]) -> None:
        self._pairs = pairs

    def __getitem__(self, name: str) -> str:
        values = self.getlist(name)
        if not values:
            raise KeyError(name)
        return ", ".join(values)

    def __setitem__(self, name: str, value: str) -> None:
        pair = check_name(name), check_value(value)
        for index, (existing, _) in enumerate(self._pairs):
            if existing == pair[0]:
                self._pairs[index] = pair
                self._pairs[index + 1 :] = [p for p in self._pairs[index + 1 :] if p[0] != pair[0]]
                return
        self._pairs.append(pair)

    def __delitem__(self, name: str) -> None:
        lowered = name.lower()
        kept = [pair for pair in self._pairs if pair[0] != lowered]
        if len(kept) == len(self._pairs):
            raise KeyError(name)
        self._pairs[:] = kept

    def __iter__(self) -> Iterator[str]:
        return iter(dict(self._pairs))

    def __len__(self) -> int:
        return len(dict(self._pairs))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and any(name.lower() == existing for existing, _ in self._pairs)

    def __repr__(self) -> str:
        return f"ResponseHeaders({self._pairs!r})"

    def getlist(self, name: str) -> list[str]:
        """Give the lines of one field, in order."""
        lowered = name.lower()
        return [value for existing, value in self._pairs if existing == lowered]

    def append(self, name: str, value: str) -> None:
        """Add a line to a field that may be repeated, such as Link or WWW-Authenticate."""
        self._pairs.append((check_name(name), check_value(value)))

    def add_vary(self, *names: str) -> None:
        """Add field names to Vary, each once. See: RFC 9110 12.5.5."""
        parts = [*",".join(self.getlist("vary")).split(","), *names]
        each = {part.strip(" \t").lower(): part.strip(" \t") for part in reversed(parts) if part.strip(" \t")}
        self["vary"] = "*" if "*" in each else ", ".join(reversed(each.values()))


def parse_parameters(text: str, escapable: str = "") -> tuple[str, list[Pair]]:
    """Split `value; name=token; name="quoted string"` in one forward pass.

    Args:
        text: the field value.
        escapable: what a backslash escapes inside quotes; "" is any character. File names from Windows need this.

    Returns:
        The value as it stands, and the parameters in order, names in lower case, quoted strings unquoted. What has
        no "=" is passed over. Repeated parameters are all there: it is the caller who must refuse or choose.

    See: RFC 9110 5.6.6.
    """
    first = text.find(";")
    if first < 0:
        return text.strip(" \t"), []
    parameters: list[Pair] = []
    value, position = text[:first].strip(" \t"), first + 1
    length = len(text)
    while position < length:
        equals, semicolon = text.find("=", position), text.find(";", position)
        if equals < 0:
            break
        if 0 <= semicolon < equals:  # parameters without "=": pass over all of them at once
            position = text.rfind(";", position, equals) + 1
            continue
        name = text[position:equals].strip(" \t").lower()
        start = equals + 1
        if text[start : start + 1] == '"':
            content, position = _quoted_string(text, start + 1, escapable)
            following = text.find(";", position)
            position = length if following < 0 else following + 1
        else:
            end = length if semicolon < 0 else semicolon
            content, position = text[start:end].strip(" \t"), end + 1
        parameters.append((name, content))
    return value, parameters


def _quoted_string(text: str, start: int, escapable: str) -> tuple[str, int]:
    """Give the content of the quoted string that opens before `start`, and the index behind it."""
    close = text.find('"', start)
    if close < 0:
        close = len(text)
    if "\\" not in text[start:close]:
        return text[start:close], close + 1
    content: list[str] = []
    position, length = start, len(text)
    while position < length:
        character = text[position]
        if character == '"':
            break
        following = text[position + 1 : position + 2]
        if character == "\\" and following and (not escapable or following in escapable):
            position += 1
            character = following
        content.append(character)
        position += 1
    return "".join(content), position + 1


def split_list(text: str) -> list[str]:
    """Split a comma-separated list, quoted strings left whole; empty elements are dropped.

    See: RFC 9110 5.6.1.
    """
    if '"' not in text:
        return [part for part in (piece.strip(" \t") for piece in text.split(",")) if part]
    parts: list[str] = []
    start, position, length = 0, 0, len(text)
    while position < length:
        character = text[position]
        if character == '"':
            position = _skip_quoted(text, position + 1)
            continue
        if character == ",":
            parts.append(text[start:position].strip(" \t"))
            start = position + 1
        position += 1
    parts.append(text[start:].strip(" \t"))
    return [part for part in parts if part]


def is_private(cache_control: str) -> bool:
    """Tell whether a Cache-Control keeps the whole answer out of caches that many share; `private="..."` does not.

    See: RFC 9111 5.2.2.5, 5.2.2.7.
    """
    return any(part.lower() in ("private", "no-store") for part in split_list(cache_control))


def _skip_quoted(text: str, position: int) -> int:
    """Give the index behind the quoted string that opens before `position`."""
    length = len(text)
    while position < length and text[position] != '"':
        position += 2 if text[position] == "\\" else 1
    return position + 1
