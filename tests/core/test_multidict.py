import pytest

from ambi.core.multidict import MultiDict

SAMPLE = MultiDict([("b", "1"), ("a", "2"), ("b", "3"), ("a", "4")])


def test_a_repeated_name_has_its_first_value_and_all_of_them() -> None:
    assert SAMPLE["b"] == SAMPLE.get("b") == "1"
    assert SAMPLE.getlist("b") == ["1", "3"]
    assert SAMPLE.getlist("c") == []


def test_names_come_once_in_the_order_they_first_came() -> None:
    assert list(SAMPLE.items()) == [("b", "1"), ("a", "2")]
    assert len(SAMPLE) == 2


def test_all_pairs_come_in_the_order_received() -> None:
    assert SAMPLE.pairs() == (("b", "1"), ("a", "2"), ("b", "3"), ("a", "4"))


def test_a_missing_name_has_the_default() -> None:
    assert SAMPLE.get("c") is None
    assert SAMPLE.get("c", "x") == "x"
    assert "c" not in SAMPLE
    with pytest.raises(KeyError):
        SAMPLE["c"]


def test_two_are_equal_when_all_their_pairs_are() -> None:
    same, other = MultiDict(SAMPLE.pairs()), MultiDict([("b", "1"), ("a", "2")])
    assert same == SAMPLE
    assert hash(same) == hash(SAMPLE)
    assert other != SAMPLE
    assert other != dict(other)


def test_it_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        SAMPLE["b"] = "2"  # type: ignore[index]


def test_it_shows_its_pairs() -> None:
    assert repr(MultiDict([("a", 1), ("a", 2)])) == "MultiDict([('a', 1), ('a', 2)])"
