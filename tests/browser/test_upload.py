"""examples/upload.py: a large file, its progress, and what is on disk in the end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import file_digest
from pathlib import Path

import pytest

from tests.browser.chromium import Browser
from tests.browser.serving import SERVERS, address, serving
from tests.servers.processes import Running

LARGE, ENDLESS = 128 * 1024**2, 3 * 1024**3
NOTE_PROGRESS = """
window.progress = [];
const bar = document.getElementById("bar");
new MutationObserver(() => window.progress.push(bar.value)).observe(bar, {attributes: true});
"""


@pytest.fixture(scope="module")
def uploads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where uploads go; whoever puts something there takes it away."""
    return tmp_path_factory.mktemp("uploads")


@pytest.fixture(scope="module", params=SERVERS)
def started(request: pytest.FixtureRequest, uploads: Path) -> Iterator[Running]:
    """The example under each of the servers."""
    with serving(request.param, "examples.upload:app", UPLOAD_FOLDER=str(uploads)) as started:
        yield started


@pytest.fixture
def page(started: Running, browser: Browser) -> Browser:
    """A browser with the example's page."""
    browser.open(address(started))
    return browser


def make_file(path: Path, size: int) -> Path:
    with path.open("wb") as file:
        for _ in range(0, size, 1024**2):
            file.write(os.urandom(min(size, 1024**2)))
    return path


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def choose_and_send(page: Browser, file: Path) -> None:
    page.element("file").send_keys(str(file))
    page.click("send")


def test_a_large_file_shows_its_progress_and_arrives_whole(
    started: Running, page: Browser, uploads: Path, tmp_path: Path
):
    file = make_file(tmp_path / "a large file (1) ü #%&+.bin", LARGE)
    page.run(NOTE_PROGRESS)
    choose_and_send(page, file)
    page.until(lambda: page.text("status").startswith(("Stored:", "Damaged")))
    assert page.text("status") == "Stored: both ends have the same SHA-256."
    assert page.text("name") == file.name
    assert page.text("size") == "128.0 MiB (134,217,728 bytes)"
    assert page.text("sha256") == sha256(file)
    page.picture(f"upload-{started.server.name}")
    assert not page.complaints()
    seen = page.run("return window.progress")
    assert seen == sorted(seen)
    assert len({value for value in seen if 0 < value < 100}) >= 2  # it is told every 50 ms: few on a fast machine
    assert seen[-1] == 100
    assert [path.name for path in uploads.iterdir()] == [file.name]
    assert sha256(uploads / file.name) == sha256(file)
    (uploads / file.name).unlink()
    file.unlink()  # it is large, and pytest keeps such folders


@pytest.mark.parametrize("how", ["cancelled", "left"])
def test_an_upload_that_is_broken_off_leaves_nothing_on_disk(
    started: Running, page: Browser, uploads: Path, tmp_path: Path, how: str
):
    film = tmp_path / "film.bin"
    with film.open("wb") as file:
        file.truncate(ENDLESS)  # zeros, which take no room
    choose_and_send(page, film)
    page.until(lambda: page.run("return document.getElementById('bar').value") > 0)
    assert [path.suffix for path in uploads.iterdir()] == [".part"]
    if how == "cancelled":
        page.picture(f"upload-half-{started.server.name}")
        page.click("cancel")
        page.until(lambda: page.text("status") == "The upload broke off.")
    else:
        page.leave()
    page.until(lambda: not list(uploads.iterdir()))


def test_a_name_that_cannot_be_stored_is_told_to_the_user(
    started: Running, page: Browser, uploads: Path, tmp_path: Path
):
    choose_and_send(page, make_file(tmp_path / ".<b>hidden", 1024))
    page.until(lambda: "cannot be the name" in page.text("status"))
    assert page.text("status") == "'.<b>hidden' cannot be the name of a file here."
    assert not page.element("stored").is_displayed()
    page.picture(f"upload-refused-{started.server.name}")
    assert not list(uploads.iterdir())
