"""Lists of texts that an application is set up with."""

from typing import Any

import pytest

from ambi import App, ConfigurationError
from ambi.core.arguments import check_texts


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
