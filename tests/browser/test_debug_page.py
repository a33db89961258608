"""The debug page as a browser shows it, and who is not shown it, under real servers."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import ambi
from tests.browser.chromium import Browser
from tests.browser.serving import COMMANDS, ROOT, SERVERS
from tests.servers.catalogue import Server, Start
from tests.servers.processes import Running, running

APP = "tests.browser.debugged_app:app"
SIZES = {"telephone": (390, 844), "desk": (1280, 800)}


@pytest.fixture(scope="module", params=SERVERS)
def started(request: pytest.FixtureRequest) -> Iterator[Running]:
    """It, under both servers; what crashes is in their logs, so those are not looked at."""
    server: str = request.param
    importable = os.pathsep.join([str(ROOT), str(Path(ambi.__file__).parents[1])])
    gateway = "asgi" if server == "uvicorn" else "wsgi"
    how = Start("", {"PYTHONPATH": importable})
    with running(Server(server, gateway, COMMANDS[server].format(app=APP)), how) as running_one:
        yield running_one


def look(browser: Browser, size: str, scheme: str) -> None:
    width, height = SIZES[size]
    command = browser.driver.execute_cdp_cmd
    command("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    command("Emulation.setDeviceMetricsOverride", screen)


@pytest.fixture
def looked_at(browser: Browser):
    yield browser
    browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def complaints(browser: Browser, status: int) -> list[str]:
    """Return what the console says besides that the page has the status it has."""
    return [said for said in browser.complaints() if f"responded with a status of {status}" not in said]


def test_it_is_tidy_on_a_telephone_and_on_a_desk_in_light_and_dark(looked_at: Browser, started: Running) -> None:
    browser = looked_at
    for path, status, name in (("/orders/7?token=t-123456789", 500, "crash"), ("/user", 404, "miss")):
        for size, (width, _) in SIZES.items():
            for scheme in ("light", "dark"):
                look(browser, size, scheme)
                browser.open(f"http://localhost:{started.port}{path}")
                assert browser.run("return document.documentElement.scrollWidth") <= width
                paper = browser.run("return getComputedStyle(document.body).backgroundColor")
                assert paper == {"light": "rgb(246, 246, 244)", "dark": "rgb(22, 24, 26)"}[scheme]
                browser.picture(f"debug-{name}-{started.server.program}-{size}-{scheme}")
        assert complaints(browser, status) == []
    browser.leave()


def test_it_opens_and_closes_by_the_keyboard_and_shows_no_secret(looked_at: Browser, started: Running) -> None:
    browser = looked_at
    browser.open(f"http://localhost:{started.port}/orders/7?token=t-123456789")
    assert browser.texts("h1")[0] == "500 Internal Server ErrorLookupError"
    shown = browser.run("return document.documentElement.outerHTML")
    for secret in ("t-123456789", "sk-live-0123456789", "correct-horse"):
        assert secret not in shown
    folded = "details.frame.framework"
    assert browser.run(f"return document.querySelector('{folded}').open") is False
    browser.driver.find_element("css selector", f"{folded} > summary").send_keys("\ue007")
    browser.until(lambda: browser.run(f"return document.querySelector('{folded}').open"))
    assert browser.run("return document.querySelector('.failing mark').textContent")
    scrolled = "const e = document.querySelector('.source'); return [e.tabIndex, getComputedStyle(e).overflowX]"
    assert browser.run(scrolled) == [0, "auto"]
    # A link of what may have been meant leads there.
    browser.open(f"http://localhost:{started.port}/user")
    browser.driver.find_element("css selector", ".near a").click()
    browser.until(lambda: browser.run("return location.pathname") == "/users")
    browser.leave()


NOT_SHOWN = {
    "a name that leads here": ("evil.example", ()),
    "a name that begins as ours": ("localhost.evil.example", ()),
    "a proxy": ("localhost", (("X-Forwarded-For", "127.0.0.1"),)),
    "another proxy": ("localhost", (("Via", "1.1 proxy"),)),
    "a page of another site": ("localhost", (("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site"))),
}


def ask(started: Running, host: str, *fields: tuple[str, str]) -> dict[str, object]:
    with started.connect() as connection:
        lines = [("Host", host), ("Accept", "application/json"), ("Connection", "close"), *fields]
        text = "".join(f"{name}: {value}\r\n" for name, value in lines)
        connection.send(f"GET /orders/7 HTTP/1.1\r\n{text}\r\n".encode())
        return json.loads(connection.read_answer("GET").body)


def test_nobody_else_sees_it(started: Running) -> None:
    plain = {"type": "about:blank", "title": "Internal Server Error", "status": 500}
    own = f"localhost:{started.port}"
    told = ask(started, own)
    assert told["debug"]["server"]["gateway"] == started.server.gateway.upper()  # type: ignore[index]
    assert told["debug"]["server"]["server"].startswith(started.server.program)  # type: ignore[index]
    for who, (host, fields) in NOT_SHOWN.items():
        assert ask(started, host, *fields) == plain, who
    log = started.log()
    assert "the debug page was not shown: a page of https://evil.example asks for it" in log
