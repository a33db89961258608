"""What the development server watches, says and shows. Nothing is served here, so there is no cell."""

import json
import logging
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from ambi.cli.dev import watching
from ambi.cli.dev.banner import Terminal
from ambi.cli.dev.failing import Failure, FailurePage, failure_of, loads
from ambi.cli.dev.listening import is_loopback, is_open_to_others, listen, url_of
from ambi.cli.dev.supervising import Supervisor, _ending
from ambi.cli.dev.watching import Watched, Watcher
from tests.cli.running import WAIT_S

# --- what is watched ---


def fill(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")


COUNT = ["shop.py", "a/b/c.py", "pyproject.toml", ".env", ".env.local", "page.html", "a/templates/mail.txt", "x.j2"]
DO_NOT = [
    "uploads/cat.png", "shop.sqlite3", "debug.log", "notes.txt", ".git/hook.py", "node_modules/x.py", "a/__pycache__/shop.py",
    "env/pyvenv.cfg", "env/lib/thing.py", ".#shop.py", "shop.py~", ".shop.py.swp", "a/templates/.mail.txt.swp",
]  # fmt: skip


def test_the_files_of_an_application_count_and_what_it_writes_does_not(tmp_path: Path) -> None:
    watched = Watched([tmp_path])
    fill(tmp_path, *COUNT, *DO_NOT)
    assert watched.changed() == sorted(str(tmp_path / name) for name in COUNT)
    assert watched.changed() == []


@pytest.mark.parametrize("name", COUNT + DO_NOT)
def test_what_the_system_tells_of_is_sorted_likewise(tmp_path: Path, name: str) -> None:
    fill(tmp_path, "env/pyvenv.cfg")
    watched = Watched([tmp_path])
    fill(tmp_path, name)
    path = str(tmp_path / name)
    assert watched.changed_of([path, path]) == ([path] if name in COUNT else [])
    assert watched.changed_of([path]) == []
    (tmp_path / name).unlink()
    assert watched.changed_of([path]) == ([path] if name in COUNT else [])


def test_all_files_of_a_directory_that_was_asked_for_count(tmp_path: Path) -> None:
    fill(tmp_path, "site/a.py", "rates/b.csv")
    watched = Watched([tmp_path / "site"], [tmp_path / "rates", tmp_path / "site" / "data"])
    assert watched.folders == [tmp_path / "site", tmp_path / "rates"]
    fill(tmp_path, "rates/c.csv", "site/c.csv", "site/data/d.csv", "rates/.git/x", "rates/c.csv~")
    changed = [str(tmp_path / name) for name in ("rates/c.csv", "site/data/d.csv")]
    assert watched.changed_of([*changed, str(tmp_path / "site/c.csv"), "/elsewhere"]) == changed
    assert watched.changed() == []


def test_a_change_of_any_kind_is_seen(tmp_path: Path) -> None:
    fill(tmp_path, "a.py", "b.py", "c.py")
    watched = Watched([tmp_path])
    os.utime(tmp_path / "a.py", ns=(1, 1))
    (tmp_path / "b.py").unlink()
    fill(tmp_path, "d.py")
    (tmp_path / "d.py").rename(tmp_path / "c.py")
    assert watched.changed() == [str(tmp_path / name) for name in ("a.py", "b.py", "c.py")]


def test_a_directory_that_is_moved_stands_for_its_files(tmp_path: Path) -> None:
    """The system tells of the directory alone."""
    fill(tmp_path, "site/a.py", "site/pkg.py", "new/b.txt", "new/sub/c.py")
    site = tmp_path / "site"
    watched = Watched([site])
    (tmp_path / "new").rename(site / "pkg")
    assert watched.changed_of([str(site / "pkg")]) == [str(site / "pkg/sub/c.py")]
    (site / "pkg").rename(site / "pkg2")
    moved = [str(site / name) for name in ("pkg", "pkg2")]
    assert watched.changed_of(moved) == [str(site / f"{name}/sub/c.py") for name in ("pkg", "pkg2")]
    (site / "pkg2").rename(tmp_path / "new")
    assert watched.changed_of([str(site / "pkg2")]) == [str(site / "pkg2/sub/c.py")]
    assert watched.changed_of([str(site / "pkg2")]) == []


def test_it_is_not_looked_for_a_file_that_came_and_went(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database writes its journal so, many times a second."""
    fill(tmp_path, "shop.py", "zoo/a.py")
    watched = Watched([tmp_path])
    monkeypatch.setattr(watched, "_look", None)
    assert watched.changed_of([str(tmp_path / name) for name in ("shop.sqlite3-journal", "zo", "zz")]) == []


def watch(watched: Watched, edit: Callable[[], object]) -> tuple[list[list[str]], Watcher]:
    """Give what was told of an edit."""
    told: list[list[str]] = []
    came = threading.Event()
    watcher = Watcher(watched, lambda paths: (told.append(paths), came.set()))  # type: ignore[arg-type]
    watcher.start()
    try:
        time.sleep(0.15)
        edit()
        assert came.wait(WAIT_S)
    finally:
        watcher.stop()
    return told, watcher


def edit_twice(folder: Path) -> None:
    fill(folder, "a.py")
    time.sleep(0.03)
    fill(folder, "b.py")


@pytest.mark.parametrize("how", ["watchfiles", "looking"])
def test_changes_that_follow_each_other_are_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    if how == "looking":
        monkeypatch.setattr(watching, "_watchfiles_version", lambda: "")
    else:
        pytest.importorskip("watchfiles")
    told, watcher = watch(Watched([tmp_path]), lambda: edit_twice(tmp_path))
    assert sorted(path for paths in told for path in paths) == [str(tmp_path / "a.py"), str(tmp_path / "b.py")]
    assert watcher.how.startswith(how)


def test_what_changes_before_the_system_begins_to_watch_is_seen(tmp_path: Path) -> None:
    pytest.importorskip("watchfiles")
    watched = Watched([tmp_path])
    fill(tmp_path, "a.py")
    told, _ = watch(watched, lambda: None)
    assert told == [[str(tmp_path / "a.py")]]


def test_watchfiles_tells_of_a_directory_that_is_moved(tmp_path: Path) -> None:
    pytest.importorskip("watchfiles")
    fill(tmp_path, "site/a.py", "new/b.py")
    told: queue.Queue[list[str]] = queue.Queue()
    watched = Watched([tmp_path / "site"])
    fill(tmp_path, "site/c.py")
    watcher = Watcher(watched, told.put)
    watcher.start()
    try:
        assert told.get(timeout=WAIT_S) == [str(tmp_path / "site/c.py")]  # the first time it looks in any case
        (tmp_path / "new").rename(tmp_path / "site/pkg")
        assert told.get(timeout=WAIT_S) == [str(tmp_path / "site/pkg/b.py")]
    finally:
        watcher.stop()


def test_where_the_system_watches_no_more_it_is_looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*paths: Path, **options: object) -> object:
        raise OSError("OS file watch limit reached")

    monkeypatch.setitem(sys.modules, "watchfiles", type("Watchfiles", (), {"watch": staticmethod(refused)}))
    monkeypatch.setattr(watching, "_watchfiles_version", lambda: "1")
    told, _ = watch(Watched([tmp_path]), lambda: fill(tmp_path, "a.py"))
    assert told == [[str(tmp_path / "a.py")]]


def test_a_watcher_that_was_not_started_can_be_stopped(tmp_path: Path) -> None:
    Watcher(Watched([tmp_path / "nowhere"]), print).stop()


# --- the parent ---


def test_a_signal_that_is_ignored_stays_so_as_nohup_asks() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Supervisor(cast("Any", None), cast("Any", None), Terminal("text"))._signals():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert callable(signal.getsignal(signal.SIGTERM))
    finally:
        signal.signal(signal.SIGHUP, before)


# --- why there is no application ---

FAILURE = Failure("shop:app could not be loaded", "KeyError: '<b>'\x1b[2J", (("shop.py", 3, "make", "x['<b>']"),))
BROWSER = {"HTTP_ACCEPT": "text/html,*/*"}


def page(**more: str) -> tuple[dict[str, str], str]:
    began: list[Any] = []
    environ = {
        "REQUEST_METHOD": "GET",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "localhost:8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        **more,
    }
    body = FailurePage(FAILURE)(environ, lambda status, headers: began.append((status, dict(headers))))  # type: ignore[arg-type]
    assert began[0][0] == "500 Internal Server Error"
    return began[0][1], b"".join(body).decode()


def test_a_failure_is_a_page_that_asks_again(tmp_path: Path) -> None:
    headers, text = page(**BROWSER)
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert headers["content-length"] == str(len(text.encode()))
    assert "<p>shop.py:3, in make</p><pre>x[&#x27;&lt;b&gt;&#x27;]</pre>" in text
    assert "<b>" not in text
    assert '<meta http-equiv="refresh" content="1">' in text
    assert "refresh" not in page(**BROWSER, REQUEST_METHOD="POST")[1]
    assert page()[1] == "shop:app could not be loaded\n\n  shop.py:3, in make\n    x['<b>']\nKeyError: '<b>'\\x1b[2J\n"


@pytest.mark.parametrize(
    ("more", "may_see"),
    [
        ({"REMOTE_ADDR": "::1", "HTTP_HOST": "[::1]:8000"}, True), ({"HTTP_HOST": "127.0.0.1"}, True),
        ({"REMOTE_ADDR": "::ffff:127.0.0.1"}, True), ({"HTTP_HOST": "[::1]"}, True),
        ({"REMOTE_ADDR": "192.168.0.7"}, False), ({"REMOTE_ADDR": ""}, False), ({"HTTP_HOST": "rebound.example:8000"}, False),
        ({"HTTP_HOST": ""}, False), ({"HTTP_X_FORWARDED_FOR": "127.0.0.1"}, False), ({"HTTP_VIA": "1.1 x"}, False),
        ({"SERVER_PROTOCOL": "HTTP/1.0"}, False), ({"HTTP_HOST": "localhost.evil.example"}, False),
    ],
)  # fmt: skip
def test_only_this_machine_sees_where_and_why(more: dict[str, str], may_see: bool) -> None:
    for kind in ({}, BROWSER):
        assert ("shop.py" in page(**kind, **more)[1]) == may_see


def test_a_failure_goes_to_the_parent_and_comes_back() -> None:
    assert loads(FAILURE.dumps()) == FAILURE


@pytest.mark.parametrize("text", ["", FAILURE.dumps()[:20], FAILURE.dumps()[:-1], "{}", "[]", "1", "null"])
def test_half_a_failure_is_told_apart(text: str) -> None:
    """A child may be killed while it writes."""
    with pytest.raises(ValueError):  # noqa: PT011
        loads(text)


def test_a_report_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    supervisor = Supervisor.__new__(Supervisor)
    supervisor._report = tmp_path / "failure.json"
    assert supervisor._reported() is None
    for text in (b"", b'["a", "b"', b"\xff"):
        supervisor._report.write_bytes(text)
        assert supervisor._reported() is None
    supervisor._report.write_text(FAILURE.dumps(), encoding="utf-8")
    assert supervisor._reported() == FAILURE


def test_an_exception_without_words_is_named() -> None:
    try:
        raise LookupError
    except LookupError as exc:
        failure = failure_of("it failed", exc)
    assert failure.text == "LookupError"
    assert failure.frames[-1][3] == "raise LookupError"


@pytest.mark.parametrize(("status", "said"), [(0, "status 0"), (-9, "signal SIGKILL"), (-200, "the signal 200")])
def test_the_end_of_a_process_is_said(status: int, said: str) -> None:
    assert said in _ending(status)


# --- what is said ---


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("shop", "Deploy with: gunicorn shop:app, or uvicorn shop:app"),
        ("shop.site:application", "gunicorn shop.site:application, or uvicorn shop.site:application"),
        ("shop:make_app", "gunicorn 'shop:make_app()', or uvicorn --factory shop:make_app"),
        ("shop:create(3)", "Deploy with: gunicorn 'shop:create(3)'"),
        ("shop.py:app", "Ctrl+C stops it."), ("sites/shop.py", "Ctrl+C stops it."),
    ],
)  # fmt: skip
def test_the_banner_says_how_to_deploy(spec: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    Terminal("text").say_banner(spec, "http://localhost:1", [("reload", "off")], "")
    line = next(line for line in capsys.readouterr().err.splitlines() if "development only" in line)
    assert line.endswith(said)


def test_the_banner_is_a_line_of_json_for_tools(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal("json").say_banner("shop", "http://localhost:1", [("reload", "off"), ("debug", "on")], "it is open")
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert first["message"] == "shop on http://localhost:1 (reload off; debug on)"
    assert (second["level"], second["message"]) == ("WARNING", "  it is open")


def test_addresses_are_written_as_browsers_take_them() -> None:
    for host, shown, is_open in (
        ("127.0.0.1", "127.0.0.1", False),
        ("localhost", "127.0.0.1", False),
        ("0.0.0.0", "127.0.0.1", True),
    ):
        with listen(host, 0) as listening:
            assert url_of(listening) == f"http://{shown}:{listening.getsockname()[1]}"
            assert is_open_to_others(listening) == is_open
    try:
        with listen("::", 0) as listening:
            assert url_of(listening) == f"http://[::1]:{listening.getsockname()[1]}"
    except Exception:
        pytest.skip("this machine has no IPv6")
    assert not is_loopback("no address")


def line_of(**fields: object) -> str:
    from ambi.cli.dev.access import _LineFormatter

    record = logging.makeLogRecord({"msg": "as it is", "created": 0, **({"access": fields} if fields else {})})
    return _LineFormatter().format(record)


def test_a_request_is_a_line() -> None:
    fields = {"method": "GET", "path": "/", "status": 200, "bytes": 1234, "duration_ms": 1.25, "complete": True}
    assert line_of(**fields)[8:] == " 200 GET /  1.2 ms  1,234 B"
    assert line_of(**{**fields, "complete": False}).endswith("1,234 B  (the client left)")
    assert line_of(**{**fields, "complete": False, "status": None}).endswith("1,234 B  (no answer)")
    assert line_of() == "as it is"
