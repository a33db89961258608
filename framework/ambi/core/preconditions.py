"""What a conditional request says: entity tags and dates, and which answer follows for what one has."""

from __future__ import annotations

import time
from datetime import UTC

from .cookies import MONTHS, http_date
from .errors import HTTPError
from .headers import check_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime

    from .headers import Pair
    from .request import Request


class ETags:
    """The entity tags of an If-Match or If-None-Match header; false when the request has no such header.

    One that cannot be read, from its first character to its last, is a condition that nothing meets, so that a
    malformed If-Match lets no write pass. Empty members are none; lines of one name are one list (RFC 9110 5.3).

    Attributes:
        any: the header is `*`.
        strong, weak: the opaque tags, without quotes and `W/`.
        is_whole: those are all that it says; not so where it is malformed, and says nothing.
    """

    __slots__ = ("_is_given", "any", "is_whole", "strong", "weak")

    def __init__(self, header: str) -> None:
        self._is_given = header.strip(" \t") != ""
        self.any = header.strip(" \t") == "*"
        self.strong: set[str] = set()
        self.weak: set[str] = set()
        self.is_whole = self.any or not self._is_given or self._read(header)

    def _read(self, header: str) -> bool:
        """Take one tag after the other; tell whether that was all. See: RFC 9110 5.6.1.2, 8.8.3."""
        pieces = header.split('"')
        for index, tag in enumerate(pieces[1:-1:2]):
            gap = pieces[2 * index]
            mark = "W/" if gap.endswith("W/") else ""
            gap = gap.removesuffix(mark)
            if gap.strip(" \t,") or (index > 0 and "," not in gap):
                break
            (self.weak if mark else self.strong).add(tag)
        else:
            if len(pieces) > 1 and len(pieces) % 2 and not pieces[-1].strip(" \t,"):
                return True
        self.strong.clear()
        self.weak.clear()
        return False

    def matches_strong(self, etag: str) -> bool:
        """Compare an entity tag as If-Match does: both must be strong. See: RFC 9110 8.8.3.2."""
        return self.any or (not etag.startswith("W/") and etag.strip('"') in self.strong)

    def matches_weak(self, etag: str) -> bool:
        """Compare an entity tag as If-None-Match does: weakness does not count. See: RFC 9110 8.8.3.2."""
        opaque = etag.removeprefix("W/").strip('"')
        return self.any or opaque in self.strong or opaque in self.weak

    def __bool__(self) -> bool:
        return self._is_given

    def __repr__(self) -> str:
        return f"ETags(any={self.any}, strong={sorted(self.strong)}, weak={sorted(self.weak)})"


def evaluate(request: Request, etag: str, last_modified: str, *, exists: bool = True) -> int:
    """Give the status that the conditions of a request ask for: 200 to go on, 304 or 412.

    Args:
        etag: the entity tag of what there is, with its quotes; "" for none.
        last_modified: the HTTP date of its last modification; "" for unknown.
        exists: False where there is nothing yet, which a PUT would create.

    See: RFC 9110 13.2.2, whose order of steps this is.
    """
    is_safe = request.method in ("GET", "HEAD")
    if tags := request.if_match:
        if not exists or not (tags.any or (etag and tags.matches_strong(etag))):
            return 412
    elif (date := request.if_unmodified_since) is not None:
        modified = parse_http_date(last_modified)
        if modified is not None and modified > date:
            return 412
    if tags := request.if_none_match:
        is_met = not tags.any and not (etag and tags.matches_weak(etag))
        if exists and not (is_met and (is_safe or tags.is_whole)):  # what was not read may have named it
            return 304 if is_safe else 412
    elif is_safe and (date := request.if_modified_since) is not None:
        modified = parse_http_date(last_modified)
        if modified is not None and modified <= date:
            return 304
    return 200


