"""What people do with Conduit, from end to end, and what they must be told. Each makes all that it needs."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable

from tests.examples.conduit.api import PASSWORD, Person

Flow = Callable[[Person], None]

MOMENT = re.compile(r"\d{4}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\d\.\d{3}Z")
BLANK = "can't be blank"
TAKEN = "has already been taken"
ACCOUNT = {"email", "token", "username", "bio", "image"}
PREVIEW = {
    "slug", "title", "description", "tagList", "createdAt", "updatedAt", "favorited", "favoritesCount", "author",
}  # fmt: skip
PROFILE = {"username", "bio", "image", "following"}


# --- users ---


def an_account(api: Person) -> None:
    jake = api.somebody()
    assert set(jake.account) == ACCOUNT
    assert (jake.account["username"], jake.account["email"]) == (jake.name, jake.email)
    assert jake.account["bio"] == jake.account["image"] == api.contract.nothing
    signed_in = api.post("/users/login", {"user": {"email": jake.email, "password": PASSWORD}})
    assert signed_in.status == 200
    assert {**signed_in.document["user"], "token": 0} == {**jake.account, "token": 0}
    jake.token = signed_in.document["user"]["token"]
    for scheme in ("Token", "Bearer", "token"):
        jake.scheme = scheme
        assert jake.get("/user")["user"]["email"] == jake.email


def changing_an_account(api: Person) -> None:
    jake = api.somebody()
    for sent, kept in (
        ("I work at a farm", "I work at a farm"),
        ("", api.contract.nothing),
        (None, api.contract.nothing),
    ):
        for name in ("bio", "image"):
            assert jake.put("/user", {"user": {name: "before"}}).document["user"][name] == "before"
            assert jake.put("/user", {"user": {name: sent}}).document["user"][name] == kept
            assert jake.get("/user")["user"][name] == kept
    unchanged = {**jake.get("/user")["user"], "token": 0}
    assert {**jake.put("/user", {"user": {}}).document["user"], "token": 0} == unchanged
    changed = jake.put("/user", {"user": {"username": f"{jake.name}-2", "email": f"{jake.name}-2@example.com"}})
    assert changed.status == 200
    jake.name, jake.token = f"{jake.name}-2", changed.document["user"]["token"]
    assert jake.get("/user")["user"]["email"] == jake.email
    assert jake.put("/user", {"user": {"email": jake.email}}).status == 200  # one's own address is not taken
    assert jake.put("/user", {"user": {"password": "another one"}}).status == 200
    for password, status in (("another one", 200), (PASSWORD, 401)):
        assert api.post("/users/login", {"user": {"email": jake.email, "password": password}}).status == status


def what_an_account_cannot_be(api: Person) -> None:
    jake, ann = api.somebody(), api.somebody("ann")
    good = {"username": "new", "email": "new@example.com", "password": PASSWORD}
    for name in good:
        for blank in ("", None):
            sent = {n: v for n, v in {**good, name: blank}.items() if v is not None}
            assert api.post("/users", {"user": sent}).errors(422)[name] == [BLANK]
    assert api.post("/users", {"user": {}}).errors(422)["body"] == [f"{name} {BLANK}" for name in good]
    for email in ("nowhere", "a@b\n", "a @b", "a@"):
        assert api.post("/users", {"user": {**good, "email": email}}).errors(422)["email"] == ["is invalid"]
    assert api.post("/users", {"user": {**good, "username": "a/b"}}).errors(422)["username"] == [BLANK]
    taken = {**good, "username": jake.name}
    assert api.post("/users", {"user": taken}).errors(409) == {
        "username": [TAKEN], "body": [f"username {TAKEN}"],
    }  # fmt: skip
    assert api.post("/users", {"user": {**good, "email": jake.email}}).errors(409)["email"] == [TAKEN]
    both = ann.put("/user", {"user": {"username": jake.name, "email": jake.email, "bio": "changed"}})
    assert set(both.errors(409)) == {"username", "email", "body"}
    assert ann.get("/user")["user"]["bio"] == api.contract.nothing  # nothing of it was kept
    for name in ("username", "email", "password"):
        assert ann.put("/user", {"user": {name: ""}}).errors(422)[name] == [BLANK]
        assert name in ann.put("/user", {"user": {name: None}}).errors(422)


def signing_in_wrongly(api: Person) -> None:
    jake = api.somebody()
    for name in ("email", "password"):
        sent = {"email": jake.email, "password": PASSWORD, name: ""}
        assert api.post("/users/login", {"user": sent}).errors(422)[name] == [BLANK]
    for sent in ({"email": jake.email, "password": "wrong"}, {"email": "nobody@example.com", "password": PASSWORD}):
        assert api.post("/users/login", {"user": sent}).errors(401)["credentials"] == ["invalid"]


def tokens(api: Person) -> None:
    jake = api.somebody()
    assert jake.token is not None
    slug = jake.writes()["slug"]
    needed = [
        ("GET", "/user"), ("PUT", "/user"), ("GET", "/articles/feed"), ("POST", "/articles"),
        ("PUT", f"/articles/{slug}"), ("DELETE", f"/articles/{slug}"), ("POST", f"/articles/{slug}/favorite"),
        ("DELETE", f"/articles/{slug}/favorite"), ("POST", f"/articles/{slug}/comments"),
        ("DELETE", f"/articles/{slug}/comments/1"), ("POST", f"/profiles/{jake.name}/follow"),
        ("DELETE", f"/profiles/{jake.name}/follow"),
    ]  # fmt: skip
    for method, path in needed:
        refused = api.call(method, path)  # without a body: who asks is looked at first
        assert refused.errors(401)["token"] == ["is missing"], path
        assert refused.headers["www-authenticate"].startswith("Token ")
    head, claims, signature = jake.token.split(".")
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")
    others = base64.urlsafe_b64encode(json.dumps({"sub": "1", "exp": 2**40}).encode()).decode().rstrip("=")
    stranger = Person(api.send, contract=api.contract)
    for token in ("x", "a.b.c", f"{unsigned}.{claims}.", f"{head}.{others}.{signature}"):
        stranger.token = token
        for path in ("/user", "/articles", f"/articles/{slug}", f"/profiles/{jake.name}"):
            assert stranger.call("GET", path).errors(401)["token"] == ["is invalid"]


# --- profiles ---


def following(api: Person) -> None:
    jake, celeb = api.somebody(), api.somebody("celeb")
    path = f"/profiles/{celeb.name}"
    nobody = {"username": celeb.name, "bio": api.contract.nothing, "image": api.contract.nothing, "following": False}
    assert api.get(path) == jake.get(path) == {"profile": nobody}
    for _ in range(2):  # once is as good as twice
        assert jake.post(f"{path}/follow").document == {"profile": {**nobody, "following": True}}
    assert jake.get(path)["profile"]["following"] is True
    assert celeb.get(f"/profiles/{jake.name}")["profile"]["following"] is False
    for _ in range(2):
        unfollowed = jake.delete(f"{path}/follow")
        assert (unfollowed.status, unfollowed.document) == (200, {"profile": nobody})
    assert jake.get(path) == {"profile": nobody}
    for method, missing in (("GET", ""), ("POST", "/follow"), ("DELETE", "/follow")):
        refused = jake.call(method, f"/profiles/nobody-of-this-name{missing}")
        assert refused.errors(404)["profile"] == ["not found"]


# --- articles ---


def writing(api: Person) -> None:
    jake = api.somebody()
    made = jake.writes(f"How to train {jake.name}'s Dragon?", tagList=["training", "dragons", "", "dragons"])
    assert set(made) == {*PREVIEW, "body"}
    assert set(made["author"]) == PROFILE
    assert made["slug"] == f"how-to-train-{jake.name}-s-dragon"
    assert made["tagList"] == ["dragons", "training"]
    assert (made["favorited"], made["favoritesCount"], made["author"]["username"]) == (False, 0, jake.name)
    assert MOMENT.fullmatch(made["createdAt"])
    assert made["createdAt"] == made["updatedAt"]
    path = f"/articles/{made['slug']}"
    assert api.get(path) == jake.get(path) == {"article": made}

    changed = jake.put(path, {"article": {"body": "With one hand"}}).document["article"]
    assert {**changed, "updatedAt": 0} == {**made, "body": "With one hand", "updatedAt": 0}
    assert changed["updatedAt"] > made["updatedAt"]
    again = jake.put(path, {"article": {}}).document["article"]
    assert again["updatedAt"] > changed["updatedAt"]  # however soon after it
    assert again["createdAt"] == made["createdAt"]
    for tag_list in (["wings", "dragons"], []):
        changed = jake.put(path, {"article": {"tagList": tag_list}}).document["article"]
        assert changed["tagList"] == api.get(path)["article"]["tagList"] == sorted(tag_list)
    renamed = jake.put(path, {"article": {"title": f"{jake.name} renamed", "description": "d"}}).document["article"]
    assert renamed["slug"] == f"{jake.name}-renamed"
    assert api.get(f"/articles/{renamed['slug']}") == {"article": renamed}
    assert api.get(path) == {"article": renamed}  # a link of before goes on working
    again = jake.writes(f"How to train {jake.name}'s Dragon?")
    assert api.get(path) == {"article": again}  # but where another article is called so now
    for title in (f"{jake.name} the third", f"{jake.name} renamed"):
        renamed = jake.put(f"/articles/{renamed['slug']}", {"article": {"title": title}}).document["article"]
    assert renamed["slug"] == f"{jake.name}-renamed"

    assert jake.post(f"/articles/{renamed['slug']}/comments", {"comment": {"body": "Mine"}}).status < 300
    gone = jake.delete(f"/articles/{renamed['slug']}")
    assert (gone.status, gone.document) == (204, None)
    for slug in (renamed["slug"], f"{jake.name}-the-third"):
        assert api.call("GET", f"/articles/{slug}").errors(404)["article"] == ["not found"]


def slugs(api: Person) -> None:
    jake = api.somebody()
    title = f"The same, {jake.name}"
    made = [jake.writes(title, tagList=["one", "two"]) for _ in range(3)]
    assert len({article["slug"] for article in made}) == 3
    assert all(article["slug"].startswith(f"the-same-{jake.name}") for article in made)
    assert all(article["tagList"] == ["one", "two"] for article in made)
    other = jake.writes(f"Another by {jake.name}", tagList=["three"])
    renamed = jake.put(f"/articles/{other['slug']}", {"article": {"title": title, "tagList": ["four"]}})
    assert renamed.document["article"]["title"] == title
    assert renamed.document["article"]["tagList"] == ["four"]
    assert renamed.document["article"]["slug"] not in {article["slug"] for article in made}
    for odd in ("Feed", "日本語", "!?"):
        slug = jake.writes(odd)["slug"]
        assert re.fullmatch(r"[a-z0-9-]+", slug)
        assert jake.get(f"/articles/{slug}")["article"]["title"] == odd
    assert len(jake.writes("long " * 40)["slug"]) <= 100


def what_an_article_cannot_be(api: Person) -> None:
    jake, ann = api.somebody(), api.somebody("ann")
    good = {"title": "t", "description": "d", "body": "b"}
    for name in good:
        for blank in ("", "  \n"):
            refused = jake.post("/articles", {"article": {**good, name: blank}}).errors(422)
            assert refused[name] == [BLANK]
    assert jake.post("/articles", {"article": {**good, "tagList": "no list"}}).errors(422)["tagList"]
    assert jake.post("/articles", {"article": {**good, "tagList": ["one", 2]}}).errors(422)["tagList"]
    assert jake.post("/articles", {}).errors(422)["article"] == [BLANK]
    everything = jake.post("/articles", {"article": {"body": ""}}).errors(422)
    assert everything == {
        "title": [BLANK], "description": [BLANK],
        "body": [BLANK, f"title {BLANK}", f"description {BLANK}"],
    }  # fmt: skip
    made = jake.writes(tagList=["kept"])
    path = f"/articles/{made['slug']}"
    for name in (*good, "tagList"):
        assert name in jake.put(path, {"article": {name: None}}).errors(422)
    for others in (ann.put(path, {"article": {"body": "hijacked"}}), ann.delete(path)):
        assert others.errors(403)["article"] == ["forbidden"]
    assert api.get(path) == {"article": made}
    for method, rest, sent in (
        ("GET", "", None), ("PUT", "", {"article": {"body": "b"}}), ("DELETE", "", None),
        ("POST", "/favorite", None), ("DELETE", "/favorite", None), ("GET", "/comments", None),
        ("POST", "/comments", {"comment": {"body": "b"}}), ("DELETE", "/comments/99999", None),
    ):  # fmt: skip
        missing = jake.call(method, f"/articles/nothing-of-this-name{rest}", sent)
        assert missing.errors(404)["article"] == ["not found"]


def lists(api: Person) -> None:
    jake, ann = api.somebody(), api.somebody("ann")
    tag = f"tag-{jake.name}"
    made = [jake.writes(f"{n} of {jake.name}", tagList=[tag, "x"] if n else ["x"])["slug"] for n in range(3)]
    ann.writes(f"by {ann.name}")
    newest = api.get("/articles")
    assert newest["articlesCount"] >= len(newest["articles"]) >= 4
    assert set(newest["articles"][0]) == PREVIEW  # without the body
    assert MOMENT.fullmatch(newest["articles"][0]["createdAt"])
    mine = api.get(f"/articles?author={jake.name}")
    assert [article["slug"] for article in mine["articles"]] == made[::-1]
    assert mine["articlesCount"] == 3
    tagged = api.get(f"/articles?tag={tag}")
    assert [article["tagList"] for article in tagged["articles"]] == [sorted([tag, "x"])] * 2
    assert tagged["articlesCount"] == 2
    both = f"/articles?author={jake.name}&tag={tag}&limit=1"
    for query, slugs_there in (
        ("", made[2:]),
        ("&offset=1", made[1:2]),
        ("&offset=2", []),
        ("&offset=99999999999999999999", []),
    ):
        page = api.get(both + query)
        assert [article["slug"] for article in page["articles"]] == slugs_there
        assert page["articlesCount"] == 2
    assert len(api.get(f"/articles?author={jake.name}&limit=99999999999999999999")["articles"]) == 3
    assert api.get("/articles?author=nobody-of-this-name") == {"articles": [], "articlesCount": 0}
    assert ann.get("/articles?tag=no-tag-of-this-name")["articles"] == []
    for wrong in ("limit=0", "limit=x", "offset=-1", "limit=1&limit=2"):
        assert wrong.partition("=")[0] in api.call("GET", f"/articles?{wrong}").errors(422)


def liking(api: Person) -> None:
    jake, ann = api.somebody(), api.somebody("ann")
    made = ann.writes(f"Liked by {jake.name}", tagList=["b", "a"])
    path = f"/articles/{made['slug']}"
    for _ in range(2):
        liked = jake.post(f"{path}/favorite")
        assert (liked.status, liked.document) == (200, {"article": {**made, "favorited": True, "favoritesCount": 1}})
    ann.post(f"{path}/favorite")
    assert jake.get(path)["article"]["favoritesCount"] == 2
    assert api.get(path)["article"]["favorited"] is False
    for reader, favorited in ((jake, True), (api, False)):
        there = reader.get(f"/articles?favorited={jake.name}")
        assert there["articlesCount"] == 1
        assert [(a["slug"], a["favorited"], a["favoritesCount"]) for a in there["articles"]] == [
            (made["slug"], favorited, 2)
        ]
    ann.delete(f"{path}/favorite")
    for _ in range(2):
        assert jake.delete(f"{path}/favorite").document == {"article": made}
    assert api.get(f"/articles?favorited={jake.name}")["articlesCount"] == 0


def the_feed(api: Person) -> None:
    jake, celeb, other = api.somebody(), api.somebody("celeb"), api.somebody("other")
    assert jake.get("/articles/feed") == {"articles": [], "articlesCount": 0}
    jake.post(f"/profiles/{celeb.name}/follow")
    made = [celeb.writes(f"{n} by {celeb.name}")["slug"] for n in range(2)]
    other.writes(f"by {other.name}")
    feed = jake.get("/articles/feed")
    assert ([article["slug"] for article in feed["articles"]], feed["articlesCount"]) == (made[::-1], 2)
    assert set(feed["articles"][0]) == PREVIEW
    assert feed["articles"][0]["author"] == jake.get(f"/profiles/{celeb.name}")["profile"]
    assert feed["articles"][0]["author"]["following"] is True
    page = jake.get("/articles/feed?limit=1&offset=1")
    assert ([article["slug"] for article in page["articles"]], page["articlesCount"]) == (made[:1], 2)
    jake.delete(f"/profiles/{celeb.name}/follow")
    assert jake.get("/articles/feed")["articlesCount"] == 0


# --- comments and tags ---


def comments(api: Person) -> None:
    jake, ann = api.somebody(), api.somebody("ann")
    path = f"/articles/{jake.writes()['slug']}/comments"
    first = ann.post(path, {"comment": {"body": "First"}})
    assert first.status == api.contract.commented
    comment = first.document["comment"]
    assert isinstance(comment["id"], int)
    assert set(comment) == {"id", "createdAt", "updatedAt", "body", "author"}
    assert MOMENT.fullmatch(comment["createdAt"])
    assert comment["createdAt"] == comment["updatedAt"]
    assert comment["author"] == api.get(f"/profiles/{ann.name}")["profile"]
    assert api.get(path) == jake.get(path) == {"comments": [comment]}
    second = jake.post(path, {"comment": {"body": "Second"}}).document["comment"]
    jake.post(f"/profiles/{ann.name}/follow")
    there = jake.get(path)["comments"]
    assert [(c["id"], c["author"]["following"]) for c in there] == [(second["id"], False), (comment["id"], True)]

    assert jake.delete(f"{path}/{comment['id']}").errors(403)["comment"] == ["forbidden"]
    assert jake.post(path, {"comment": {"body": ""}}).errors(422) == {"body": [BLANK]}
    assert jake.delete(f"{path}/2147483647").errors(404)["comment"] == ["not found"]
    elsewhere = f"/articles/{jake.writes()['slug']}/comments"
    assert ann.delete(f"{elsewhere}/{comment['id']}").errors(404)["comment"] == ["not found"]
    gone = ann.delete(f"{path}/{comment['id']}")
    assert (gone.status, gone.document) == (204, None)
    assert [c["id"] for c in api.get(path)["comments"]] == [second["id"]]


def tags(api: Person) -> None:
    jake = api.somebody()
    often, rare = f"often-{jake.name}", f"a-rare-{jake.name}"
    jake.writes(tagList=[often])
    slug = jake.writes(tagList=[often, rare])["slug"]
    there = api.get("/tags")["tags"]
    assert there.index(often) < there.index(rare)
    jake.delete(f"/articles/{slug}")
    assert rare not in api.get("/tags")["tags"]


# --- what nobody means ---


def what_is_no_request_of_the_contract(api: Person) -> None:
    assert api.call("GET", "/nothing").errors(404) == {"body": ["Not Found"]}
    for method in ("PUT", "DELETE"):
        assert api.call(method, "/articles/feed").errors(405)  # where a slug could be
    refused = api.call("PATCH", "/tags")
    assert refused.errors(405)
    assert "GET" in refused.headers["allow"]
    jake = api.somebody()
    for content, status in ((b"{", 400), (b"[]", 422), (b"null", 422), (b"", 422), (b'{"user": "x"}', 422)):
        headers = {"content-type": "application/json"}
        sent = api.send("POST", "/api/users", headers, content)
        assert sent[0] == status
        assert json.loads(sent[2])["errors"]["body"]
    assert api.send("POST", "/api/users", {"content-type": "text/plain"}, b"{}")[0] == 415
    for path in ("/articles/a%00b", "/profiles/a%00b", "/articles?tag=%00", "/articles?author=a%00&favorited=%00b"):
        assert api.call("GET", path).errors(422 if "?" in path or "profiles" in path else 404)["body"]
    nul = jake.post("/articles", {"article": {"title": "a\0b", "description": "d", "body": "b", "tagList": ["a\0"]}})
    assert set(nul.errors(422)) == {"title", "tagList", "body"}
    path = f"/articles/{jake.writes()['slug']}/comments"
    for number in ("0", "-1", "x", 2**31, 2**64, 10**30):
        assert jake.delete(f"{path}/{number}").status in {404, 422}


FLOWS: dict[str, Flow] = {
    flow.__name__: flow
    for flow in (
        an_account, changing_an_account, what_an_account_cannot_be, signing_in_wrongly, tokens, following, writing, slugs,
        what_an_article_cannot_be, lists, liking, the_feed, comments, tags, what_is_no_request_of_the_contract,
    )
}  # fmt: skip
