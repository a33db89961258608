"""What a session cookie is worth: forged, swapped, old, too big. The hostile inputs of sessions."""

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from ambi import App, Request
from ambi.core.cookies import MAX_COOKIE_BYTES
from ambi.features.sessions import MemoryStore, SessionStore
from ambi.features.sessions.signing import Signer
from ambi.testing import Client
from tests.cells import Cell
from tests.conftest import MakeClient
from tests.features.sessions.conftest import SECRET, cookie_of

Serve = Callable[..., Client]


@pytest.fixture
def serve(make_client: MakeClient, cell: Cell) -> Serve:
    """Give what serves an application with sessions that counts."""

    def serve(secret: Any = SECRET, **options: Any) -> Client:
        app = App()
        app.sessions(secret, **options)

        @app.post("/")
        @cell.handler
        def count(request: Request) -> str:
            request.session["n"] = request.session.get("n", 0) + 1
            return str(request.session["n"])

        app.post("/login")(cell.handler(lambda request: str(request.session.regenerate())))
        app.get("/")(cell.handler(lambda request: str(request.session.get("n"))))
        return make_client(app)

    return serve


def test_a_cookie_with_any_bit_changed_is_an_empty_session(serve: Serve, kept: SessionStore | None) -> None:
    client = serve(store=kept)
    good = cookie_of(client.post("/")) or ""
    for position in range(0, len(good), 9):
        for bit in (1, 4):
            changed = good[:position] + chr(ord(good[position]) ^ bit) + good[position + 1 :]
            if changed[position] in ' ",;\\=\x7f' or changed[-1:] != good[-1:]:
                continue  # another cookie altogether; the last character of base64 has bits that say nothing
            client.cookies = {"session": changed}
            assert client.get("/").text == "None", position
    client.cookies = {"session": good}
    assert client.get("/").text == "1"


def test_a_value_of_another_cookie_is_refused(serve: Serve, kept: SessionStore | None) -> None:
    value = cookie_of(serve(store=kept).post("/")) or ""
    other = serve(cookie="b", store=kept)
    for name, moved in (("b", value), ("b", f"session={value}"), ("bs", value)):
        other.cookies = {name: moved}
        assert other.get("/").text == "None"


def test_what_was_signed_for_another_purpose_is_refused(serve: Serve, kept: SessionStore | None) -> None:
    payload = base64.urlsafe_b64encode(json.dumps([int(time.time()), {"n": 7}]).encode()).decode()
    client = serve(store=kept)
    for purpose in ("reset", "session id" if kept is None else "session", ""):
        client.cookies = {"session": Signer([SECRET.encode()], purpose, "session", 1000).sign(payload)}
        assert client.get("/").text == "None"


def test_the_algorithm_is_not_the_clients_to_choose(serve: Serve) -> None:
    client = serve()
    header = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    payload = base64.urlsafe_b64encode(b'[0,{"n":7}]').decode().rstrip("=")
    for value in (f"{header}.{payload}.", f"{payload}..", f"{header}.{payload}", payload):
        client.cookies = {"session": value}
        assert client.get("/").text == "None"


RUNS_CODE = b"cbuiltins\nexit\n(tR."
"""A pickle of a call."""


@pytest.mark.parametrize("payload", [b"", b"[1]", b"1", b"null", b'["a",{}', b"\xff\xfe", b"[" * 20_000, RUNS_CODE])
def test_a_signed_value_of_another_form_is_an_empty_session(payload: bytes) -> None:
    """No gateway is involved. It was signed with our key: by another version, or for another cookie of that name."""
    app = App()
    app.sessions(SECRET)
    app.get("/")(lambda request: str(dict(request.session)))
    value = base64.urlsafe_b64encode(payload).decode()
    signer = Signer([SECRET.encode()], "session", "session", 1000)
    assert Client(app, gateway="wsgi", cookies={"session": signer.sign(value)}).get("/").text == "{}"


UNWRITABLE = {
    "nan": b"NaN", "infinity": b"-Infinity", "beyond doubles": b"1e999", "within": b'[{"b": [1, NaN]}]',
    "nested": b"[" * 500 + b"]" * 500, "nested dicts": b'{"b":' * 101 + b"0" + b"}" * 101,
    "a number without end": b"9" * 4_301,
}  # fmt: skip