def validators(etag: str | None, last_modified: datetime | float | None) -> list[Pair]:
    """Give the header fields that tell two versions of a resource apart.

    Raises:
        ValueError: a tag that cannot be sent, or a datetime that says no time zone.
    """
    pairs: list[Pair] = []
    if etag is not None:
        pairs.append(("etag", format_etag(etag)))
    if last_modified is not None:
        pairs.append(("last-modified", format_date(last_modified)))
    return pairs


def format_etag(etag: str) -> str:
    """Give an entity tag with its quotes, which may be left out. Raises: ValueError. See: RFC 9110 8.8.3."""
    opaque = etag.removeprefix("W/")
    if len(opaque) >= 2 and opaque[0] == opaque[-1] == '"':
        opaque = opaque[1:-1]
    elif opaque != etag:
        opaque = etag
    if '"' in opaque or any(c <= " " or c == "\x7f" for c in opaque):
        raise ValueError(f"the entity tag {etag!r:.80} holds a quote, a space or a control character (RFC 9110 8.8.3)")
    return check_value(f'W/"{opaque}"' if etag.startswith('W/"') else f'"{opaque}"')


def format_date(moment: datetime | float) -> str:
    """Give the HTTP date of a modification, which is never later than now (RFC 9110 8.8.2.1).

    Raises:
        ValueError: a datetime without a time zone.
    """
    if not isinstance(moment, (int, float)):
        if moment.tzinfo is None:
            raise ValueError(f"{moment!r} says no time zone: make it aware, as datetime.now(UTC) is")
        moment = moment.timestamp()
    return http_date(min(moment, time.time()))


def refused() -> HTTPError:
    """Make the 412 of a condition that does not hold."""
    return HTTPError(412, "what is there is another version than the request asks for")


def holds_if_range(header: str, etag: str, last_modified: str, now: float) -> bool:
    """Tell whether a Range is still about the same bytes, as If-Range asks; without that header it is.

    Args:
        etag, last_modified: as for `evaluate`.
        now: seconds since the epoch. A date that is not over yet is no strong validator: what was modified in this
            very second may be modified again within it (RFC 9110 8.8.2.2).

    See: RFC 9110 13.1.5.
    """
    header = header.strip(" \t")
    if not header:
        return True
    if '"' in header:
        return header == etag and etag.startswith('"')  # one tag, no list, compared strongly
    date = parse_http_date(header)
    return date is not None and date == parse_http_date(last_modified) and now - date.timestamp() >= 1


def parse_http_date(text: str) -> datetime | None:
    """Read an HTTP date in any of its three forms; None for what is none, as RFC 9110 13.1.3 asks.

    Returns:
        An aware datetime in UTC. Two-digit years are taken within 50 years of now.

    See: RFC 9110 5.6.7.
    """
    if not text:
        return None
    words = text.replace(",", " ").replace("-", " ").split(" ")
    words = [word for word in words if word]
    try:
        if len(words) == 6:  # Sun, 06 Nov 1994 08:49:37 GMT  |  Sunday, 06-Nov-94 08:49:37 GMT
            _, day, month, year, clock, zone = words
        else:  # Sun Nov  6 08:49:37 1994
            _, month, day, clock, year = words
            zone = "GMT"
        return _utc(year, month, day, clock) if zone == "GMT" else None
    except ValueError:
        return None


def _utc(year: str, month: str, day: str, clock: str) -> datetime:
    from datetime import datetime  # loaded only when a conditional request comes

    hour, minute, second = map(_digits, clock.split(":"))
    if second == 60:  # a leap second, which datetime does not know
        second = 59
    number = _digits(year)
    if len(year) not in (2, 4):
        raise ValueError(year)
    if len(year) == 2:
        this_year = datetime.now(UTC).year
        number += this_year - this_year % 100
        if number > this_year + 50:
            number -= 100
    return datetime(number, MONTHS.index(month) + 1, _digits(day), hour, minute, second, tzinfo=UTC)


def _digits(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 4:
        raise ValueError(text)
    return int(text)
