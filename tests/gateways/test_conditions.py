"""Conditions are heeded before the work is done, and a response says its version, in every cell."""

from datetime import UTC, datetime, timedelta

import pytest

from ambi import App, HTTPError, Request, Response
from ambi.testing import Client
from tests.cells import GATEWAYS, Cell

ONE_FOR_EACH_GATEWAY = pytest.mark.parametrize("cell", GATEWAYS, indirect=True, ids=str)
"""For what has no colour: conditions are looked at where the handler runs."""
THEN = "Sun, 06 Nov 1994 08:49:37 GMT"


@pytest.fixture
def article(client: Client, app: App, cell: Cell) -> list[str]:
    """Serve an article that says its version; what is done of the work comes back."""
    done: list[str] = []

    def show(request: Request) -> Response:
        unchanged = request.check_conditions(
            etag="v1", last_modified=datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC), headers={"vary": "Cookie"}
        )
        if unchanged:
            return unchanged
        done.append("rendered")
        response = Response("page", headers={"vary": "Cookie"})
        response.etag = "v1"
        response.last_modified = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)
        return response

    def change(request: Request) -> None:
        request.check_conditions(etag="v1")
        done.append("changed")

    def create(request: Request) -> str:
        request.check_conditions(exists=False)
        done.append("created")
        return "created"

    async def show_async(request: Request) -> Response:
        return show(request)

    async def change_async(request: Request) -> None:
        change(request)

    async def create_async(request: Request) -> str:
        return create(request)

    app.get("/")(cell.pick(show, show_async))
    app.put("/")(cell.pick(change, change_async))
    app.put("/new")(cell.pick(create, create_async))
    return done


def test_nothing_is_done_for_a_client_that_has_it(article: list[str], client: Client) -> None:
    first = client.get("/")
    assert (first.headers["etag"], first.headers["last-modified"], article) == ('"v1"', THEN, ["rendered"])
    for fields in ({"if-none-match": '"v1"'}, {"if-none-match": 'W/"v1"'}, {"if-modified-since": THEN}):
        again = client.get("/", headers=fields)
        assert (again.status_code, again.headers["etag"], again.headers["last-modified"]) == (304, '"v1"', THEN)
        assert again.headers["vary"] == "Cookie"
    assert client.request("HEAD", "/", headers={"if-none-match": "*"}).status_code == 304
    assert article == ["rendered"]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, 204),
        ({"if-match": '"v1"'}, 204),
        ({"if-match": "*"}, 204),
        ({"if-match": '"v0", "v1"'}, 204),
        ({"if-match": '"v0"'}, 412),
        ({"if-match": 'W/"v1"'}, 412),
        ({"if-match": "v1"}, 412),
        ({"if-none-match": "*"}, 412),
        ({"if-none-match": '"v1"'}, 412),
        ({"if-none-match": '"v0"'}, 204),
        ({"if-modified-since": "Sun, 06 Nov 2044 08:49:37 GMT"}, 204),
    ],
    ids=str,
)
@ONE_FOR_EACH_GATEWAY
def test_a_change_of_another_version_is_refused(
    article: list[str], client: Client, fields: dict[str, str], status: int
) -> None:
    response = client.put("/", headers=fields)
    assert (response.status_code, article) == (status, ["changed"] if status == 204 else [])


@pytest.mark.parametrize(
    ("fields", "status"),
    [({}, 200), ({"if-none-match": "*"}, 200), ({"if-match": "*"}, 412), ({"if-match": '"a"'}, 412)],
)
@ONE_FOR_EACH_GATEWAY
def test_what_is_not_there_yet_meets_no_tag(
    article: list[str], client: Client, fields: dict[str, str], status: int
) -> None:
    assert client.put("/new", headers=fields).status_code == status
    assert article == (["created"] if status == 200 else [])


@pytest.mark.parametrize(
    "fields",
    [
        {"if-modified-since": "Sun, 99 Zzz 99999 99:99:99 GMT"},
        {"if-none-match": 'abc, "a,b", W/, W/"'},
        {"if-none-match": '"a",' * 5000},
    ],
    ids=["date", "tags", "many"],
)
@ONE_FOR_EACH_GATEWAY
def test_conditions_that_cannot_be_read_hold_nothing_up(
    article: list[str], client: Client, fields: dict[str, str]
) -> None:
    assert client.get("/", headers=fields).text == "page"


def test_a_refusal_can_be_handled_like_any_error(app: App, client: Client, cell: Cell) -> None:
    @app.error(412)
    def conflict(request: Request, error: HTTPError) -> str:
        return "read it again"

    @app.put("/")
    def change(request: Request) -> None:
        request.check_conditions(etag="v2")

    response = client.put("/", headers={"if-match": '"v1"'})
    assert (response.status_code, response.text) == (412, "read it again")


# --- what a response says of its version. Nothing is served, so there is no cell ---


def test_a_response_says_its_version() -> None:
    response = Response("a")
    assert (response.etag, response.last_modified) == (None, None)
    response.etag, response.last_modified = "a", 784111777
    assert (response.etag, response.last_modified) == ('"a"', datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC))
    assert response.headers["last-modified"] == THEN
    response.etag = 'W/"b"'
    assert response.headers["etag"] == 'W/"b"'
    response.etag = response.last_modified = None
    response.etag = None  # which may be said twice
    assert not {"etag", "last-modified"} & set(response.headers)


def test_what_is_modified_in_the_future_was_modified_now() -> None:
    response = Response("a")
    response.last_modified = datetime.now(UTC) + timedelta(days=1)
    assert response.last_modified is not None
    assert response.last_modified <= datetime.now(UTC)


@pytest.mark.parametrize("etag", ['a"b', "a b", "a\nb", "W/a b"])
def test_a_tag_that_cannot_be_sent_is_refused(etag: str) -> None:
    with pytest.raises(ValueError, match="entity tag"):
        Response("a").etag = etag


def test_a_date_says_its_time_zone() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        Response("a").last_modified = datetime(2026, 1, 1)  # noqa: DTZ001
