"""A secret is in no repr, and is a value like any other to whoever asks for it."""

import copy
import dataclasses
import json
import pickle
import traceback
from typing import Any

import pytest

from ambi.features.settings import Secret


@pytest.mark.parametrize(
    "show", [repr, str, format, "{:>40}".format, "{!r:>8}".format, lambda one: f"{[one]}", "%s".__mod__]
)
def test_a_secret_is_masked_however_it_is_shown(show: Any) -> None:
    shown = show(Secret("hush"))
    assert "hush" not in shown
    assert "Secret('…')" in shown


def test_it_is_masked_in_a_dataclass_and_in_the_locals_of_a_traceback() -> None:
    @dataclasses.dataclass
    class Holder:
        key: Secret[str]

    holder = Holder(Secret("hush"))
    try:
        raise ValueError
    except ValueError as exc:
        shown = traceback.TracebackException.from_exception(exc, capture_locals=True).format()
    assert "hush" not in repr(holder) + "".join(shown).replace('"hush"', "")


def test_it_is_no_json() -> None:
    with pytest.raises(TypeError):
        json.dumps(Secret("hush"))


def test_who_asks_gets_it() -> None:
    assert Secret("hush").reveal() == "hush"


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_copy_is_a_secret_as_well(again: Any) -> None:
    copied = again(Secret("hush"))
    assert (type(copied), copied, copied.reveal()) == (Secret, Secret("hush"), "hush")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("a", "a", True), ("a", "b", False), (b"a", b"a", True), ("a", b"a", False), ("é\ud800", "é\ud800", True),
        (1, 1, True), (1, "1", False), (["a"], ["a"], True),
    ],
)  # fmt: skip
def test_secrets_are_compared_by_what_they_hold(one: Any, other: Any, same: bool) -> None:
    assert (Secret(one) == Secret(other)) is same


def test_a_secret_equals_no_text() -> None:
    assert Secret("a") != "a"


def test_it_is_hashable_and_has_the_truth_of_its_value() -> None:
    assert {Secret("a"), Secret("a")} == {Secret("a")}
    assert (bool(Secret("a")), bool(Secret(""))) == (True, False)


def test_it_is_immutable() -> None:
    with pytest.raises(AttributeError, match="immutable, so its '_value' cannot be set"):
        Secret("a")._value = "b"  # type: ignore[misc]
