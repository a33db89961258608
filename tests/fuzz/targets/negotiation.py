"""Accept, Accept-Encoding, Accept-Language: an offer or none, the same however the field is written."""

from __future__ import annotations

from collections.abc import Iterator

from ambi.core.negotiation import _best_encoding, best_encoding, best_language, best_media_type, parse_accept
from tests.fuzz.finding import found, of_corpus, table, values_of
from tests.fuzz.properties import check_work

TYPES = ("text/html", "application/json", "text/plain;charset=utf-8", "a/b;c=d")
LANGUAGES = ("en", "de-CH", "de", "zh-Hant-TW")
CODINGS = ("gzip", "br", "identity")


def check(data: bytes) -> None:
    """Check one field value as each of the three."""
    text = data.decode("latin-1")
    ranges = parse_accept(text)
    assert len(ranges) <= 256
    assert all(0 <= quality <= 1 and accepted and accepted == accepted.lower() for accepted, quality in ranges)
    media_type, language = best_media_type(text, TYPES), best_language(text, LANGUAGES)
    assert media_type is None or media_type in TYPES
    assert language is None or language in LANGUAGES
    for offers in (CODINGS, CODINGS[:1], ()):
        coding = best_encoding(text, offers)
        assert coding in ("identity", *offers)
        assert coding == _best_encoding(text, offers) or not text
    if not ranges:
        assert (media_type, language) == (TYPES[0], LANGUAGES[0])
    if text.isascii():
        assert best_media_type(text.upper(), TYPES) == media_type
        assert best_language(text.upper(), LANGUAGES) == language
    if len(text) > 1 and len(ranges) < 200:
        assert best_media_type(f", {text}", TYPES) == media_type
        _check_refused(text, media_type)
    check_work(
        data, lambda large: (parse_accept(large.decode("latin-1")), best_language(large.decode("latin-1"), LANGUAGES))
    )


def _check_refused(text: str, media_type: str | None) -> None:
    """A range that refuses everything comes after all others that name something."""
    if media_type is not None and "*" not in text and parse_accept(text) and '"' not in text:
        assert best_media_type(f"*/*;q=0, {text}", TYPES) == media_type


def seeds() -> Iterator[bytes]:
    """Give field values."""
    yield from found("negotiation")
    yield b"a/b;q=1.5, text/html;q=1.000, */*;q=.5"
    for name in ("accept", "accept-encoding", "accept-language"):
        yield from table(name, "header")
        yield from of_corpus("headers", values_of(name))
