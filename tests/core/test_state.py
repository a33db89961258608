import copy
import pickle

import pytest

from ambi.core.state import State


def test_a_value_is_an_attribute_and_an_item() -> None:
    state = State({"pool": 1})
    state.user = "alice"
    state["n"] = 2
    assert (state.pool, state["pool"], state["user"], state.n) == (1, 1, "alice", 2)
    assert dict(state) == {"pool": 1, "user": "alice", "n": 2}
    assert len(state) == 3
    assert "user" in state
    assert "other" not in state
    assert repr(State({"a": 1})) == "State({'a': 1})"


def test_a_value_may_be_removed_either_way() -> None:
    state = State({"a": None, "b": 2})
    del state.a
    del state["b"]
    assert len(state) == 0


def test_a_value_that_is_missing_is_named_with_those_that_are_there() -> None:
    state = State({"pool": 1, "cache": 2})
    with pytest.raises(AttributeError, match="the state holds no 'user'; it holds cache, pool"):
        state.user  # noqa: B018
    with pytest.raises(AttributeError, match="the state holds no 'user'"):
        del state.user
    with pytest.raises(KeyError, match="user"):
        state["user"]
    with pytest.raises(KeyError, match="user"):
        del state["user"]
    with pytest.raises(AttributeError, match="it holds nothing"):
        State().user  # noqa: B018
    assert getattr(state, "user", "nobody") == "nobody"


def test_a_state_does_not_write_to_what_it_was_made_of() -> None:
    given = {"a": 1}
    State(given).a = 2
    assert given == {"a": 1}


@pytest.mark.parametrize("name", ["items", "get", "update", "__len__"])
def test_an_attribute_that_could_not_be_read_again_is_refused(name: str) -> None:
    state = State()
    with pytest.raises(AttributeError, match=rf"'{name}' is a method of the state; use state\['{name}'\]"):
        setattr(state, name, [1])
    state[name] = [1]
    assert state[name] == [1]


def test_a_state_can_be_copied() -> None:
    state = State({"a": [1]})
    for twin in (copy.copy(state), copy.deepcopy(state), pickle.loads(pickle.dumps(state))):
        assert twin == state
        twin.b = 2
        assert "b" not in state
