"""What holds for all pages: policies, tokens, errors, the feed; and what the environment may say."""

from __future__ import annotations

import re
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from ambi import App, Middleware, Request
from ambi.testing import Client, Response
from examples.guestbook.models import Post
from examples.guestbook.settings import Settings, secret_of
from examples.guestbook.site import make_site
from tests.examples.guestbook.person import PNG, Person, title

ATOM = "{http://www.w3.org/2005/Atom}"
PAGES = ("/", "/posts/1", "/posts/new", "/posts/1/edit", "/posts/1/delete", "/signup", "/login", "/nothing")


@pytest.fixture
def ann(person: Person) -> Person:
    """Somebody who is logged in and has written."""
    person.become("Ann")
    person.post("Hello & <welcome>\nto all", ("a.png", PNG))
    return person


def test_a_page_runs_the_script_of_the_site_and_no_other(ann: Person):
    nonces: list[str] = []
    for path in PAGES:
        page = ann.open(path)
        policy = page.headers["content-security-policy"]
        nonces += re.findall(r'<script src="/static/guestbook.js" nonce="([\w-]+)" defer></script>', page.text)
        assert f"script-src 'nonce-{nonces[-1]}';" in policy
        assert policy.startswith("default-src 'none'; ")
        assert "unsafe" not in policy
        assert page.text.count("<script") == 1
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", page.text)
        assert page.headers["x-frame-options"] == "DENY"
        assert page.headers["cross-origin-opener-policy"] == "same-origin"
    assert len(set(nonces)) == len(PAGES)


def test_every_field_has_a_label_and_no_id_stands_twice(ann: Person):
    for path in PAGES:
        page = ann.open(path).text
        ids = re.findall(r'\sid="([^"]+)"', page)
        assert len(ids) == len(set(ids))
        for field in re.findall(r'<(?:input|textarea) id="(\w+)"', page):
            assert f'<label for="{field}">' in page or f'<label class="check"><input id="{field}"' in page
        for described in re.findall('aria-describedby="([^"]+)"', page):
            assert set(described.split()) <= set(ids)


def test_what_pages_need_is_asked_for_again_and_not_sent_again(client: Client):
    for name in ("guestbook.css", "guestbook.js", "favicon.svg"):
        first = client.get(f"/static/{name}")
        assert first.status_code == 200
        assert client.get(f"/static/{name}", headers={"if-none-match": first.headers["etag"]}).status_code == 304


# --- tokens ---


def changing(person: Person) -> dict[str, dict[str, str]]:
    """Give what may be posted, with fields that would be taken."""
    return {
        "/posts/new": {**person.fields("/posts/new"), "text": "forged", "alt": ""},
        "/posts/1/edit": {**person.fields("/posts/1/edit"), "text": "forged", "alt": ""},
        "/posts/1/delete": person.fields("/posts/1/delete"),
        "/logout": person.fields("/posts/1/delete"),
        "/login": {**person.fields("/login"), "name": "Bob", "password": "a garden, early in May"},
        "/signup": {**person.fields("/signup"), "name": "Eve", "password": "a" * 10, "again": "a" * 10},
    }


def unchanged(person: Person, rows: Session) -> bool:
    rows.expire_all()
    return (
        list(rows.scalars(select(Post.text))) == ["Hello & <welcome>\nto all"] and "Ann</span>" in person.open("/").text
    )


FORGED: list[tuple[dict[str, str], dict[str, str]]] = [
    ({"csrf_token": ""}, {}),
    ({"csrf_token": "x" * 86}, {}),
    ({}, {"origin": "https://evil.test"}),
    ({}, {"origin": "null"}),
    ({}, {"sec-fetch-site": "cross-site"}),
    ({}, {"sec-fetch-site": "same-site"}),
    ({}, {"referer": "http://localhost.evil.test/"}),
    ({}, {"origin": "https://evil.test", "x-requested-with": "XMLHttpRequest"}),
]


def test_a_form_from_elsewhere_changes_nothing(ann: Person, rows: Session):
    for path, good in changing(ann).items():
        files = {"image": ("", b"")} if "text" in good else None
        for fields, headers in FORGED:
            answer = ann.client.post(path, data={**good, **fields}, files=files, headers=headers)
            assert (path, fields, headers, answer.status_code) == (path, fields, headers, 403)
            assert title(answer) == "Not allowed"
        assert unchanged(ann, rows)


