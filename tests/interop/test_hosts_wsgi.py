"""The application inside hosts that speak WSGI: below a prefix it does what it does at the root."""

import pytest

from tests.interop.drivers import HOST, ask_wsgi, in_process
from tests.interop.host_apps import WSGI_HOSTS, in_flask, who
from tests.interop.ours import Ours
from tests.interop.passing import FORM, FORM_TYPE, check_wsgi

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # what other packages use is their affair


@pytest.fixture(params=WSGI_HOSTS)
def name(request: pytest.FixtureRequest) -> str:
    """Give one host after the other."""
    found: str = request.param
    return found


def test_everything_works_below_a_prefix(name: str) -> None:
    ours = Ours()
    host = WSGI_HOSTS[name]({"/in": ours.app})
    with in_process(ours.app, host):
        assert ask_wsgi(host, "/own").text == "own"
        check_wsgi(host, ours, "/in")
    assert ours.life == ["start", "stop"]


def test_it_knows_where_it_stands(name: str) -> None:
    if name == "bottle":
        pytest.skip("Bottle has decoded PATH_INFO when it passes it on, so that a path beyond ASCII is no UTF-8")
    ours = Ours()
    host = WSGI_HOSTS[name]({"/in": ours.app})
    with in_process(ours.app, host):
        where = ask_wsgi(host, "/in/where/%C3%A4?q=1").json()
    assert where == {
        "root": "/in", "path": "/where/ä", "rest": "ä", "url": f"http://{HOST}/in/where/%C3%A4?q=1",
        "link": "/in/where/%C3%A4%20b", "whose": "ours", "query": "q=1",
    }  # fmt: skip


def test_what_the_host_sets_in_a_context_variable_is_seen_in_both_colours(name: str) -> None:
    ours = Ours()
    ours.look = who.get
    host = WSGI_HOSTS[name]({"/in": ours.app})
    with in_process(ours.app, host):
        assert [ask_wsgi(host, f"/in/{page}").text for page in ("context", "context-async")] == [name, name]


def test_one_application_stands_in_two_places_and_starts_once(name: str) -> None:
    ours = Ours()
    host = WSGI_HOSTS[name]({"/in": ours.app, "/too": ours.app})
    with in_process(ours.app, host):
        links = [ask_wsgi(host, f"{prefix}/where/x").json()["link"] for prefix in ("/in", "/too")]
    assert links == ["/in/where/%C3%A4%20b", "/too/where/%C3%A4%20b"]
    assert ours.life == ["start", "stop"]


def test_flasks_test_client_reaches_it() -> None:
    ours = Ours()
    host = in_flask({"/in": ours.app})
    with in_process(ours.app), host.test_client() as client:
        assert client.get("/own").text == "own"
        assert client.get("/in/where/x").json["root"] == "/in"
        assert client.post("/in/upload", data=FORM, content_type=FORM_TYPE).json[0] == "A"
        assert [client.get("/in/cookie").text for _ in range(2)] == ["none", "1"]
        assert client.get("/in/boom").status_code == 500
