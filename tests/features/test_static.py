"""The files of a directory, and nothing outside of it, in every cell.

The handlers are the framework's own, so the colour of a cell changes nothing here: one cell for each way in.
"""

import os
import pickle
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ambi import App, ConfigurationError, Middleware, Request
from ambi.core.files import SMALL_BYTES
from ambi.features import static
from ambi.features.static import FOREVER, StaticFiles, is_safe_name
from ambi.testing import Client
from tests.cells import Cell

JAVASCRIPT = "text/javascript; charset=utf-8"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give a directory with what must be served and what must not, and secrets beside it."""
    root = tmp_path / "static"
    for name, content in {
        "static/a.txt": "a", "static/index.html": "root", "static/sub/index.html": "sub", "static/sub/b.txt": "b",
        "static/empty/c.txt": "c", "static/.env": "secret", "static/.git/config": "secret", "static/a.unknown": "?",
        "static/größe ü.txt": "ü", "static/app.3f2a9c1b.js": "app", "static/app.js": "app",
        "static/sub/deep/er/d.txt": "d",
        "static-secret/s.txt": "secret", "static1.txt": "secret", "outside.txt": "secret", "dir/s.txt": "secret",
    }.items():  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    (root / "link-out").symlink_to(tmp_path / "outside.txt")
    (root / "link-dir").symlink_to(tmp_path / "dir")
    (root / "link-up").symlink_to("..")
    (root / "link-loop").symlink_to("link-loop")
    (root / "link-self").symlink_to(".")
    (root / "link-hidden").symlink_to(".env")
    (root / "link-in").symlink_to("sub/b.txt")
    (root / "link-in-dir").symlink_to("sub")
    (root / "link-absolute").symlink_to(root / "a.txt")
    (root / "link-nowhere").symlink_to("nowhere")
    (root / "app.js.gz").symlink_to(tmp_path / "outside.txt")
    os.mkfifo(root / "fifo")
    return root


@pytest.fixture
def serve(app: App, root: Path) -> Callable[..., None]:
    """Give what serves that directory below /static, with further options."""

    def serve(prefix: str = "/static", **options: Any) -> None:
        app.static(prefix, root, **options)

    return serve


Serve = Callable[..., None]


# --- what is there ---


@pytest.mark.parametrize(
    ("target", "content", "media_type"),
    [
        ("/static/a.txt", "a", "text/plain; charset=utf-8"),
        ("/static/sub/b.txt", "b", "text/plain; charset=utf-8"),
        ("/static/sub/deep/er/d.txt", "d", "text/plain; charset=utf-8"),
        ("/static/gr%C3%B6%C3%9Fe%20%C3%BC.txt", "ü", "text/plain; charset=utf-8"),
        ("/static/a.unknown", "?", "application/octet-stream"),
        ("/static/app.js", "app", JAVASCRIPT),
        ("/static/", "root", "text/html; charset=utf-8"),
        ("/static/sub/", "sub", "text/html; charset=utf-8"),
        ("/static/link-in", "b", "application/octet-stream"),
        ("/static/link-in-dir/b.txt", "b", "text/plain; charset=utf-8"),
        ("/static/link-in-dir/", "sub", "text/html; charset=utf-8"),
        ("/static/link-self/a.txt", "a", "text/plain; charset=utf-8"),
        ("/static/link-absolute", "a", "application/octet-stream"),
        ("/static/sub%2Fb.txt", "b", "text/plain; charset=utf-8"),
    ],
)
def test_the_files_of_the_directory_are_served(
    serve: Serve, client: Client, target: str, content: str, media_type: str
) -> None:
    serve()
    response = client.get(target)
    assert (response.status_code, response.text, response.headers["content-type"]) == (200, content, media_type)
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cache-control"] == "no-cache"
    head = client.head(target)
    assert (head.status_code, head.content, dict(head.headers)) == (200, b"", dict(response.headers))
    again = client.get(target, headers={"if-none-match": response.headers["etag"]})
    assert (again.status_code, again.headers["cache-control"], again.headers["vary"]) == (
        304, "no-cache", "Accept-Encoding"
    )  # fmt: skip


def test_a_large_file_and_a_part_of_it_are_served(serve: Serve, client: Client, root: Path) -> None:
    content = os.urandom(SMALL_BYTES * 12)
    (root / "large.bin").write_bytes(content)
    serve()
    assert client.get("/static/large.bin").content == content
    part = client.get("/static/large.bin", headers={"range": "bytes=1000-299999"})
    assert (part.status_code, part.content) == (206, content[1000:300_000])


def test_only_get_head_and_options_are_allowed(serve: Serve, client: Client) -> None:
    serve()
    for method in ("POST", "PUT", "DELETE"):
        response = client.request(method, "/static/a.txt")
        assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert client.options("/static/a.txt").headers["allow"] == "GET, HEAD, OPTIONS"


# --- what is not there, or must not be ---


@pytest.mark.parametrize(
    "target",
    [
        "/static/missing", "/static/a.txt/", "/static/a.txt/b", "/static/sub/missing/x", "/static/empty/",
        "/static/empty", "/static/.env", "/static/.git/config", "/static/sub/..", "/static/sub/../a.txt",
        "/static/../outside.txt", "/static/..%2foutside.txt", "/static/..%5coutside.txt",
        "/static/%2e%2e%2fstatic-secret/s.txt", "/static/%2e%2e/static1.txt", "/static/%252e%252e/outside.txt",
        "/static/./a.txt", "/static//a.txt", "/static/sub//b.txt", "/static//evil.test/..", "/static///etc/passwd",
        "/static/%2fetc/passwd", "/static/a.txt%00", "/static/a.txt%00.png", "/static/a.txt%0a", "/static/c:/a.txt",
        "/static/C:%5ca.txt", "/static/a.txt::$DATA", "/static/NUL::$DATA", "/static/sub\\b.txt", "/static/link-out",
        "/static/link-dir/s.txt", "/static/link-dir/", "/static/link-up/outside.txt", "/static/link-up/static/a.txt",
        "/static/link-hidden", "/static/link-nowhere", "/static/fifo", "/static/fifo/x", "/static/" + "a" * 255,
        "/static/" + "a" * 300, "/static/" + "a/" * 500 + "b", "/static/%ff%fe.txt", "/static-secret/s.txt",
        "/static1.txt", "/static/app.js.gz", "/static/link-nowhere/x", "/static/link-loop",
        "/static/link-loop/x", "/static/a.txt%20",
    ],
)  # fmt: skip
def test_nothing_else_is(serve: Serve, client: Client, target: str) -> None:
    serve()
    for method in ("GET", "HEAD"):
        response = client.request(method, target)
        assert response.status_code == (400 if "%ff" in target else 404)
        assert b"secret" not in response.content


@given(st.lists(st.sampled_from(["..", ".", "", "static", "outside.txt", "sub", "link-up", "link-dir", "s.txt", "%2e%2e", "..%2f", "..\\", "%5c", "link-in-dir", "static-secret", "~", "%00"]), max_size=6))  # fmt: skip
@example(["..", "outside.txt"])
@example(["%2e%2e", "static-secret", "s.txt"])
@example(["sub", "..", "..", "outside.txt"])
@example(["link-dir", "s.txt"])
@example(["link-up", "outside.txt"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_path_leads_out(root: Path, parts: list[str]) -> None:
    """Without a cell: what is opened does not depend on the gateway."""
    app = App()
    app.static("/static", root)
    response = Client(app, gateway="wsgi").get("/static/" + "/".join(parts))
    assert response.status_code in (200, 308, 400, 404)
    assert b"secret" not in response.content


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".env", "a/b", "a\\b", "c:", "a\0", "a\x1f", "a\n", "a\x7f", "/", "a:b"]
)
def test_names_that_are_unsafe_everywhere(name: str) -> None:
    assert not is_safe_name(name, windows=False)
    assert not is_safe_name(name, windows=True)


@pytest.mark.parametrize(
    "name",
    ["NUL", "nul", "con.txt", "AUX.tar.gz", "com1", "LPT9.log", "COM¹", "CONIN$", "prn .txt", "a.", "a ", "a.txt. "],
)
def test_names_that_are_devices_or_others_on_windows(name: str) -> None:
    assert is_safe_name(name, windows=False)
    assert not is_safe_name(name, windows=True)
    assert is_safe_name(name) is (os.name != "nt")


@pytest.mark.parametrize("name", ["a", "a.b", "console", "com10", "ü", "a b", "null.txt", "-", "~", "X"])
def test_names_that_are_safe(name: str) -> None:
    assert is_safe_name(name, windows=False)
    assert is_safe_name(name, windows=True)


@pytest.mark.parametrize("swapped", ["sub", "sub/b.txt"])
def test_a_link_put_in_the_way_after_the_look_is_not_followed(
    serve: Serve, client: Client, root: Path, monkeypatch: pytest.MonkeyPatch, swapped: str
) -> None:
    """The race of look and open: a link leads inside when it is resolved, and outside when it is opened."""
    serve()
    assert client.get("/static/link-in-dir/b.txt").text == "b"
    resolve = StaticFiles._resolve

    def resolve_and_swap(files: StaticFiles, names: list[str]) -> list[str] | None:
        resolved = resolve(files, names)
        (root / swapped).rename(root / "moved")
        (root / swapped).symlink_to(root.parent / swapped.replace("sub", "dir"))
        return resolved

    (root.parent / "dir" / "b.txt").write_text("secret")
    monkeypatch.setattr(StaticFiles, "_resolve", resolve_and_swap)
    assert client.get("/static/link-in-dir/b.txt").status_code == 404


def test_a_link_that_leads_out_is_no_file_of_the_name_that_it_ends_with(
    serve: Serve, client: Client, root: Path
) -> None:
    """What stands behind as many characters as the directory's own path has."""
    outside = root.parent / ("x" * len(root.name))
    outside.mkdir()
    (outside / "a.txt").write_text("secret")
    (root / "link-to-namesake").symlink_to(outside / "a.txt")
    serve()
    assert client.get("/static/a.txt").status_code == 200
    assert client.get("/static/link-to-namesake").status_code == 404


