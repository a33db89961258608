"""Lists of texts that an application is set up with."""

from typing import Any

import pytest

from ambi import App, ConfigurationError
from ambi.core.arguments import check_function, check_texts, check_whole


@pytest.mark.parametrize("given", [["a", "b"], ("a", "b"), {"a": 1, "b": 2}, iter("ab")])
def test_whatever_gives_texts_is_a_list(given: Any) -> None:
    assert check_texts("names", given) == ("a", "b")


def test_one_text_is_no_list() -> None:
    with pytest.raises(ConfigurationError, match=r"names= takes a list, as names=\['a'\], not one text"):
        check_texts("names", "a")


@pytest.mark.parametrize("given", [None, 5, b"a", [b"a"], ["a", None]])
def test_what_holds_no_texts_is_refused(given: Any) -> None:
    with pytest.raises(ConfigurationError, match="names= takes a list of texts, not "):
        check_texts("names", given)


@pytest.mark.parametrize("methods", ["GET", None, [b"GET"]])
def test_a_list_of_a_route_is_refused_with_the_place_of_its_handler(methods: Any) -> None:
    def handler() -> None: ...

    with pytest.raises(ConfigurationError, match=r"handler \(.*test_arguments\.py:\d+\): methods= takes a list"):
        App().route("/", methods=methods)(handler)


def test_codings_are_a_list() -> None:
    with pytest.raises(ConfigurationError, match="codings= takes a list"):
        App().compression(codings="gzip")


@pytest.mark.parametrize("value", [0, 2**40])
def test_a_whole_number_comes_back(value: int) -> None:
    assert check_whole("age", value, least=0) == value


@pytest.mark.parametrize("value", [-1, 1.0, "1", None, True])
def test_what_is_no_whole_number_is_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^age= is a whole number, 0 or more, not "):
        check_whole("age", value, least=0)


def test_a_whole_number_may_have_a_greatest() -> None:
    assert check_whole("port", 65535, least=1, most=65535) == 65535
    for value in (0, 65536):
        with pytest.raises(ConfigurationError, match=f"^port= is a whole number, from 1 to 65535, not {value}$"):
            check_whole("port", value, least=1, most=65535)


def test_a_function_can_be_called() -> None:
    check_function("by", str)
    with pytest.raises(ConfigurationError, match="by= is a function, not 'user'"):
        check_function("by", "user")
