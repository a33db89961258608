"""Writing, reading, changing and deleting posts, and who may."""

from __future__ import annotations

import re

from sqlalchemy import select
from sqlalchemy.orm import Session

from ambi.testing import Client
from examples.guestbook.models import Post
from examples.guestbook.settings import Settings
from tests.examples.guestbook.person import PNG, Person, errors, flashes, texts, title


def stored(rows: Session) -> list[str]:
    rows.expire_all()
    return list(rows.scalars(select(Post.text).order_by(Post.id)))


def test_a_guestbook_begins_empty(person: Person):
    page = person.open("/")
    assert "Nobody has written yet" in page.text
    assert texts(page) == []


def test_a_post_is_shown_as_it_was_written(person: Person, rows: Session):
    person.become("Ann")
    answer = person.post("  Dear all,\r\n\r\n<script>alert(1)</script> & {{ 7 * 7 }}\x00\x1b[31m \n")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    words = "Dear all,\n\n<script>alert(1)</script> & {{ 7 * 7 }}[31m"
    assert stored(rows) == [words]
    page = person.open("/")
    assert flashes(page) == ["Your post is there for all to see."]
    assert texts(page) == [words]
    assert "<script>alert" not in page.text
    assert texts(person.open("/posts/1")) == [words]


WRONG = [
    (" \r\n\t", "", "Write something."),
    ("x" * 2001, "", "These are 2,001 characters; 2,000 fit."),
    ("x", "y" * 201, "Say it in at most 200 characters."),
]


def test_what_is_wrong_with_a_post_is_said_and_nothing_lost(person: Person, rows: Session):
    person.become("Ann")
    for text, alt, said in WRONG:
        answer = person.post(text, alt=alt)
        assert (answer.status_code, errors(answer)) == (422, [said])
        assert f">{text.strip()}</textarea>" in answer.text
        assert 'aria-invalid="true"' in answer.text
    assert stored(rows) == []


def test_posts_come_in_pages_the_newest_first(person: Person):
    person.become("Ann")
    for number in range(1, 12):
        person.post(f"post {number}")
    pages = [person.open(path) for path in ("/", "/?page=2", "/?page=3")]
    assert [texts(page) for page in pages] == [
        [f"post {number}" for number in numbers] for numbers in ((11, 10, 9, 8, 7), (6, 5, 4, 3, 2), (1,))
    ]
    assert [re.findall(r'rel="(prev|next)" href="([^"]+)"', page.text) for page in pages] == [
        [("next", "/?page=2")], [("prev", "/?page=1"), ("next", "/?page=3")], [("prev", "/?page=2")],
    ]  # fmt: skip
    assert "Page 2 of 3" in pages[1].text


def test_pages_that_are_not_there_are_not_found(client: Client):
    for page in ("0", "2", "-1", "", "x", "1.0", "１", "9" * 30, "1%00"):
        answer = client.get(f"/?page={page}")
        assert (page, answer.status_code, title(answer)) == (page, 404, "Nothing here")


def test_a_form_that_is_sent_twice_is_one_post(person: Person, rows: Session):
    person.become("Ann")
    fields = {**person.fields("/posts/new"), "text": "once", "alt": ""}
    for _ in range(2):
        answer = person.client.post("/posts/new", data=fields, files={"image": ("", b"")})
    assert (answer.status_code, answer.headers["location"]) == (303, "/posts/1")
    assert flashes(person.open("/"))[-1] == "You have sent this already."
    person.become("Bob")
    fields = {**person.fields("/posts/new"), "ticket": fields["ticket"], "text": "with Ann's ticket", "alt": ""}
    assert person.client.post("/posts/new", data=fields, files={"image": ("", b"")}).headers["location"] == "/"
    assert stored(rows) == ["once", "with Ann's ticket"]


