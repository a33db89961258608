"""An event is checked when it is made, and cannot be changed. Nothing is served here, so there is no cell."""

import copy
import pickle
from typing import Any

import pytest

from ambi import Event


def test_an_event_holds_what_it_was_given() -> None:
    event = Event({"a": 1}, event="quote", id="7", retry=100, comment="hello")
    assert (event.data, event.event, event.id, event.retry, event.comment) == ({"a": 1}, "quote", "7", 100, "hello")
    assert repr(event) == "Event({'a': 1}, event='quote', id='7', retry=100, comment='hello')"
    assert repr(Event(id="7")) == "Event(id='7')"


def test_an_event_cannot_be_changed() -> None:
    event = Event("a")
    with pytest.raises(AttributeError, match="tried to set 'data'"):
        event.data = "b"
    with pytest.raises(AttributeError, match="tried to delete 'id'"):
        del event.id
    with pytest.raises(AttributeError):
        event.other = 1


def test_events_are_equal_by_what_they_hold() -> None:
    assert Event("a", id="1") == Event("a", id="1") != Event("a", id="2")
    assert Event("a") != "a"
    assert len({Event({}, id="1"), Event({}, id="1")}) == 1


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda event: pickle.loads(pickle.dumps(event))])
def test_an_event_can_be_copied(again: Any) -> None:
    event = Event([1], event="a", id="b", retry=3, comment="c")
    assert again(event) == event


def test_an_event_with_another_id_is_the_same_otherwise() -> None:
    event = Event([1], event="a", id="b", retry=3, comment="c").with_id("z")
    assert event == Event([1], event="a", id="z", retry=3, comment="c")


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "\n"])
@pytest.mark.parametrize("name", ["event", "id"])
def test_what_would_end_its_line_is_refused(name: str, value: str) -> None:
    options: dict[str, Any] = {name: value}
    with pytest.raises(ValueError, match=f"the {name} of an event must be one line"):
        Event("data", **options)


def test_an_id_holds_no_nul_since_browsers_ignore_it_then() -> None:
    with pytest.raises(ValueError, match="without NUL, not 'a\\\\x00b'"):
        Event("data", id="a\0b")


def test_other_line_ends_of_unicode_are_none_here() -> None:
    assert Event("data", id="a\u2028b", event="a\x0b\x85b").id == "a\u2028b"


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"id": 7}, TypeError, "id of an event must be a str, not 7"),
        ({"event": b"a"}, TypeError, "event of an event must be a str"),
        ({"comment": 7}, TypeError, "comment of an event must be a str"),
        ({"retry": 1.5}, TypeError, "whole number of milliseconds, not 1.5"),
        ({"retry": True}, TypeError, "whole number"),
        ({"retry": -1}, ValueError, "0 or more milliseconds, not -1"),
    ],
)
def test_what_is_no_field_is_refused(options: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Event("data", **options)


def test_a_type_without_data_is_refused_since_nobody_would_be_told() -> None:
    with pytest.raises(ValueError, match='give data=""'):
        Event(event="reset")
    assert Event("", event="reset").data == ""
