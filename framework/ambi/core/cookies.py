r"""Cookies: a reader that is lenient in one forward pass, a writer that is strict.

Facts
- The standard library's `http.cookies` takes seconds on a hostile header; it is not used.
- Only space and tab surround a name; other white space is part of it, so `\xa0__Host-a` is not `__Host-a`.
- Names are never percent-decoded. The first cookie of a name wins: user agents send the longer path first
  (RFC 6265 5.4).
"""

from __future__ import annotations

import time

from .headers import is_token

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

_OCTETS = frozenset("!#$%&'()*+-./0123456789:<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_`abcdefghijklmnopqrstuvwxyz{|}~")
MAX_COOKIE_BYTES = 4096
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def parse_cookies(header: str, max_cookies: int, max_bytes: int) -> dict[str, str]:
    """Read a Cookie header.

    Args:
        header: the latin-1 reading of the bytes received, lines joined with "; ".
        max_cookies, max_bytes: what is beyond them is ignored.

    See: RFC 6265 4.2.1 and 5.4.
    """
    if len(header) > max_bytes:  # half a cookie is none
        header = header[: max(header.rfind(";", 0, max_bytes + 1), 0)]
    cookies: dict[str, str] = {}
    for name, value in _cookie_pairs(header):
        if name not in cookies:
            if len(cookies) >= max_cookies:
                break
            cookies[name] = value
    return cookies


def _cookie_pairs(header: str) -> Iterator[tuple[str, str]]:
    if not header.isascii():
        header = header.encode("latin-1").decode("utf-8", "replace")
    for part in header.split(";"):
        name, equals, value = part.partition("=")
        name = name.strip(" \t")
        if equals and name:
            value = value.strip(" \t")
            yield name, _unquote(value) if value[:1] == '"' else value


def _unquote(value: str) -> str:
    """Undo the quoting of old cookie writers: backslash escapes and three octal digits."""
    if len(value) < 2 or value[-1] != '"':
        return value
    inner = value[1:-1]
    if "\\" not in inner:
        return inner
    out: list[str] = []
    position = 0
    while position < len(inner):
        character = inner[position]
        octal = inner[position + 1 : position + 4]
        if (
            character == "\\"
            and len(octal) == 3
            and octal[0] in "0123"
            and octal[1] in "01234567"
            and octal[2] in "01234567"
        ):
            out.append(chr(int(octal, 8)))
            position += 4
        elif character == "\\" and octal:
            out.append(octal[0])
            position += 2
        else:
            out.append(character)
            position += 1
    return "".join(out)


def _quote(value: str) -> str:
    if _OCTETS.issuperset(value):
        return value
    escaped = "".join(c if c in _OCTETS or c == " " else f"\\{ord(c):03o}" if c in ",;" else f"\\{c}" for c in value)
    return f'"{escaped}"'


class SetCookie:
    """One cookie to set; becomes a header line when it is known over which connection it is sent.

    Args:
        name: a token. `__Host-` and `__Secure-` names must keep their promises (RFC 6265bis 4.1.3).
        value: printable ASCII; what is no cookie octet is quoted.
        max_age: seconds; None is a session cookie.
        expires: an aware datetime; prefer max_age.
        path, domain: where the cookie is sent to.
        secure: None is True but for plain http to a loopback host.
        httponly: scripts cannot read the cookie.
        samesite: "lax", "strict" or "none".
        partitioned: kept apart for each embedding site.

    Attributes:
        key: what it has in common with those that it takes the place of.

    Raises:
        ValueError: name, value or attributes cannot be sent, contradict each other, or pass 4 KiB.
    """

    __slots__ = ("attributes", "key", "name", "secure", "value")

    def __init__(
        self,
        name: str,
        value: str,
        *,
        max_age: int | None = None,
        expires: datetime | None = None,
        path: str = "/",
        domain: str | None = None,
        secure: bool | None = None,
        httponly: bool = True,
        samesite: str = "lax",
        partitioned: bool = False,
    ) -> None:
        if not is_token(name):
            raise ValueError(f"{name!r} is no cookie name: a token was expected (RFC 6265 4.1.1)")
        if not (value.isascii() and value.isprintable()):
            raise ValueError(f"the value of cookie {name!r} must be printable ASCII; percent- or base64-encode it")
        if expires is not None and expires.tzinfo is None:
            raise ValueError(f"the expiry of cookie {name!r} has no time zone; give an aware datetime, or max_age")
        if samesite.lower() not in ("lax", "strict", "none"):
            raise ValueError(f"samesite must be 'lax', 'strict' or 'none', not {samesite!r}")
        if secure is False and (samesite.lower() == "none" or partitioned):
            raise ValueError(f"cookie {name!r}: samesite='none' and partitioned need secure (RFC 6265bis 5.7)")
        if name.lower().startswith("__host-") and (secure is False or path != "/" or domain):
            raise ValueError(f"cookie {name!r} needs secure, path='/' and no domain (RFC 6265bis 4.1.3.2)")
        if name.lower().startswith("__secure-") and secure is False:
            raise ValueError(f"cookie {name!r} needs secure (RFC 6265bis 4.1.3.1)")
        self.name = name
        self.key = (name, (domain or "").lower(), path, partitioned)  # one cookie to user agents (RFC 6265bis 5.7)
        self.value = _quote(value)
        if len(name) + len(self.value) > MAX_COOKIE_BYTES:
            raise ValueError(f"cookie {name!r} takes {len(name) + len(self.value)} bytes; user agents keep 4096")
        must_be_secure = samesite.lower() == "none" or partitioned or name.lower().startswith(("__host-", "__secure-"))
        self.secure = True if must_be_secure else secure
        self.attributes = "".join((
            "" if max_age is None else f"; Max-Age={int(max_age)}",
            "" if expires is None else f"; Expires={http_date(expires.timestamp())}",
            f"; Domain={_attribute('domain', domain)}" if domain else "",
            f"; Path={_attribute('path', path)}",
            "; HttpOnly" if httponly else "",
            f"; SameSite={samesite.capitalize()}",
            "; Partitioned" if partitioned else "",
        ))  # fmt: skip

    def header_value(self, *, loopback: bool) -> str:
        """Write the header line; `loopback`: the request came by plain http to a loopback host."""
        secure = not loopback if self.secure is None else self.secure
        return f"{self.name}={self.value}{self.attributes}{'; Secure' if secure else ''}"


def _attribute(name: str, value: str) -> str:
    if ";" in value or not (value.isascii() and value.isprintable()):
        raise ValueError(f"cookie {name} {value!r}: printable ASCII without a semicolon was expected (RFC 6265 4.1.1)")
    return value


def http_date(timestamp: float) -> str:
    """Write seconds since the epoch as an IMF-fixdate. See: RFC 9110 5.6.7."""
    t = time.gmtime(timestamp)
    day = f"{DAYS[t.tm_wday]}, {t.tm_mday:02} {MONTHS[t.tm_mon - 1]} {t.tm_year:04}"
    return f"{day} {t.tm_hour:02}:{t.tm_min:02}:{t.tm_sec:02} GMT"
