import contextlib
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any, Literal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ambi.core.converters import CONVERTERS, converter_for
from tests.core.scaling import assert_linear
from tests.core.vectors import vectors


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("str", "a b", "a b"),
        ("str", "٣", "٣"),
        ("path", "a/b//c", "a/b//c"),
        ("int", "0", 0),
        ("int", "42", 42),
        ("int", "007", 7),
        ("int", "9223372036854775807", 9223372036854775807),
        ("int", "0" * 30 + "7", 7),
        ("float", "1", 1.0),
        ("float", "1.50", 1.5),
        ("decimal", "1.50", Decimal("1.50")),
        ("decimal", "0.1", Decimal("0.1")),
        ("date", "2024-02-29", date(2024, 2, 29)),
        ("uuid", "12345678-1234-5678-1234-56781234abcd", UUID("12345678-1234-5678-1234-56781234abcd")),
        ("uuid", "12345678-1234-5678-1234-56781234ABCD", UUID("12345678-1234-5678-1234-56781234abcd")),
    ],
)
def test_text_becomes_a_value(name: str, text: str, value: object) -> None:
    found = CONVERTERS[name].convert(text)
    assert found == value
    assert type(found) is type(value)


@vectors("converters-refused", "name", "text")
def test_text_of_another_form_is_no_match(name: str, text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # any: it is caught by the matcher and never shown
        CONVERTERS[name].convert(text)


@pytest.mark.parametrize("text", ["9223372036854775808", "18446744073709551615", "9" * 20, "1" + "0" * 40])
def test_an_integer_that_no_database_holds_is_no_match(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        CONVERTERS["int"].convert(text)


@pytest.mark.parametrize(("name", "digits"), [("int", 5000), ("float", 400)])
def test_a_number_too_long_to_convert_is_no_match(name: str, digits: int) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        CONVERTERS[name].convert("9" * digits)


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "str": st.text(min_size=1),
    "path": st.text(min_size=1),
    "int": st.integers(0, 2**63 - 1),
    "float": st.floats(0, allow_infinity=False),
    "decimal": st.decimals(0, 10**60, allow_nan=False),
    "date": st.dates(),
    "uuid": st.uuids(),
}


@pytest.mark.parametrize("name", CONVERTERS)
@given(data=st.data())
def test_a_value_comes_back_from_its_text(name: str, data: st.DataObject) -> None:
    value = data.draw(VALUES[name])
    converter = CONVERTERS[name]
    assert converter.convert(converter.format(value)) == value


@pytest.mark.parametrize("name", ["date", "uuid"])
@given(data=st.data())
def test_a_value_has_one_text(name: str, data: st.DataObject) -> None:
    """Two texts of one value would be two URLs of one thing."""
    converter = CONVERTERS[name]
    text = list(converter.format(data.draw(VALUES[name])))
    first, second = data.draw(st.integers(0, len(text) - 1)), data.draw(st.integers(0, len(text) - 1))
    text[first], text[second] = text[second], text[first]
    try:
        value = converter.convert("".join(text))
    except ValueError:
        return
    assert converter.format(value) == "".join(text)


class Colour(Enum):
    RED = "red"
    GREEN = 2
    VERT = GREEN


class Level(IntEnum):
    HIGH = 3


@pytest.mark.parametrize(
    ("annotation", "texts"),
    [
        (Colour, {"red": Colour.RED, "2": Colour.GREEN}),
        (Level, {"3": Level.HIGH}),
        (Literal["a", 1, "b c"], {"a": "a", "1": 1, "b c": "b c"}),
    ],
)
def test_a_choice_takes_its_values_and_no_others(annotation: Any, texts: dict[str, object]) -> None:
    converter = converter_for(annotation)
    assert converter is not None
    assert {text: converter.convert(text) for text in texts} == texts
    assert {converter.format(value) for value in texts.values()} == set(texts)
    for other in ("", "RED", "Red", "Colour.RED", "01", " a", "GREEN", "HIGH"):
        with pytest.raises(ValueError, match=f"^{other}$"):
            converter.convert(other)


@pytest.mark.parametrize("annotation", [Colour, Level, Literal["a", "b"], int, str, UUID, date, Decimal, float])
def test_one_annotation_has_one_converter(annotation: Any) -> None:
    """Routes of several methods share a path only if they share its converters."""
    assert converter_for(annotation) is converter_for(annotation) is not None


def test_enums_of_one_name_are_different() -> None:
    def make(value: str) -> Any:
        return Enum("Size", {"ONE": value})

    first, second = converter_for(make("1")), converter_for(make("one"))
    assert first is not None
    assert second is not None
    assert first is not second


@pytest.mark.parametrize("annotation", [bool, bytes, list, list[int], int | None, object, None, Any, Callable, 7])
def test_other_annotations_have_no_converter(annotation: Any) -> None:
    assert converter_for(annotation) is None


@pytest.mark.parametrize("name", CONVERTERS)
def test_converters_take_linear_time(name: str) -> None:
    def convert(text: str) -> None:
        with contextlib.suppress(ValueError):
            CONVERTERS[name].convert(text)

    for piece in ("1", ".", "-", "a"):
        assert_linear(lambda n, piece=piece: piece * n, convert)  # type: ignore[misc]