def test_where_no_descriptor_can_be_walked_paths_are_resolved(
    serve: Serve, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows."""
    monkeypatch.setattr(static, "_WALKS", False)
    serve()
    for target, content in {"a.txt": "a", "sub/b.txt": "b", "link-in": "b", "": "root", "sub/": "sub"}.items():
        assert client.get("/static/" + target).text == content
    for target in ("link-out", "link-dir/s.txt", "link-up/outside.txt", "link-hidden", "missing", "fifo", "a.txt/b"):
        assert client.get("/static/" + target).status_code == 404


def test_what_must_not_be_read_is_not_found_and_logged(
    serve: Serve, client: Client, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Played, since whoever runs the tests may be allowed to read everything."""
    opening = os.open

    def refuse(path: Any, *args: Any, **kwargs: Any) -> int:
        if path == "b.txt":
            raise PermissionError(13, "Permission denied", path)
        return opening(path, *args, **kwargs)

    serve()
    monkeypatch.setattr(os, "open", refuse)
    assert client.get("/static/sub/b.txt").status_code == 404
    assert "Permission denied" in caplog.records[0].getMessage()


def test_running_out_of_descriptors_is_a_503(serve: Serve, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> int:
        raise OSError(24, "Too many open files")

    serve()
    monkeypatch.setattr(os, "open", refuse)
    assert client.get("/static/a.txt").status_code == 503


# --- directories ---


def test_a_directory_without_its_slash_is_told_where_it_is(serve: Serve, client: Client) -> None:
    serve()
    for target, location in {
        "/static/sub": "./sub/", "/static/sub?a=b": "./sub/?a=b", "/static": "./static/", "/static/link-in-dir":
        "./link-in-dir/",
    }.items():  # fmt: skip
        response = client.get(target)
        assert (response.status_code, response.headers["location"]) == (308, location), target


def test_a_directory_whose_slashes_were_sent_encoded_is_told_where_it_is(
    app: App, root: Path, client: Client, cell: Cell
) -> None:
    (root / "sub" / "deep" / "index.html").write_text("deep")
    app.static("/static", root)
    for target, location in {
        "/static/sub%2Fdeep": "./sub%2Fdeep/", "/static%2fsub/deep?a=b": "./deep/?a=b",
        "/static%2fsub%2Fdeep": "./static%2Fsub%2Fdeep/",
    }.items():  # fmt: skip
        response = client.get(target)
        assert (response.status_code, response.headers["location"]) == (308, location), target
        assert client.get(target, follow_redirects=True).text == "deep"


def test_there_may_be_another_index_or_none(app: App, root: Path, client: Client) -> None:
    app.static("/other", root, index="a.txt")
    app.static("/none", root, index=None)
    assert client.get("/other/").text == "a"
    assert client.get("/other/sub/").status_code == 404
    assert [client.get(f"/none{path}").status_code for path in ("/", "/sub/", "/sub", "/sub/b.txt")] == [
        404,
        404,
        404,
        200,
    ]


def test_a_directory_may_be_at_the_top(app: App, client: Client, cell: Cell, root: Path) -> None:
    app.get("/api")(cell.handler(lambda: "api"))
    app.static("/", root)
    assert [client.get(path).text for path in ("/", "/a.txt", "/sub/b.txt", "/api")] == ["root", "a", "b", "api"]
    assert client.get("/missing").status_code == 404


# --- applications that route in the browser ---


def test_a_page_that_is_not_there_is_the_fallback(serve: Serve, client: Client) -> None:
    serve("/app", fallback="sub/index.html", cache_control="max-age=60")
    page = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    for target, headers in [
        ("/app/users/7", {}), ("/app/users/7", page), ("/app/users/jane.doe", page), ("/app/empty/", {}),
        ("/app/users", {"accept": "*/*"}),
    ]:  # fmt: skip
        response = client.get(target, headers=headers)
        assert (response.status_code, response.text, response.headers["cache-control"]) == (200, "sub", "no-cache")
        assert response.headers["vary"] == "Accept-Encoding, Accept"
    assert client.get("/app/a.txt").headers["cache-control"] == "max-age=60"
    assert client.get("/app/").text == "root"


def test_what_is_no_page_or_never_was_one_is_not_found(serve: Serve, client: Client) -> None:
    serve("/app", fallback="index.html")
    for target, headers in [
        ("/app/app.old.js", {}), ("/app/app.old.js", {"accept": "*/*"}), ("/app/api", {"accept": "application/json"}),
        ("/app/.env", {}), ("/app/..%2f..%2fx", {"accept": "text/html"}), ("/app/a//b", {"accept": "text/html"}),
    ]:  # fmt: skip
        assert client.get(target, headers=headers).status_code == 404, target


def test_a_fallback_that_was_removed_is_not_found(serve: Serve, client: Client, root: Path) -> None:
    serve("/app", fallback="sub/b.txt", index=None)
    assert client.get("/app/").text == "b"
    (root / "sub" / "b.txt").unlink()
    assert client.get("/app/page").status_code == 404


# --- caching ---


@pytest.mark.parametrize(
    "immutable",
    [r"\.[0-9a-f]{8}\.", re.compile(r"^app\.[0-9a-f]{8}\.js$"), lambda path: path == "app.3f2a9c1b.js"],
)
def test_names_that_change_with_their_content_are_kept_for_ever(serve: Serve, client: Client, immutable: Any) -> None:
    serve(immutable=immutable, cache_control=None)
    assert client.get("/static/app.3f2a9c1b.js").headers["cache-control"] == FOREVER
    assert "cache-control" not in client.get("/static/app.js").headers
    etag = client.get("/static/app.3f2a9c1b.js").headers["etag"]
    unchanged = client.get("/static/app.3f2a9c1b.js", headers={"if-none-match": etag})
    assert (unchanged.status_code, unchanged.headers["cache-control"]) == (304, FOREVER)


def test_a_name_is_asked_of_by_its_path_below_the_directory(serve: Serve, client: Client) -> None:
    serve(immutable=lambda path: path == "sub/b.txt")
    assert client.get("/static/sub/b.txt").headers["cache-control"] == FOREVER
    assert client.get("/static/a.txt").headers["cache-control"] == "no-cache"


# --- packed beforehand ---


def pack(root: Path, *suffixes: str, age_s: float = 0) -> None:
    """Put packed files beside app.js, so much older than that."""
    (root / "app.js.gz").unlink()
    modified = (root / "app.js").stat().st_mtime_ns
    for suffix in suffixes:
        (root / f"app.js{suffix}").write_text(f"packed{suffix}")
        os.utime(root / f"app.js{suffix}", ns=(modified, modified - int(age_s * 10**9)))


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br, zstd", "br"), ("gzip, zstd", "zstd"), ("gzip", "gzip"), ("GZIP;q=0.5", "gzip"),
        ("br;q=0.1, gzip;q=0.9", "gzip"), ("*", "br"), ("br;q=0, *", "zstd"), ("identity", None), ("deflate", None),
        ("gzip;q=0", None), (None, None), ("", None), ("identity;q=1, gzip;q=0.5", None),
    ],
)  # fmt: skip
def test_the_packed_file_that_the_client_likes_best_is_sent(
    serve: Serve, client: Client, root: Path, accepted: str | None, coding: str | None
) -> None:
    serve()
    pack(root, ".br", ".zst", ".gz")
    response = client.get("/static/app.js", headers={} if accepted is None else {"accept-encoding": accepted})
    suffix = {"br": ".br", "zstd": ".zst", "gzip": ".gz", None: ""}[coding]
    assert response.text == (f"packed{suffix}" if coding else "app")
    assert response.headers.get("content-encoding") == coding
    assert response.headers["content-length"] == str(len(response.content))
    assert (response.headers["content-type"], response.headers["vary"]) == (JAVASCRIPT, "Accept-Encoding")


