"""The wall clock is set back and forth by hours, as by hand, by a summer time that nobody wanted, or by NTP at boot.

Nothing crashes; what is kept for a while ends a little early or late, never never; and nobody is kept out for longer
than a window. How long something waits is told by a clock that is never set.
"""

import time
from pathlib import Path
from typing import Any

import pytest

from ambi import App, Request
from ambi.features.rate_limit.memory import MemoryStore as Counts
from ambi.features.sessions import MemoryStore, SQLiteStore
from ambi.features.sessions.signing import Signer
from ambi.testing import Client
from tests.cells import GATEWAYS, Cell
from tests.conftest import MakeClient
from tests.faults import ALL

HOUR_S = 3600
SECRET = "of these tests, and of nobody else" * 2
STEPS = [-5 * HOUR_S, -2 * HOUR_S, -30, 30, 2 * HOUR_S, 5 * HOUR_S][:: 1 if ALL else 3]


class Clock:
    """A wall clock that can be set."""

    def __init__(self) -> None:
        self._really = time.time
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return self._really() + self.ahead_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(time, "time", made)
    return made


def counting_app(cell: Cell, store: Any, *, sliding: bool = True) -> App:
    app = App(csrf=False)
    app.sessions(secret=SECRET, store=store, max_age_s=HOUR_S, sliding=sliding)

    @app.post("/")
    @cell.handler
    def count(request: Request) -> str:
        request.session["n"] = request.session.get("n", 0) + 1
        return str(request.session["n"])

    return app


@pytest.fixture(params=["cookie", "memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path, no_leaks: None) -> Any:
    """Give each place where sessions are kept."""
    if request.param != "sqlite":
        yield {"cookie": None, "memory": MemoryStore()}[request.param]
        return
    made = SQLiteStore(tmp_path / "sessions.db")
    yield made
    made.close()


@pytest.mark.parametrize("cell", GATEWAYS, indirect=True, ids=str)
@pytest.mark.parametrize("step_s", STEPS)
def test_a_session_survives_a_small_step_and_no_step_makes_it_eternal(
    store: Any, make_client: MakeClient, cell: Cell, clock: Clock, step_s: float
) -> None:
    visitor = Visitor(make_client(counting_app(cell, store)))
    assert [visitor.count() for _ in range(2)] == ["1", "2"]
    clock.ahead_s = step_s
    survives = abs(step_s) < 300
    wanted = ["3", "4"] if survives else ["1", "2"]  # signed in an hour that is over, or has not come yet
    assert [visitor.count() for _ in range(2)] == wanted
    clock.ahead_s = 0
    assert visitor.count() == ("5" if survives else "1"), "and a step that is taken back is another one"
    clock.ahead_s = 2 * HOUR_S
    assert visitor.count() == "1", "it ends, whatever was before"


class Visitor:
    """A client that brings its cookie back whatever the time is, as one with a clock of its own does."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._cookie = ""

    def count(self) -> str:
        """Count one more visit."""
        self._client.cookies.clear()
        answered = self._client.post("/", headers={"cookie": self._cookie} if self._cookie else {})
        assert answered.status_code == 200
        self._cookie = answered.headers.get("set-cookie", self._cookie).partition(";")[0]
        return answered.text


def test_a_signature_is_taken_from_a_clock_that_is_a_little_ahead(clock: Clock) -> None:
    signer = Signer([SECRET.encode()], "test", "cookie", HOUR_S)
    for ahead_s, is_taken in [
        (0, True),
        (1, True),
        (250, True),
        (400, False),
        (5 * HOUR_S, False),
        (-HOUR_S - 2, False),
    ]:
        clock.ahead_s = ahead_s
        signed = signer.sign("value")
        clock.ahead_s = 0
        found = signer.read(signed)
        assert (found is not None) is is_taken, ahead_s
        assert found is None or (found[0] == "value" and 0 <= found[1] <= 1)


@pytest.mark.parametrize("step_s", [-5 * HOUR_S, -HOUR_S, HOUR_S, 5 * HOUR_S])
def test_the_lock_of_a_request_that_died_lapses_whatever_the_clock_does(
    tmp_path: Path, clock: Clock, step_s: float
) -> None:
    sqlite = SQLiteStore(tmp_path / "sessions.db")
    for store in (MemoryStore(), sqlite):
        clock.ahead_s = 0
        assert store.lock("name", "of one that dies", 10)
        assert not store.lock("name", "of the next", 10)
        clock.ahead_s = step_s
        assert store.lock("name", "of the next", 10)
        store.unlock("name", "of one that dies")
        assert not store.lock("name", "of a third", 10), "an old token opens nothing"
    sqlite.close()


@pytest.mark.parametrize("step_s", STEPS)
def test_nobody_is_kept_out_for_longer_than_a_window(clock: Clock, step_s: float) -> None:
    counts = Counts()
    assert [counts.acquire_entry("key", 2, 60) for _ in range(3)] == [True, True, False]
    assert [counts.incr("key", 60) for _ in range(3)] == [1, 2, 3]
    clock.ahead_s = step_s
    is_over = step_s > 60
    assert counts.acquire_entry("key", 2, 60) is is_over, "a clock that is set back lets nobody in before the time"
    assert counts.incr("key", 60) == (1 if is_over else 4)
    clock.ahead_s = step_s + 61
    assert counts.acquire_entry("key", 2, 60)
    assert counts.incr("key", 60) == 1


@pytest.mark.parametrize("cell", GATEWAYS, indirect=True, ids=str)
@pytest.mark.parametrize("step_s", STEPS)
def test_what_a_client_is_told_to_wait_is_within_the_window(
    app: App, make_client: MakeClient, cell: Cell, clock: Clock, step_s: float
) -> None:
    app.rate_limit("1/minute")
    app.get("/")(cell.handler(lambda: "ok"))
    client = make_client(app)
    assert [client.get("/").status_code for _ in range(2)] == [200, 429]
    clock.ahead_s = step_s
    answered = client.get("/")
    assert answered.status_code == (200 if step_s >= 60 else 429)
    assert 0 <= int(answered.headers.get("retry-after", "0")) <= 60


@pytest.mark.parametrize("cell", GATEWAYS, indirect=True, ids=str)
@pytest.mark.parametrize("step_s", STEPS)
def test_the_date_of_a_file_is_never_later_than_now(
    app: App, make_client: MakeClient, cell: Cell, clock: Clock, step_s: float, tmp_path: Path
) -> None:
    """RFC 9110 8.8.2.1; and what has not changed is not sent again."""
    from email.utils import parsedate_to_datetime

    (tmp_path / "page.txt").write_text("page")
    app.static("/", tmp_path)
    client = make_client(app)
    clock.ahead_s = step_s
    answered = client.get("/page.txt")
    assert parsedate_to_datetime(answered.headers["last-modified"]).timestamp() <= time.time() + 1
    clock.ahead_s = 0
    assert client.get("/page.txt", headers={"if-none-match": answered.headers["etag"]}).status_code == 304


@pytest.mark.parametrize("cell", GATEWAYS, indirect=True, ids=str)
@pytest.mark.parametrize("step_s", [-5 * HOUR_S, 5 * HOUR_S])
def test_what_waits_does_not_look_at_the_wall_clock(
    app: App, make_client: MakeClient, cell: Cell, clock: Clock, step_s: float
) -> None:
    import anyio

    @app.get("/", timeout_s=0.2)
    async def handler() -> str:
        clock.ahead_s = step_s
        await anyio.sleep(0.02)
        return "in time"

    assert make_client(app).get("/").text == "in time"
