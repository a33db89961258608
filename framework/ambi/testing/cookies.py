"""The cookies that a client keeps, by the rules of user agents. See: RFC 6265 5.

Facts
- Without a Domain attribute a cookie goes back to its very host alone; with one, to that domain and what is below it.
- Without a Path attribute its path is that of the request, up to the last slash.
- Max-Age wins over Expires; either of them in the past deletes.
- A cookie that a test sets itself, without a domain, goes to every host.
"""

from __future__ import annotations

import time
from collections.abc import MutableMapping
from datetime import UTC, datetime

from ..core.cookies import MONTHS
from ..core.url import DIGITS
from .errors import CookieConflict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_DATE_DELIMITERS = dict.fromkeys(
    [0x09, *range(0x20, 0x30), *range(0x3B, 0x41), *range(0x5B, 0x61), *range(0x7B, 0x7F)], " "
)


class Cookie:
    """One cookie, as it is kept.

    Attributes:
        name, value: as they were sent.
        domain: where it is sent to; "" is everywhere.
        path: below which it is sent.
        host_only: not to what is below the domain.
        secure: over https alone.
        expires: seconds since the epoch; None for as long as the client lives.
    """

    __slots__ = ("domain", "expires", "host_only", "name", "path", "secure", "value")

    def __init__(self, name: str, value: str, *, domain: str = "", path: str = "/") -> None:
        self.name = name
        self.value = value
        self.domain = domain
        self.path = path
        self.host_only = False
        self.secure = False
        self.expires: float | None = None

    @property
    def is_expired(self) -> bool:
        """Whether its time is over."""
        return self.expires is not None and self.expires <= time.time()

    def goes_to(self, scheme: str, host: str, path: str) -> bool:
        """Tell whether it is sent with a request. See: RFC 6265 5.4."""
        return (
            (host == self.domain if self.host_only else not self.domain or _domain_matches(host, self.domain))
            and path_matches(path, self.path)
            and (not self.secure or scheme == "https")
            and not self.is_expired
        )

    def __repr__(self) -> str:
        return f"<Cookie {self.name}={self.value} for {self.domain or 'every host'}{self.path}>"