def test_a_form_that_no_browser_sends_is_refused(person: Person, rows: Session):
    person.become("Ann")
    good: dict[str, str | None] = {**person.fields("/posts/new"), "text": "hello", "alt": ""}
    for changed in ({"ticket": "x"}, {"ticket": "' OR 1=1"}, {"text": None}, {"alt": None}, {"image": "text"}):
        sent = {name: value for name, value in (good | changed).items() if value is not None}
        files = None if "image" in changed else {"image": ("", b"")}
        assert (changed, person.client.post("/posts/new", data=sent, files=files).status_code) == (changed, 400)
    assert stored(rows) == []


def test_one_changes_ones_own_posts(person: Person, rows: Session, settings: Settings):
    person.become("Ann")
    person.post("before", ("a.png", PNG), alt="a dot")
    (picture,) = settings.uploads.iterdir()
    assert ">before</textarea>" in person.open("/posts/1/edit").text
    answer = person.send("/posts/1/edit", text="after", alt="two dots", files={"image": ("", b"")})
    assert (answer.status_code, answer.headers["location"]) == (303, "/posts/1")
    page = person.open("/posts/1")
    assert (flashes(page), texts(page)) == (["Your change is saved."], ["after"])
    assert "· edited" in page.text
    assert f'src="/images/{picture.name}" alt="two dots"' in page.text
    answer = person.send("/posts/1/edit", text=" ", alt="", files={"image": ("", b"")})
    assert (answer.status_code, errors(answer)) == (422, ["Write something."])
    assert stored(rows) == ["after"]


def test_a_picture_is_replaced_and_taken_away(person: Person, settings: Settings):
    person.become("Ann")
    person.post("a picture", ("a.png", PNG))
    (first,) = settings.uploads.iterdir()
    person.send("/posts/1/edit", text="another", alt="", files={"image": ("b.gif", b"GIF89a and more")})
    (second,) = settings.uploads.iterdir()
    assert (first.suffix, second.suffix) == (".png", ".gif")
    assert 'alt="A picture by Ann"' in person.open("/posts/1").text
    person.send("/posts/1/edit", text="none", alt="of nothing", without_image="on", files={"image": ("", b"")})
    assert list(settings.uploads.iterdir()) == []
    assert "<img class" not in person.open("/posts/1").text


def test_one_deletes_ones_own_posts_with_their_pictures(person: Person, rows: Session, settings: Settings):
    person.become("Ann")
    person.post("gone soon", ("a.png", PNG))
    page = person.open("/posts/1/delete")
    assert (title(page), texts(page)) == ("Delete this post?", ["gone soon"])
    assert person.send("/posts/1/delete").headers["location"] == "/"
    assert flashes(person.open("/")) == ["Your post is gone."]
    assert (stored(rows), list(settings.uploads.iterdir())) == ([], [])
    assert person.open("/posts/1").status_code == 404


def test_the_posts_of_others_cannot_be_touched(person: Person, rows: Session, settings: Settings):
    person.become("Ann")
    person.post("Ann's", ("a.png", PNG))
    person.become("Bob")
    assert "/posts/1/edit" not in person.open("/").text
    fields = {**person.fields("/posts/new"), "text": "Bob's", "alt": "", "without_image": "on"}
    for path in ("/posts/1/edit", "/posts/1/delete"):
        assert title(person.open(path)) == "Not allowed"
        answer = person.client.post(path, data=fields, files={"image": ("b.gif", b"GIF89a")})
        assert (answer.status_code, title(answer)) == (403, "Not allowed")
    assert stored(rows) == ["Ann's"]
    assert [path.suffix for path in settings.uploads.iterdir()] == [".png"]


def test_posts_that_are_not_there_are_not_found(person: Person):
    person.become("Ann")
    for number in ("1", "0", "-1", "x", "9" * 18, str(2**63), "9" * 200):
        for action in ("", "/edit", "/delete"):
            assert (number, person.open(f"/posts/{number}{action}").status_code) == (number, 404)
