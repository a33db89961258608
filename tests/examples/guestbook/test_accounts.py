"""Signing up, logging in and out."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select
from sqlalchemy.orm import Session

from ambi.features.auth import hash_password, needs_rehash
from ambi.testing import Client
from examples.guestbook.models import User
from examples.guestbook.settings import Settings
from examples.guestbook.site import make_site
from tests.examples.guestbook.person import PASSWORD, Person, errors, flashes, title


def names(rows: Session) -> list[str]:
    return list(rows.scalars(select(User.name).order_by(User.id)))


def test_who_signs_up_is_logged_in_and_greeted_once(person: Person, rows: Session):
    answer = person.sign_up("  Grace \t Hopper ")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert flashes(person.open("/")) == ["Welcome, Grace Hopper!"]
    assert flashes(person.open("/")) == []
    assert "Grace Hopper</span>" in person.open("/").text
    stored = rows.scalars(select(User).where(User.key == "grace hopper")).one()
    assert PASSWORD not in stored.password_hash
    assert stored.joined_at.tzinfo is not None


WRONG = [
    ("Ada", PASSWORD, "another one", "This is another password than the one above."),
    ("Ada", "too short", "too short", "A password has at least 10 characters."),
    ("Ada", "x" * 4097, "x" * 4097, "A password has at least 10 characters."),
    ("A", PASSWORD, PASSWORD, "A name has 2 to 30 characters."),
    ("A\x00 \x1b", PASSWORD, PASSWORD, "A name has 2 to 30 characters."),
    ("A" * 31, PASSWORD, PASSWORD, "A name has 2 to 30 characters."),
    ("aNN", PASSWORD, PASSWORD, "Somebody has this name already."),
    ("Ａｎｎ", PASSWORD, PASSWORD, "Somebody has this name already."),
]


def test_what_is_wrong_with_a_sign_up_is_said_beside_the_field(person: Person, rows: Session):
    for name, password, again, said in WRONG:
        answer = person.sign_up(name, password, again)
        assert (answer.status_code, errors(answer)) == (422, [said])
        assert password not in answer.text
    assert names(rows) == ["Ann", "Bob"]
    assert "Log in" in person.open("/").text


def test_a_login_asks_for_the_name_in_any_case_and_makes_a_new_session(person: Person):
    person.open("/login")
    assert person.log_in("ANN").status_code == 303
    first = person.client.cookies["session"]
    assert flashes(person.open("/")) == ["Hello again, Ann."]
    person.log_in("Ann")
    assert person.client.cookies["session"] != first
    person.client.cookies.clear()
    person.client.cookies["session"] = first
    assert person.open("/posts/new").status_code == 303  # the session of before is worth nothing


def test_a_wrong_name_and_a_wrong_password_are_told_in_the_same_words(person: Person):
    for name, password in [("Ann", "not hers at all"), ("Nobody", PASSWORD), ("Ann", "")]:
        answer = person.log_in(name, password)
        assert (answer.status_code, errors(answer)) == (422, ["Name and password do not match."])
    assert "session" not in person.client.cookies


def test_a_password_that_was_hashed_for_older_computers_is_hashed_again(
    person: Person, rows: Session, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("examples.guestbook.accounts.hash_password", hash_password)
    monkeypatch.setattr("examples.guestbook.accounts.needs_rehash", needs_rehash)
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    rows.add(User(name="Old", key="old", password_hash=weak))
    rows.commit()
    assert person.log_in("Old", "not it, not it").status_code == 422
    assert rows.scalars(select(User.password_hash).where(User.key == "old")).one() == weak
    assert person.log_in("Old").status_code == 303
    rows.expire_all()
    assert not needs_rehash(rows.scalars(select(User.password_hash).where(User.key == "old")).one())


def test_a_logout_ends_the_session_for_every_copy_of_its_cookie(person: Person):
    person.log_in("Ann")
    copied = person.client.cookies["session"]
    assert person.log_out().status_code == 303
    assert flashes(person.open("/")) == ["You are logged out."]
    person.client.cookies["session"] = copied
    assert "Log in" in person.open("/").text


def test_who_is_not_logged_in_is_sent_to_the_login_and_back(person: Person):
    sent = person.open("/posts/new")
    assert (sent.status_code, sent.headers["location"]) == (303, "/login?next=%2Fposts%2Fnew")
    page = person.open(sent.headers["location"])
    assert 'href="/signup?next=%2Fposts%2Fnew"' in page.text
    assert person.log_in("Ann", path=sent.headers["location"]).headers["location"] == "/posts/new"


ELSEWHERE = [
        "https://evil.test/", "//evil.test", "/\\evil.test", "https:evil.test", "https://localhost\\@evil.test",
        "\x08javascript:alert(1)", "/\t/evil.test", "http:999999999", "data:text/html,<script>", "evil.test",
]  # fmt: skip


def test_a_login_leads_to_no_other_site(person: Person):
    for target in ELSEWHERE:
        fields = {**person.fields("/login"), "name": "Ann", "password": PASSWORD}
        answer = person.client.post("/login", params={"next": target}, data=fields)
        assert (target, answer.status_code, answer.headers["location"]) == (target, 303, "/")


def test_a_form_of_somebody_who_is_not_logged_in_leads_to_the_login_and_not_back(person: Person):
    fields = person.fields("/login")
    answer = person.client.post("/posts/1/delete", data=fields)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    script = {"accept": "application/json"}
    assert person.client.post("/posts/1/delete", data=fields, headers=script).status_code == 401


def test_who_has_no_account_any_more_is_not_logged_in(person: Person, rows: Session):
    person.log_in("Ann")
    rows.delete(rows.scalars(select(User).where(User.key == "ann")).one())
    rows.commit()
    assert person.open("/posts/new").status_code == 303


@pytest.mark.parametrize("gateway", ["wsgi", "asgi"])
def test_somebody_who_guesses_is_stopped(tmp_path: Path, gateway: Literal["wsgi", "asgi"]):
    with Client(make_site(Settings.in_folder(tmp_path)), gateway, headers={"accept": "text/html"}) as client:
        for _ in range(5):
            assert client.post("/login", data={"name": "Ann"}).status_code == 403
            assert client.post("/signup", data={"name": "Ann"}).status_code == 403
        answer = client.post("/login", data={"name": "Ann"})
        assert (answer.status_code, title(answer)) == (429, "Slow down")
        assert int(answer.headers["retry-after"]) > 0
        assert "content-security-policy" in answer.headers
        assert client.get("/login").status_code == 200


def test_the_session_is_for_no_script_and_for_no_other_site(person: Person):
    cookie: Any = person.log_in("Ann").headers["set-cookie"]
    assert "; HttpOnly; SameSite=Lax" in cookie


def test_over_https_cookies_are_for_https(client: Client):
    page = client.get("https://guests.example/login")
    assert page.headers["set-cookie"].startswith("__Host-csrf=")
    assert "; Secure" in page.headers["set-cookie"]