def test_each_coding_has_a_tag_of_its_own(serve: Serve, client: Client, root: Path) -> None:
    serve()
    pack(root, ".br", ".gz")
    (root / "app.js.br").write_text("same size")
    (root / "app.js.gz").write_text("size same")
    modified = (root / "app.js").stat().st_mtime_ns
    for suffix in (".br", ".gz"):
        os.utime(root / f"app.js{suffix}", ns=(modified, modified))
    etags = {
        c: client.get("/static/app.js", headers={"accept-encoding": c}).headers["etag"] for c in ("br", "gzip", "x")
    }
    assert len(set(etags.values())) == 3
    response = client.get("/static/app.js", headers={"accept-encoding": "br", "if-none-match": etags["br"]})
    assert (response.status_code, response.headers["vary"]) == (304, "Accept-Encoding")
    assert (
        client.get("/static/app.js", headers={"accept-encoding": "br", "if-none-match": etags["x"]}).status_code == 200
    )
    part = client.get("/static/app.js", headers={"accept-encoding": "br", "range": "bytes=0-3"})
    assert (part.status_code, part.text, part.headers["content-encoding"]) == (206, "same", "br")


def test_the_next_best_is_sent_where_the_best_is_missing_or_older(serve: Serve, client: Client, root: Path) -> None:
    serve()
    pack(root, ".gz")
    accepted = {"accept-encoding": "br, zstd, gzip"}
    assert client.get("/static/app.js", headers=accepted).text == "packed.gz"
    modified = (root / "app.js").stat().st_mtime_ns
    os.utime(root / "app.js.gz", ns=(modified, modified - 10**9))
    response = client.get("/static/app.js", headers=accepted)
    assert (response.text, response.headers.get("content-encoding")) == ("app", None)


