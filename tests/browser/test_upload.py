"""examples/upload.py: a large file, its progress, and what is on disk in the end."""

from __future__ import annotations

import os
from hashlib import file_digest
from pathlib import Path

import pytest

from tests.browser.chromium import Browser
from tests.browser.serving import address, serving

LARGE, ENDLESS = 128 * 1024**2, 3 * 1024**3
NOTE_PROGRESS = """
window.progress = [];
const bar = document.getElementById("bar");
new MutationObserver(() => window.progress.push(bar.value)).observe(bar, {attributes: true});
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "uploads"


def make_file(path: Path, size: int) -> Path:
    with path.open("wb") as file:
        for _ in range(0, size, 1024**2):
            file.write(os.urandom(min(size, 1024**2)))
    return path


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def choose_and_send(browser: Browser, file: Path) -> None:
    browser.element("file").send_keys(str(file))
    browser.click("send")


def test_a_large_file_shows_its_progress_and_arrives_whole(server: str, browser: Browser, folder: Path, tmp_path: Path):
    file = make_file(tmp_path / "a large file (1) ü #%&+.bin", LARGE)
    with serving(server, "examples.upload:app", UPLOAD_FOLDER=str(folder)) as started:
        browser.open(address(started))
        browser.run(NOTE_PROGRESS)
        choose_and_send(browser, file)
        browser.until(lambda: browser.text("status").startswith(("Stored:", "Damaged")))
        assert browser.text("status") == "Stored: both ends have the same SHA-256."
        assert browser.text("name") == file.name
        assert browser.text("size") == "128.0 MiB (134,217,728 bytes)"
        assert browser.text("sha256") == sha256(file)
        seen = browser.run("return window.progress")
        browser.picture(f"upload-{server}")
        assert not browser.complaints()
    assert seen == sorted(seen)
    assert len({value for value in seen if 0 < value < 100}) >= 2  # it is told every 50 ms: few on a fast machine
    assert seen[-1] == 100
    assert [path.name for path in folder.iterdir()] == [file.name]
    assert sha256(folder / file.name) == sha256(file)


@pytest.mark.parametrize("how", ["cancelled", "left"])
def test_an_upload_that_is_broken_off_leaves_nothing_on_disk(
    server: str, browser: Browser, folder: Path, tmp_path: Path, how: str
):
    film = tmp_path / "film.bin"
    with film.open("wb") as file:
        file.truncate(ENDLESS)  # zeros, which take no room
    with serving(server, "examples.upload:app", UPLOAD_FOLDER=str(folder)) as started:
        browser.open(address(started))
        choose_and_send(browser, film)
        browser.until(lambda: browser.run("return document.getElementById('bar').value") > 0)
        assert [path.suffix for path in folder.iterdir()] == [".part"]
        if how == "cancelled":
            browser.picture(f"upload-half-{server}")
            browser.click("cancel")
            browser.until(lambda: browser.text("status") == "The upload broke off.")
        else:
            browser.leave()
        browser.until(lambda: not list(folder.iterdir()))


def test_a_name_that_cannot_be_stored_is_told_to_the_user(server: str, browser: Browser, folder: Path, tmp_path: Path):
    file = make_file(tmp_path / ".<b>hidden", 1024)
    with serving(server, "examples.upload:app", UPLOAD_FOLDER=str(folder)) as started:
        browser.open(address(started))
        choose_and_send(browser, file)
        browser.until(lambda: "cannot be the name" in browser.text("status"))
        assert browser.text("status") == "'.<b>hidden' cannot be the name of a file here."
        assert not browser.element("stored").is_displayed()
        browser.picture(f"upload-refused-{server}")
    assert not list(folder.iterdir())
