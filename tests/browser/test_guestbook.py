"""examples/guestbook: the whole site, walked through on a phone and on a desktop, in light and in dark."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.common.exceptions import StaleElementReferenceException, WebDriverException
from selenium.webdriver.remote.webelement import WebElement

from tests.browser.chromium import NOTE_VIOLATIONS, SIZES, Browser
from tests.browser.serving import address, serving
from tests.servers.processes import Running

pytest.importorskip("sqlalchemy")

IS_LOADED = """
const image = document.querySelector(arguments[0]);
return image !== null && image.complete && image.naturalWidth > 0;
"""
WORDS = "First of all,\nthe sea. <b>Not bold</b> & no markup."
PASSWORD = "a garden, early in May"


class Visit:
    """A browser of some size on the site, whose pages must break no policy and fit the screen."""

    def __init__(self, browser: Browser, started: Running, size: str) -> None:
        self.browser = browser
        self.started = started
        self.size = size

    def open(self, path: str) -> None:
        self.browser.open(address(self.started, path))

    @property
    def path(self) -> str:
        return self.browser.driver.current_url.removeprefix(address(self.started, ""))

    def await_path(self, path: str) -> None:
        self.browser.until(lambda: self.path == path)

    def follow(self, selector: str) -> None:
        """Click, and wait until another page is there."""
        page = self.browser.driver.find_element("tag name", "html")
        self.browser.driver.find_element("css selector", selector).click()
        self.browser.until(lambda: _is_gone(page))
        self.browser.until(lambda: self.browser.run("return document.readyState") == "complete")

    def look(self, name: str) -> None:
        """See that the page fits the screen, and keep pictures of it in both colour schemes."""
        wide, screen = self.browser.run("return [document.documentElement.scrollWidth, innerWidth]")
        assert wide <= screen, f"{name} is {wide} px wide, the screen {screen}"
        for scheme in ("dark", "light") if "AMBI_PICTURES" in os.environ else ():
            self.emulate("setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
            self.browser.picture(f"guestbook-{self.started.server.name}-{self.size}-{scheme}-{name}")

    def emulate(self, command: str, **arguments: object) -> None:
        self.browser.driver.execute_cdp_cmd(f"Emulation.{command}", arguments)

    def flashes(self) -> list[str]:
        return self.browser.texts(".flash")

    def texts(self) -> list[str]:
        return self.browser.texts(".posts .text")

    def sign_up(self, name: str, again: str = PASSWORD) -> None:
        for field, value in (("name", name), ("password", PASSWORD), ("again", again)):
            self.browser.fill(field, value)
        self.follow("#send")

    def log_in(self, name: str, password: str = PASSWORD) -> None:
        self.browser.fill("name", name)
        self.browser.fill("password", password)
        self.follow("#send")

    def write(self, text: str) -> None:
        self.open("/posts/new")
        self.browser.fill("text", text)
        self.follow("#save")

    def await_picture(self, selector: str) -> None:
        self.browser.until(lambda: self.browser.run(IS_LOADED, selector))

    def violations(self) -> list[str]:
        return self.browser.run("return JSON.parse(sessionStorage.getItem('violations') ?? '[]')")

    def errors(self) -> list[str]:
        """Give what the console says, but for pages that are meant to be errors."""
        return [text for text in self.browser.complaints() if "the server responded with a status of 4" not in text]


def _is_gone(element: WebElement) -> bool:
    try:
        element.is_enabled()
    except StaleElementReferenceException:
        return True
    except WebDriverException:  # between two pages
        return False
    return False


@pytest.fixture
def site(server: str, tmp_path: Path) -> Iterator[Running]:
    """A guestbook in which nobody has written yet."""
    folder = str(tmp_path / "data")
    with serving(server, "examples.guestbook.app:app", GUESTBOOK_FOLDER=folder, GUESTBOOK_PAGE="2") as started:
        yield started


@pytest.fixture(params=SIZES)
def visit(request: pytest.FixtureRequest, site: Running, browser: Browser) -> Iterator[Visit]:
    """A visitor with a screen of one of the sizes."""
    visit = Visit(browser, site, request.param)
    width, height = SIZES[request.param]
    visit.emulate("setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500)
    note = {"source": NOTE_VIOLATIONS}
    noting = browser.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", note)
    browser.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
    yield visit
    browser.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", noting)
    visit.emulate("setEmulatedMedia", features=[])
    visit.emulate("clearDeviceMetricsOverride")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A picture of a sky, as a PNG."""
    width, height = 480, 270
    rows = b"".join(
        b"\0"
        + b"".join(
            bytes((x * 90 // width + 80, 110 + y * 100 // height, 220 - y * 120 // height)) for x in range(width)
        )
        for y in range(height)
    )
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    path = tmp_path / "sky & sea.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d)) for t, d in parts)
    )
    return path


def test_the_whole_site_is_walked_through(visit: Visit, photo: Path, tmp_path: Path):
    browser = visit.browser

    # Nobody has written yet; who wants to has to sign up, and comes back to the form.
    visit.open("/")
    visit.look("empty")
    visit.follow("#write")
    assert visit.path == "/login?next=%2Fposts%2Fnew"
    visit.look("login")
    visit.follow(".aside a")
    visit.sign_up("Ada Lovelace", again="another one")
    assert browser.texts(".error:not(.flash)") == ["This is another password than the one above."]
    assert browser.element("name").get_attribute("value") == "Ada Lovelace"
    visit.look("sign-up-errors")
    visit.sign_up("Ada Lovelace")
    assert (visit.path, visit.flashes()) == ("/posts/new", ["Welcome, Ada Lovelace!"])
    browser.reload()
    assert visit.flashes() == []

    # A file that is no picture is refused; one that is, is seen before and after it is sent.
    fake = tmp_path / "fake.png"
    fake.write_text("<script>alert(1)</script>")
    browser.fill("text", WORDS)
    browser.element("image").send_keys(str(fake))
    visit.follow("#save")
    assert browser.texts(".error:not(.flash)") == [
        "This is no picture, or of another kind than PNG, JPEG, GIF or WebP."
    ]
    assert browser.element("text").get_attribute("value") == WORDS
    visit.look("write-errors")
    browser.element("image").send_keys(str(photo))
    visit.await_picture("#preview")
    browser.fill("alt", "A green sky")
    visit.look("write")
    visit.follow("#save")
    assert (visit.path, visit.flashes()) == ("/", ["Your post is there for all to see."])
    visit.await_picture(".posts img")
    assert browser.run("return document.querySelector('.posts img').alt") == "A green sky"
    visit.look("picture")
    browser.reload()
    assert visit.flashes() == []

    # The form is still there behind the back button; sent once more it is the same post.
    browser.driver.back()
    visit.await_path("/posts/new")
    browser.fill("text", "First of all, once more")
    visit.follow("#save")
    assert visit.flashes() == ["You have sent this already."]
    visit.open("/posts/new")
    browser.fill("text", "Pressed twice")
    browser.run("entry.requestSubmit(); entry.requestSubmit()")
    visit.await_path("/")
    assert visit.texts() == ["Pressed twice", WORDS]

    # More than fits on a page.
    visit.write("A third one")
    assert visit.texts() == ["A third one", "Pressed twice"]
    visit.look("list")
    visit.follow("#older")
    assert (visit.path, len(visit.texts())) == ("/?page=2", 1)
    assert visit.texts() == [WORDS]
    visit.look("last-page")
    visit.follow("#newer")
    assert visit.path == "/?page=1"

    # What is one's own can be changed.
    visit.follow(".posts .edit")
    browser.fill("text", "A third one, edited")
    visit.follow("#save")
    assert (visit.path, visit.flashes()) == ("/posts/3", ["Your change is saved."])
    assert browser.texts(".text") == ["A third one, edited"]
    visit.look("post")

    # What is somebody else's cannot.
    visit.follow("#log-out")
    assert (visit.path, visit.flashes()) == ("/", ["You are logged out."])
    assert browser.texts(".edit, .delete") == []
    visit.open("/signup")
    visit.sign_up("Grace")
    visit.open("/posts/3")
    assert browser.texts(".edit, .delete") == []
    visit.open("/posts/3/edit")
    assert browser.texts("h1") == ["Not allowed"]
    visit.look("not-allowed")

    # Somebody who is not logged in is sent to the login, and from there to where they wanted.
    visit.open("/")
    visit.follow("#log-out")
    visit.open("/posts/1/delete")
    assert visit.path == "/login?next=%2Fposts%2F1%2Fdelete"
    visit.log_in("ada lovelace", "not her password")
    assert browser.texts(".error:not(.flash)") == ["Name and password do not match."]
    visit.look("login-errors")
    visit.log_in("ada lovelace")
    assert (visit.path, visit.flashes()) == ("/posts/1/delete", ["Hello again, Ada Lovelace."])
    image = browser.run("return document.querySelector('.picture').getAttribute('src')")
    visit.look("delete")
    visit.follow("#delete")
    assert (visit.path, visit.flashes()) == ("/", ["Your post is gone."])
    assert visit.texts()[1:] == ["Pressed twice"]
    assert visit.started.get(image).status == 404
    visit.open("/nothing")
    assert browser.texts("h1") == ["Nothing here"]
    visit.look("nothing")

    assert visit.violations() == []
    assert visit.errors() == []


@pytest.mark.parametrize("server", ["uvicorn"])
@pytest.mark.parametrize("visit", ["desktop"], indirect=True)
def test_what_breaks_the_policy_would_be_noticed(visit: Visit):
    visit.open("/")
    visit.browser.run("document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\">red</p>')")
    visit.browser.until(lambda: visit.violations() == ["style-src-attr inline on /"])
    assert visit.errors()
