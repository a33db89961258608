"""Content negotiation: which of our offers a client likes best.

Facts
- The quality of an offer is the one of the most specific range that matches it (RFC 9110 12.5.1).
- Among offers of one quality the one matched most specifically wins, then the one offered first.
- A malformed element is passed over; a missing header, and one with nothing in it, accepts everything.
"""

from __future__ import annotations

from functools import lru_cache

from .headers import parse_parameters, split_list

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_MAX_ELEMENTS = 256
Range = tuple[str, float]


def parse_accept(header: str) -> list[Range]:
    """Read an Accept-like header into (range in lower case with its parameters, quality) pairs, in order."""
    ranges: list[Range] = []
    for element in split_list(header)[:_MAX_ELEMENTS]:
        value, parameters = parse_parameters(element)
        quality: float | None = 1.0
        for index, (name, content) in enumerate(parameters):
            if name == "q":
                quality = parse_quality(content)
                parameters = parameters[:index]
                break
        if value and quality is not None:
            ranges.append((";".join([value.lower(), *(f"{n}={c.lower()}" for n, c in parameters)]), quality))
    return ranges


def parse_quality(text: str) -> float | None:
    """Read a qvalue, also one without its zero as Java's clients send; None when it is none. See: RFC 9110 12.4.2."""
    whole, _, fraction = text.partition(".")
    if (
        whole not in ("", "0", "1")
        or not whole + fraction
        or len(fraction) > 3
        or not all("0" <= digit <= "9" for digit in fraction)
    ):
        return None
    quality = float(text if fraction else whole)
    return quality if quality <= 1 else None


def best_media_type(header: str | None, offers: Sequence[str]) -> str | None:
    """Choose a media type by an Accept header; None when no offer is acceptable. See: RFC 9110 12.5.1."""
    return _best(header, offers, _media_specificity)


def best_language(header: str | None, offers: Sequence[str]) -> str | None:
    """Choose a language tag by an Accept-Language header; None when no offer is acceptable.

    An offer matches a range that is a prefix of it (`en` takes `en-GB`); where no offer does, ranges are shortened
    from the end (`en-GB` falls back to `en`). See: RFC 4647 3.3.1 and 3.4.
    """
    chosen = _best(header, offers, _language_specificity)
    if chosen is not None or not header:
        return chosen
    refused = [accepted for accepted, quality in parse_accept(header) if quality == 0]
    left = [o for o in offers if not any(_language_specificity(accepted, o.lower()) for accepted in refused)]
    return _best(header, left, _language_fallback)


def best_encoding(header: str | None, offers: Sequence[str]) -> str:
    """Choose a content coding by an Accept-Encoding header; "identity" when none is wanted.

    See: RFC 9110 12.5.3.
    """
    if not header:
        return "identity"
    if len(header) < _SHORT:  # a handful of browsers send a handful of them, with every request
        return _remembered(header, tuple(offers))
    return _best_encoding(header, offers)


_SHORT = 128


@lru_cache(256)
def _remembered(header: str, offers: tuple[str, ...]) -> str:
    return _best_encoding(header, offers)


def _best_encoding(header: str, offers: Sequence[str]) -> str:
    ranges = dict(parse_accept(header))
    wildcard = ranges.get("*", 0.0)
    qualities = {offer: ranges.get(offer.lower(), wildcard) for offer in offers}
    if "identity" not in qualities:
        qualities["identity"] = ranges.get("identity", 0.0)
    best = max(qualities, key=lambda offer: qualities[offer])
    return best if qualities[best] > 0 else "identity"


def _best(header: str | None, offers: Sequence[str], specificity: Callable[[str, str], int]) -> str | None:
    if not offers:
        return None
    ranges = parse_accept(header) if header else []
    if not ranges:
        return offers[0]
    chosen, chosen_rank = None, (0.0, 0)
    for offer in offers:
        matched, quality = 0, 0.0
        for accepted, q in ranges:
            rank = specificity(accepted, offer.lower())
            if rank and (rank, q) > (matched, quality):
                matched, quality = rank, q
        if quality > 0 and (quality, matched) > chosen_rank:
            chosen, chosen_rank = offer, (quality, matched)
    return chosen


def _media_specificity(accepted: str, offer: str) -> int:
    """How precisely a media range matches an offer: 0 not at all, 1 `*/*`, 2 `text/*`, 3 and more the type itself."""
    range_type, _, range_parameters = accepted.partition(";")
    if range_type in ("*/*", "*"):
        return 1
    offer_type, _, offer_parameters = offer.partition(";")
    if range_type == offer_type.strip(" \t"):
        wanted = [p for p in range_parameters.split(";") if p]
        present = {p.strip(" \t").replace('"', "") for p in offer_parameters.split(";")}
        return 3 + len(wanted) if present.issuperset(wanted) else 0
    if range_type.endswith("/*") and offer_type.startswith(range_type[:-1]):
        return 2
    return 0


def _language_specificity(accepted: str, offer: str) -> int:
    if accepted == "*":
        return 1
    if offer == accepted or offer.startswith(accepted + "-"):
        return 2 + accepted.count("-") + (offer == accepted)
    return 0


def _language_fallback(accepted: str, offer: str) -> int:
    # What is left of a range when it is shortened from the end is a prefix of it that ends at a hyphen.
    return 2 + offer.count("-") if accepted.startswith(offer + "-") else 0