def test_a_packed_file_that_is_a_link_outside_is_not_there(serve: Serve, client: Client) -> None:
    serve()
    response = client.get("/static/app.js", headers={"accept-encoding": "gzip"})
    assert (response.text, response.headers.get("content-encoding")) == ("app", None)


def test_a_packed_file_by_its_own_name_is_what_it_is(serve: Serve, client: Client, root: Path) -> None:
    serve()
    pack(root, ".gz")
    response = client.get("/static/app.js.gz", headers={"accept-encoding": "gzip"})
    assert (response.text, response.headers["content-type"]) == ("packed.gz", "application/gzip")
    assert not {"content-encoding", "vary"} & set(response.headers)


def test_packed_files_need_not_be_looked_for(serve: Serve, client: Client, root: Path) -> None:
    serve(precompressed=False)
    pack(root, ".br")
    response = client.get("/static/app.js", headers={"accept-encoding": "br"})
    assert (response.text, "vary" in response.headers) == ("app", False)


def test_no_file_stays_open_where_looking_for_a_packed_one_fails(
    serve: Serve, client: Client, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = StaticFiles._open

    def fail(files: StaticFiles, request: Request, names: list[str]) -> Any:
        if names[-1].endswith(".br"):
            raise OSError(24, "Too many open files")
        return opened(files, request, names)

    serve()
    monkeypatch.setattr(StaticFiles, "_open", fail)
    assert client.get("/static/app.js", headers={"accept-encoding": "br"}).status_code == 503


# --- among other routes ---


def test_files_have_names_for_url_for(app: App, client: Client, root: Path, cell: Cell) -> None:
    app.static("/assets", root, name="assets")
    app.static("/plain", root)
    app.get("/url")(
        cell.handler(
            lambda request: [
                request.url_for("assets", path="sub/b.txt"),
                request.url_for("assets.index"),
                request.url_for("static", path="größe ü.txt"),
            ]
        )
    )
    urls = client.get("/url").json()
    assert urls == ["/assets/sub/b.txt", "/assets/", "/plain/gr%C3%B6%C3%9Fe%20%C3%BC.txt"]
    assert [client.get(url).status_code for url in urls] == [200, 200, 200]


def test_layers_are_around_files(app: App, client: Client, root: Path) -> None:
    def mark(request: Request) -> Middleware:
        response = yield
        response.headers["x-mark"] = f"{response.status}"

    app.static("/static", root, middleware=[mark])
    assert client.get("/static/a.txt").headers["x-mark"] == "200"
    assert client.get("/static/").headers["x-mark"] == "200"
    assert client.get("/static/missing").headers["x-mark"] == "404"


def test_a_mounted_application_has_files(app: App, client: Client, root: Path) -> None:
    inner = App()
    inner.static("/static", root)
    app.mount("/inner", inner)
    assert client.get("/inner/static/a.txt").text == "a"
    assert client.get("/inner/static/sub").headers["location"] == "./sub/"


def test_a_directory_that_is_replaced_as_a_whole_is_served_anew(app: App, client: Client, tmp_path: Path) -> None:
    for release in ("one", "two"):
        (tmp_path / release).mkdir()
        (tmp_path / release / "a.txt").write_text(release)
    (tmp_path / "current").symlink_to("one")
    app.static("/static", tmp_path / "current")
    assert client.get("/static/a.txt").text == "one"
    (tmp_path / "current").unlink()
    (tmp_path / "current").symlink_to("two")
    assert client.get("/static/a.txt").text == "two"


def test_many_requests_for_files_leave_nothing_open(serve: Serve, client: Client) -> None:
    serve()
    started = time.monotonic()
    for _ in range(20):
        for target in ("/static/a.txt", "/static/sub", "/static/missing", "/static/link-in", "/static/link-out"):
            client.get(target, headers={"accept-encoding": "br, gzip"})
    assert time.monotonic() - started < 20


def test_an_application_with_files_can_be_pickled(root: Path) -> None:
    """Nothing is served here, so there is no cell."""
    app = App()
    app.static("/static", root)
    copy = pickle.loads(pickle.dumps(app))
    assert Client(copy, gateway="wsgi").get("/static/a.txt").text == "a"


# --- wrong use ---


@pytest.mark.parametrize(
    ("prefix", "options", "message"),
    [
        ("static", {}, "must begin with a slash"),
        ("/static/", {}, "not end with one"),
        ("/{name}", {}, "literal"),
        ("/static", {"index": "../x"}, "index is the name of a file"),
        ("/static", {"fallback": "missing.html"}, "must be a file in the static directory"),
        ("/static", {"fallback": "../outside.txt"}, "must be a file in the static directory"),
        ("/static", {"immutable": "("}, "immutable is a regular expression"),
    ],
)
def test_wrong_use_is_told_at_once(app: App, root: Path, prefix: str, options: dict[str, Any], message: str) -> None:
    """Nothing is served here, so there is no cell."""
    with pytest.raises(ConfigurationError, match=message):
        app.static(prefix, root, **options)


@pytest.mark.parametrize("directory", ["missing", "static/a.txt"])
def test_a_directory_that_is_none_is_told_at_once(app: App, tmp_path: Path, root: Path, directory: str) -> None:
    """Nothing is served here, so there is no cell."""
    with pytest.raises(ConfigurationError, match="does not exist"):
        app.static("/static", tmp_path / directory)


def test_a_prefix_that_is_taken_is_told_at_once(app: App, root: Path) -> None:
    """Nothing is served here, so there is no cell."""
    app.static("/static", root)
    with pytest.raises(ConfigurationError, match="could never be told apart"):
        app.static("/static", root)