def test_what_was_refused_above_is_taken_as_it_is(ann: Person):
    """Or the test above would show nothing."""
    for path in ("/posts/new", "/posts/1/edit", "/posts/1/delete", "/login", "/signup", "/logout"):
        good = changing(ann)[path] if path != "/logout" else {**ann.fields("/posts/new")}
        files = {"image": ("", b"")} if "text" in good else None
        assert (path, ann.client.post(path, data=good, files=files).status_code) == (path, 303)


def test_the_token_of_another_browser_is_none(ann: Person, rows: Session):
    stolen = ann.fields("/posts/1/delete")
    ann.become("Ann")
    assert ann.client.post("/posts/1/delete", data=stolen).status_code == 403
    assert unchanged(ann, rows)


def test_a_token_of_before_the_login_is_none_afterwards(person: Person):
    before = person.fields("/login")
    person.log_in("Ann")
    assert person.client.post("/logout", data=before).status_code == 403


def test_a_browser_that_says_that_the_page_is_ours_needs_no_token(ann: Person):
    """So a form that was left open over a login can be sent."""
    headers = {"sec-fetch-site": "same-origin"}
    assert ann.client.post("/posts/1/delete", headers=headers).status_code == 303


# --- errors ---


def test_errors_are_pages_for_people_and_documents_for_programs(client: Client):
    page = client.get("/nothing")
    assert (page.status_code, title(page)) == (404, "Nothing here")
    program = client.get("/nothing", headers={"accept": "application/json"})
    assert program.headers["content-type"] == "application/problem+json"
    assert program.json()["status"] == 404


def test_an_error_that_has_no_words_of_its_own_is_told_in_those_of_the_framework(client: Client):
    answer = client.delete("/login")
    assert (answer.status_code, title(answer)) == (405, "Method Not Allowed")
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS, POST"


def test_a_site_that_works_says_so(client: Client):
    answer = client.get("/healthz")
    assert (answer.status_code, answer.text) == (200, "ok")


def test_a_site_whose_database_hangs_says_so_in_time(client: Client, monkeypatch: pytest.MonkeyPatch):
    ended = threading.Event()
    monkeypatch.setattr("examples.guestbook.health.ask", lambda engine: ended.wait(10))
    try:
        answer = client.get("/healthz")
    finally:
        ended.set()
    assert (answer.status_code, title(answer)) == (503, "Very busy")


# --- the feed ---


def entries(answer: Response) -> list[tuple[str | None, ...]]:
    feed = ElementTree.fromstring(answer.content)
    names = ("title", "id", "author/{http://www.w3.org/2005/Atom}name", "content")
    return [tuple(entry.findtext(ATOM + name) for name in names) for entry in feed.iter(f"{ATOM}entry")]


def test_the_feed_tells_of_posts_and_nothing_of_who_reads_it(ann: Person):
    answer = ann.open("/feed.xml")
    assert answer.headers["content-type"] == "application/atom+xml; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=60"
    assert "vary" not in answer.headers
    assert "set-cookie" not in answer.headers
    assert entries(answer) == [
        ("Hello & <welcome>", "http://localhost/posts/1", "Ann", "Hello & <welcome>\nto all"),
    ]


def test_the_feed_is_sent_again_when_something_has_changed(ann: Person):
    def ask(etag: str) -> Response:
        return ann.client.get("/feed.xml", headers={"if-none-match": etag})

    etag = ask("").headers["etag"]
    changes = (
        lambda: ann.send("/posts/1/edit", text="edited", alt="", files={"image": ("", b"")}),
        lambda: ann.post("a second one"),
        lambda: ann.send("/posts/1/delete"),
    )
    for change in changes:
        known = ask(etag)
        assert (known.status_code, known.content) == (304, b"")
        assert known.headers["cache-control"] == "public, max-age=60"
        change()
        answer = ask(etag)
        assert answer.status_code == 200
        etag = answer.headers["etag"]


def test_an_empty_feed_is_a_feed(client: Client):
    assert entries(client.get("/feed.xml")) == []


# --- settings ---


def test_all_that_is_not_named_is_kept_in_one_folder(tmp_path: Path):
    settings = Settings.in_folder(tmp_path / "new" / "data")
    assert settings.uploads.is_dir()
    assert settings.database.parent == settings.uploads.parent == tmp_path / "new" / "data"
    assert (settings.hosts, settings.proxies, settings.posts_on_a_page) == ((), 0, 5)


