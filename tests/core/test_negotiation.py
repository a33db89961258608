from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ambi.core.negotiation import best_encoding, best_language, best_media_type, parse_accept, parse_quality
from tests.core.scaling import assert_linear
from tests.core.vectors import vectors


@vectors("accept", "header", "offers", "best")
def test_a_media_type_is_chosen(header: str | None, offers: list[str], best: str | None) -> None:
    assert best_media_type(header, offers) == best


@vectors("accept-language", "header", "offers", "best")
def test_a_language_is_chosen(header: str | None, offers: list[str], best: str | None) -> None:
    assert best_language(header, offers) == best


@vectors("accept-encoding", "header", "offers", "best")
def test_a_coding_is_chosen(header: str | None, offers: list[str], best: str) -> None:
    assert best_encoding(header, offers) == best


@pytest.mark.parametrize(
    ("text", "quality"),
    [
        ("1", 1),
        ("0", 0),
        ("1.", 1),
        ("0.", 0),
        ("1.0", 1),
        ("1.000", 1),
        ("0.5", 0.5),
        ("0.123", 0.123),
        ("", None),
        (".5", 0.5),
        ("1.001", None),
        ("1.5", None),
        ("2", None),
        ("-0", None),
        ("+1", None),
        ("0.1234", None),
        ("1e0", None),
        ("0x1", None),
        ("nan", None),
        ("inf", None),
        ("0.٥", None),
        ("٠", None),
        ("0_1", None),
        ("0.1.2", None),
        ("0.-1", None),
        ("0. 1", None),
    ],
)
def test_a_quality_is_that_of_the_grammar_or_none(text: str, quality: float | None) -> None:
    assert parse_quality(text) == quality


def test_ranges_come_in_order_with_their_parameters_and_qualities() -> None:
    assert parse_accept('Text/HTML;Level=1;q=0.5;ext=1, */*, ;q=1, a/b;q=9, "x"') == [
        ("text/html;level=1", 0.5), ("*/*", 1.0), ('"x"', 1.0)
    ]  # fmt: skip


# --- against a model that is slow, and says what RFC 9110 12.5.1 says ---


class Element(NamedTuple):
    type: str
    parameters: frozenset[str]
    quality: float

    def __str__(self) -> str:
        return ";".join([self.type, *sorted(self.parameters), f"q={self.quality:.1f}"])

    def specificity(self, offer: tuple[str, frozenset[str]]) -> int:
        """Give 0 for a range that does not match, else how specific it is."""
        offer_type, offer_parameters = offer
        if self.type == "*/*":
            return 1
        if self.type.endswith("/*"):
            return 2 if self.type.split("/")[0] == offer_type.split("/")[0] else 0
        return 3 + len(self.parameters) if self.type == offer_type and self.parameters <= offer_parameters else 0


PARAMETERS = st.frozensets(st.sampled_from(["x=1", "x=2", "y=1"]), max_size=2)
TYPES = st.sampled_from(["a/a", "a/b", "b/a", "b/b"])
ELEMENTS = st.builds(
    Element, TYPES | st.sampled_from(["*/*", "a/*", "b/*"]), PARAMETERS, st.integers(0, 10).map(lambda n: n / 10)
)
OFFERS = st.lists(st.tuples(TYPES, PARAMETERS), min_size=1, max_size=4)


def choose_slowly(elements: list[Element], offers: list[tuple[str, frozenset[str]]]) -> int | None:
    """Give the index of the best offer."""
    ranked = []
    for index, offer in enumerate(offers):
        matches = [(element.specificity(offer), element.quality) for element in elements if element.specificity(offer)]
        specificity, quality = max(matches, default=(0, 0.0))
        if quality > 0:
            ranked.append((-quality, -specificity, index))
    return min(ranked)[2] if ranked else None


@given(st.lists(ELEMENTS, min_size=1, max_size=6), OFFERS)
def test_the_choice_is_that_of_a_slow_model(elements: list[Element], offers: list[tuple[str, frozenset[str]]]) -> None:
    written = [";".join([media_type, *sorted(parameters)]) for media_type, parameters in offers]
    index = choose_slowly(elements, offers)
    assert best_media_type(", ".join(map(str, elements)), written) == (None if index is None else written[index])


@given(st.text('a/*;,q=01.5" -', max_size=40), st.sampled_from([best_media_type, best_language, best_encoding]))
def test_no_header_breaks_a_choice(header: str, choose: object) -> None:
    offers = ["a/a", "a", "a-a"]
    assert choose(header, offers) in (None, "identity", *offers)  # type: ignore[operator]


def test_a_header_of_ever_more_elements_costs_no_more() -> None:
    assert best_media_type("x/y, " * 255 + "a/b", ["a/b"]) == "a/b"
    assert best_media_type("x/y, " * 256 + "a/b", ["a/b"]) is None


# --- time ---


@pytest.mark.parametrize("piece", [",", "a/b,", ";", ";q=0.5", '"', '",', "a/b;q=0.1,", "\\", "a-", ";x=1", " ,"])
def test_negotiation_takes_linear_time(piece: str) -> None:
    for start in ("", 'a/b;x="'):
        for choose in (best_media_type, best_language, best_encoding):
            assert_linear(
                lambda n, start=start: start + piece * n,  # type: ignore[misc]
                lambda header, choose=choose: choose(header, ["a/b", "b/c"]),  # type: ignore[misc]
                size=1000,
            )