class Cookies(MutableMapping[str, str]):
    """The cookies of a client: a mapping of names to values, with a domain and a path where it matters.

    Raises:
        CookieConflict: on reading by name, when several cookies have it.

    Example:
        client.cookies["theme"] = "dark"
        client.cookies.set("theme", "light", domain="shop.example", path="/admin")
        assert client.cookies.get("theme", path="/admin") == "light"
    """

    def __init__(self, cookies: Mapping[str, str] | None = None) -> None:
        self._jar: dict[tuple[str, str, str], Cookie] = {}
        self.update(cookies or {})

    @property
    def jar(self) -> list[Cookie]:
        """All cookies that are not expired, with their attributes, in the order they came."""
        return [cookie for cookie in list(self._jar.values()) if not cookie.is_expired]  # a list: for several threads

    def set(self, name: str, value: str, domain: str = "", path: str = "/") -> None:
        """Keep a cookie, as if a server had set it. It goes to all hosts without a domain, and below its path."""
        cookie = Cookie(name, value, domain=domain.lstrip(".").lower(), path=path)
        self._jar[cookie.domain, path, name] = cookie

    def get(  # type: ignore[override]  # as httpx has it
        self, name: str, default: str | None = None, domain: str | None = None, path: str | None = None
    ) -> str | None:
        """Give the value of a cookie, of this domain and path if they are given; else the default.

        Raises:
            CookieConflict: there are several.
        """
        found = self._find(name, domain, path)
        if len(found) > 1:
            raise CookieConflict(f"there are several cookies named {name!r}: {found}; name a domain or a path")
        return found[0].value if found else default

    def delete(self, name: str, domain: str | None = None, path: str | None = None) -> None:
        """Forget a cookie, or all of that name; of this domain and path if given. Raises: KeyError for none."""
        found = self._find(name, domain, path)
        if not found:
            raise KeyError(name)
        for cookie in found:
            del self._jar[cookie.domain, cookie.path, name]

    def clear(self, domain: str | None = None, path: str | None = None) -> None:
        """Forget all cookies, or those of a domain, or of a path there."""
        self._jar = {
            key: cookie
            for key, cookie in self._jar.items()
            if not _is_of(cookie, domain, path)
        }  # fmt: skip

    def _find(self, name: str, domain: str | None, path: str | None) -> list[Cookie]:
        return [cookie for cookie in self.jar if cookie.name == name and _is_of(cookie, domain, path)]

    def __getitem__(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __setitem__(self, name: str, value: str) -> None:
        self.set(name, value)

    def __delitem__(self, name: str) -> None:
        self.delete(name)

    def __iter__(self) -> Iterator[str]:
        return iter({cookie.name: None for cookie in self.jar})

    def __len__(self) -> int:
        return len({cookie.name for cookie in self.jar})

    def __repr__(self) -> str:
        return f"<Cookies {self.jar}>"

    # --- what the client does with them ---

    def for_request(self, scheme: str, host: str, path: str) -> list[tuple[str, str]]:
        """Give the cookies that go with a request: those of longer paths first. See: RFC 6265 5.4."""
        if not self._jar:
            return []
        hostname = hostname_of(host)
        going = [cookie for cookie in list(self._jar.values()) if cookie.goes_to(scheme, hostname, path)]
        going.sort(key=lambda cookie: -len(cookie.path))
        return [(cookie.name, cookie.value) for cookie in going]

    def keep(self, line: str, host: str, path: str) -> None:
        """Take over a Set-Cookie line from the answer to a request. See: RFC 6265 5.2 and 5.3."""
        pair, *parts = line.split(";")
        name, equals, value = pair.partition("=")
        name = name.strip(" \t")
        if not equals or not name:
            return
        attributes = {key.strip(" \t").lower(): text.strip(" \t") for key, _, text in (p.partition("=") for p in parts)}
        host = hostname_of(host)
        cookie = Cookie(name, value.strip(" \t"), domain=attributes.get("domain", "").lstrip(".").lower())
        cookie.path = attributes["path"] if attributes.get("path", "")[:1] == "/" else default_path(path)
        cookie.secure = "secure" in attributes
        cookie.expires = _expiry(attributes)
        if not cookie.domain or cookie.domain == host:
            cookie.host_only, cookie.domain = not cookie.domain, host
        elif "." not in cookie.domain or not _domain_matches(host, cookie.domain):
            return  # another site's, or of all sites of a top-level domain
        key = cookie.domain, cookie.path, name
        if cookie.is_expired:
            self._jar.pop(key, None)
        else:
            self._jar[key] = cookie


def _is_of(cookie: Cookie, domain: str | None, path: str | None) -> bool:
    return (domain is None or cookie.domain == domain.lstrip(".").lower()) and (path is None or cookie.path == path)


def hostname_of(host: str) -> str:
    """Give a host without its port, in lower case."""
    end = host.find("]") + 1 if host[:1] == "[" else host.find(":")
    return (host[:end] if end > 0 else host).lower()


def _domain_matches(host: str, domain: str) -> bool:
    """Tell whether a host is a domain or below it; an address is below none. See: RFC 6265 5.1.3."""
    return host == domain or (host.endswith(f".{domain}") and not _is_address(host))


def _is_address(host: str) -> bool:
    return host[:1] == "[" or DIGITS.issuperset(host.replace(".", ""))


def path_matches(path: str, cookie_path: str) -> bool:
    """Tell whether a cookie's path covers a request's. See: RFC 6265 5.1.4."""
    return path == cookie_path or path.startswith(cookie_path if cookie_path[-1:] == "/" else cookie_path + "/")


def default_path(path: str) -> str:
    """Give the path of a cookie that names none: the request's, up to its last slash. See: RFC 6265 5.1.4."""
    return path[: path.rfind("/")] or "/" if path[:1] == "/" else "/"


def _expiry(attributes: Mapping[str, str]) -> float | None:
    """Give when a cookie expires, in seconds since the epoch; None for never. See: RFC 6265 5.2.1 and 5.2.2."""
    max_age = attributes.get("max-age", "")
    digits = max_age.removeprefix("-")
    if digits and DIGITS.issuperset(digits):
        return 0.0 if max_age[0] == "-" or int(max_age) == 0 else time.time() + int(max_age)
    return parse_cookie_date(attributes.get("expires", ""))


def parse_cookie_date(text: str) -> float | None:
    """Read the date of a cookie as user agents do, who take nearly anything; None for none. See: RFC 6265 5.1.1."""
    clock = day = month = year = None
    for token in text.translate(_DATE_DELIMITERS).split():
        leading = token[: len(token) - len(token.lstrip("0123456789"))]
        if clock is None and token.count(":") == 2:
            clock = _clock(token)
        elif day is None and 1 <= len(leading) <= 2:
            day = int(leading)
        elif month is None and token[:3].capitalize() in MONTHS:
            month = MONTHS.index(token[:3].capitalize()) + 1
        elif year is None and 2 <= len(leading) <= 4:
            year = int(leading)
    if clock is None or day is None or month is None or year is None:
        return None
    if year < 100:
        year += 1900 if year >= 70 else 2000
    try:
        return datetime(year, month, day, *clock, tzinfo=UTC).timestamp() if year >= 1601 else None
    except ValueError:
        return None


def _clock(token: str) -> tuple[int, int, int] | None:
    parts = token.split(":")
    if not all(DIGITS.issuperset(part) and 1 <= len(part) <= 2 for part in parts):
        return None
    hours, minutes, seconds = map(int, parts)
    return hours, minutes, seconds