def test_the_environment_has_the_last_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name, value in {
        "FOLDER": tmp_path / "data", "DATABASE": tmp_path / "my.db", "UPLOADS": tmp_path / "pictures",
        "SECRET": f"{'n' * 32}, {'o' * 32}", "HOSTS": "guests.example, www.guests.example", "PROXIES": 1, "PAGE": 3,
    }.items():  # fmt: skip
        monkeypatch.setenv(f"GUESTBOOK_{name}", str(value))
    settings = Settings.from_environment()
    assert settings == Settings(
        database=tmp_path / "my.db", sessions=tmp_path / "data" / "sessions.db", uploads=tmp_path / "pictures",
        secrets=("n" * 32, "o" * 32), hosts=("guests.example", "www.guests.example"), proxies=1, posts_on_a_page=3,
    )  # fmt: skip
    assert not (tmp_path / "data" / "secret").exists()


def test_a_secret_that_nobody_gave_is_made_once_and_kept(tmp_path: Path):
    made = secret_of(tmp_path)
    assert len(made) >= 43
    assert secret_of(tmp_path) == made
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


def test_workers_that_start_at_once_agree_on_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """One sees that there is none, and is overtaken by another."""
    exists = Path.exists

    def overtaken(path: Path) -> bool:
        monkeypatch.setattr(Path, "exists", exists)
        secret_of(tmp_path)
        return False

    monkeypatch.setattr(Path, "exists", overtaken)
    assert secret_of(tmp_path) == (tmp_path / "secret").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


@pytest.mark.parametrize("gateway", ["wsgi", "asgi"])
def test_behind_a_proxy_the_site_is_served_over_https_alone(tmp_path: Path, gateway: Literal["wsgi", "asgi"]):
    environment = {"GUESTBOOK_HOSTS": "guests.example", "GUESTBOOK_PROXIES": "1"}
    app = make_site(Settings.in_folder(tmp_path, environment))
    said = {"x-forwarded-for": "203.0.113.7", "x-forwarded-proto": "https"}
    with Client(app, gateway, base_url="http://guests.example") as client:
        sent = client.get("/login")
        assert (sent.status_code, sent.headers["location"]) == (308, "https://guests.example/login")
        page = client.get("/login", headers=said)
        assert "max-age" in page.headers["strict-transport-security"]
        assert "; Secure" in page.headers["set-cookie"]
        assert client.get("http://other.example/", headers=said).status_code == 400


def test_the_site_is_served_on_trio_as_well(settings: Settings):
    """Nothing in it asks for asyncio."""
    with Client(make_site(settings), "asgi", backend="trio", headers={"accept": "text/html"}) as client:
        person = Person(client)
        assert person.sign_up("Tri").status_code == 303
        assert person.post("on trio", ("a.png", PNG)).status_code == 303
        assert "on trio" in person.open("/").text


def test_every_route_is_reached_by_somebody(app: App, person: Person):
    """The other tests look at the answers; this one that no route was forgotten."""
    reached: set[tuple[str, str]] = set()

    @app.middleware
    def note(request: Request) -> Middleware:
        if request.route is not None:
            reached.update((method, request.route.path) for method in request.route.methods)
        yield

    person.sign_up("Grace")
    person.become("Ann")
    person.post("hello", ("a.png", PNG))
    person.send("/posts/1/edit", text="hello", alt="", files={"image": ("", b"")})
    for path in (*PAGES, "/feed.xml", "/healthz", "/static/guestbook.css", "/static/", "/images/x.png", "/images/"):
        person.open(path)
    person.send("/posts/1/delete")
    person.log_out()
    assert reached == {(method, route.path) for route in app.routes for method in route.methods}


def test_without_what_it_needs_the_guestbook_says_what_to_install():
    run = "import sys; sys.modules['sqlalchemy'] = None; import examples.guestbook.app"
    command = [sys.executable, "-c", run]
    ended = subprocess.run(
        command, cwd=Path(__file__).parents[3], capture_output=True, text=True, timeout=20, check=False
    )
    assert ended.returncode == 1
    assert "pip install -e '.[templates,sessions,ratelimit,passwords]' sqlalchemy" in ended.stderr
    assert "Traceback" not in ended.stderr
