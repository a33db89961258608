"""Sessions as a machine: several clients set, delete, clear, renew and crash in any order, beside a model of dicts."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

pytest.importorskip("itsdangerous", reason="it comes with the extra sessions")

from ambi import App, Request
from ambi.features.sessions import MemoryStore
from ambi.testing import Client
from tests.profiles import examples

Gateway = Literal["wsgi", "asgi"]
SECRET = "a secret of thirty-two bytes or more, for tests"
KEYS = st.sampled_from(["user", "cart", "theme"])
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("aé\n<", max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2),
    max_leaves=4,
)


def application(store: MemoryStore | None) -> App:
    app = App()
    app.sessions(SECRET, store=store)

    @app.post("/")
    def change(request: Request) -> dict[str, Any]:
        asked = request.json()
        session = request.session
        for key, value in asked["set"].items():
            session[key] = value
        for key in asked["delete"]:
            session.pop(key, None)
        if asked["then"] == "clear":
            session.clear()
        elif asked["then"] == "regenerate":
            session.regenerate()
        elif asked["then"] == "crash":
            raise KeyError("on purpose")
        return dict(session)

    @app.get("/")
    async def show(request: Request) -> dict[str, Any]:
        return dict(request.session)

    return app


class Sessions(RuleBasedStateMachine):
    """Every client has a model of what it should find; what one does is nothing to another."""

    stored = False
    gateway: Gateway = "wsgi"
    clients = Bundle("clients")

    def __init__(self) -> None:
        super().__init__()
        self.app = application(MemoryStore() if self.stored else None)
        self.models: list[dict[str, Any]] = []
        self.opened: list[Client] = []

    @rule(target=clients)
    def come(self) -> int:
        self.opened.append(Client(self.app, self.gateway, raise_server_exceptions=False))
        self.models.append({})
        return len(self.models) - 1

    @rule(
        who=clients,
        values=st.dictionaries(KEYS, VALUES, max_size=2),
        gone=st.lists(KEYS, max_size=2),
        then=st.sampled_from(["", "", "clear", "regenerate"]),
    )
    def change(self, who: int, values: dict[str, Any], gone: list[str], then: str) -> None:
        answer = self.opened[who].post("/", json={"set": values, "delete": gone, "then": then})
        model = self.models[who]
        model.update(values)
        for key in gone:
            model.pop(key, None)
        if then == "clear":
            model.clear()
        assert answer.json() == model

    @rule(who=clients, values=st.dictionaries(KEYS, VALUES, min_size=1, max_size=2))
    def crash(self, who: int, values: dict[str, Any]) -> None:
        """What a handler set that crashed is not kept."""
        assert self.opened[who].post("/", json={"set": values, "delete": [], "then": "crash"}).status_code == 500

    @rule(who=clients, other=clients)
    def take_an_old_cookie(self, who: int, other: int) -> None:
        """A stored session that was given a new id is not found under the old one."""
        before = dict(self.opened[who].cookies)
        self.opened[who].post("/", json={"set": {}, "delete": [], "then": "regenerate"})
        if self.stored and before and self.models[who]:
            thief = Client(self.app, self.gateway)
            thief.cookies.update(before)
            assert thief.get("/").json() == {}

    @rule(who=clients, change=st.integers(0, 200), instead=st.sampled_from("abcXYZ019-_."))
    def forge(self, who: int, change: int, instead: str) -> None:
        """A cookie with one other character is no cookie."""
        for name, value in dict(self.opened[who].cookies).items():
            at = change % max(len(value), 1)
            forged = value[:at] + instead + value[at + 1 :]
            if forged != value:
                forger = Client(self.app, self.gateway)
                forger.cookies.update({name: forged})
                assert forger.get("/").json() == {}

    @invariant()
    def all_find_what_is_theirs(self) -> None:
        for client, model in zip(self.opened, self.models, strict=True):
            assert client.get("/").json() == model


@pytest.mark.hypothesis
@pytest.mark.parametrize("gateway", ["wsgi", "asgi"])
@pytest.mark.parametrize("stored", [False, True], ids=["cookie", "store"])
def test_sessions_are_what_a_model_of_dicts_is(gateway: Gateway, stored: bool) -> None:
    from hypothesis import settings
    from hypothesis.stateful import run_state_machine_as_test

    class Machine(Sessions):
        pass

    Machine.stored, Machine.gateway = stored, gateway
    run_state_machine_as_test(Machine, settings=settings(max_examples=examples(25), stateful_step_count=20))