@pytest.mark.parametrize("text", UNWRITABLE.values(), ids=UNWRITABLE)
def test_a_signed_value_that_could_not_be_written_again_begins_anew(
    serve: Serve, text: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever has the key has signed what `json.loads` takes."""
    payload = b'[%d,{"n":1,"a":%s}]' % (int(time.time()), text)
    signer = Signer([SECRET.encode()], "session", "session", 1000)
    signed = signer.sign(base64.urlsafe_b64encode(payload).decode())
    client = serve()
    client.cookies = {"session": signed}
    assert client.get("/").text == "None"
    client.cookies = {"session": signed}
    answer = client.post("/")
    assert answer.text == "1"
    client.cookies = {"session": cookie_of(answer) or ""}
    assert client.post("/").text == "2"
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("made_at", ["1e3", "-1", "9" * 400, str(1 << 60), "NaN"])
def test_a_session_made_at_no_time_is_an_empty_one(serve: Serve, made_at: str) -> None:
    payload = base64.urlsafe_b64encode(f'[{made_at},{{"n":7}}]'.encode()).decode()
    client = serve(sliding=False)
    client.cookies = {"session": Signer([SECRET.encode()], "session", "session", 1000).sign(payload)}
    assert client.get("/").text == "None"
    assert client.post("/").text == "1"


def test_a_text_with_half_a_character_is_kept(serve: Serve) -> None:
    payload = base64.urlsafe_b64encode(b'[%d,{"n":2,"\\ud800":"\\udfff"}]' % int(time.time())).decode()
    client = serve()
    client.cookies = {"session": Signer([SECRET.encode()], "session", "session", 1000).sign(payload)}
    answer = client.post("/")
    assert answer.text == "3"
    client.cookies = {"session": cookie_of(answer) or ""}
    assert client.get("/").text == "3"


@pytest.mark.parametrize("text", ["NaN", "[", "", "[" * 5000], ids=["nan", "half", "empty", "nested"])
def test_what_somebody_else_wrote_into_the_store_begins_anew(serve: Serve, text: str) -> None:
    """It is deleted with the next answer, and what is set is another session."""
    store = MemoryStore()
    client = serve(store=store)
    answer = client.get("/")
    for unsafe in (False, True):
        client.cookies = {}
        first = client.post("/")
        (name,) = store._kept
        store.save(name, {"a": (None, text)}, ttl_s=None, new=False)
        client.cookies = {"session": cookie_of(first) or ""}
        answer = client.post("/") if unsafe else client.get("/")
        assert answer.text == ("1" if unsafe else "None")
        assert store.load(name) is None
    client.cookies = {"session": cookie_of(answer) or ""}
    assert client.post("/").text == "2"


@pytest.mark.parametrize("value", ["1", '"ab"', '["a"]', '["a", 1]', "null", '{"a": 1, "b": 2}'])
def test_what_only_looks_like_a_flash_is_none(make_client: MakeClient, cell: Cell, value: str) -> None:
    app = App()
    app.sessions(SECRET)
    app.get("/")(cell.handler(lambda request: [flash.text for flash in request.session.flashes()]))
    client = make_client(app)
    payload = f'[{int(time.time())},{{"_flash:1":{value},"_flash:2":["b","info"]}}]'
    signed = Signer([SECRET.encode()], "session", "session", 1000).sign(
        base64.urlsafe_b64encode(payload.encode()).decode()
    )
    client.cookies = {"session": signed}
    assert client.get("/").json() == ["b"]


def test_the_first_secret_signs_and_all_verify(serve: Serve, kept: SessionStore | None) -> None:
    old, new = SECRET, SECRET[::-1]
    before = cookie_of(serve(old, store=kept).post("/"))
    both = serve([new, old], store=kept)
    both.cookies = {"session": before or ""}
    assert both.get("/").text == "1"
    after = cookie_of(both.post("/login"))
    alone = serve(new, store=kept)
    alone.cookies = {"session": after or ""}
    assert alone.get("/").text == "1"
    alone.cookies = {"session": before or ""}
    assert alone.get("/").text == "None"


def test_the_old_cookie_is_worth_nothing_to_a_store_after_a_login(serve: Serve) -> None:
    client = serve(store=MemoryStore())
    planted = cookie_of(client.post("/"))
    after = cookie_of(client.post("/login"))
    assert after not in (None, planted)
    assert client.get("/").text == "1"
    client.cookies = {"session": planted or ""}
    assert client.get("/").text == "None"


def test_an_id_that_the_store_does_not_know_is_not_adopted(serve: Serve) -> None:
    chosen = Signer([SECRET.encode()], "session id", "session", 1000).sign("chosen by the attacker")
    client = serve(store=MemoryStore(), cookie="session")
    client.cookies = {"session": chosen}
    response = client.post("/")
    assert response.text == "1"
    assert not (cookie_of(response) or "chosen").startswith("chosen")


def test_a_cookie_that_would_be_too_big_is_an_error_where_it_is_set(
    make_client: MakeClient, cell: Cell, caplog: pytest.LogCaptureFixture
) -> None:
    app = App()
    app.sessions(SECRET)

    @app.post("/{size:int}")
    @cell.handler
    def fill(size: int, request: Request) -> Any:
        try:
            request.session["x"] = "y" * size
        except ValueError as exc:
            return f"{exc} {request.session.get('x', '')}", 400
        return "fine"

    @app.post("/grow")
    @cell.handler
    def grow(request: Request) -> None:
        request.session.setdefault("x", []).append("y" * 5000)

    client = make_client(app)
    largest = 2990
    assert client.post(f"/{largest}").text == "fine"
    value = cookie_of(client.post(f"/{largest - 1}")) or ""
    assert MAX_COOKIE_BYTES - 70 < len("session") + len(value) <= MAX_COOKIE_BYTES
    response = client.post("/5000")
    assert response.status_code == 400
    assert "with session['x'] the session cookie would take" in response.text
    assert "give app.sessions a store=" in response.text
    assert response.text.endswith("y" * 100)
    assert "set-cookie" not in response.headers
    client.cookies = {}
    assert client.post("/grow").status_code == 500
    assert "the session cookie would take" in caplog.text


def test_a_thousand_strangers_leave_nothing_in_a_store(serve: Serve) -> None:
    store = MemoryStore()
    client = serve(store=store)
    for n in range(100):
        client.cookies = {"session": str(n)}
        client.get("/")
    assert store._kept == {}


def test_a_cookie_is_secure_but_on_loopback(serve: Serve) -> None:
    client = serve(domain=None, samesite="strict", path="/")
    assert "Secure" not in client.post("/").headers["set-cookie"]
    line = client.post("https://shop.example/").headers["set-cookie"]
    assert line.endswith("; HttpOnly; SameSite=Strict; Secure")
