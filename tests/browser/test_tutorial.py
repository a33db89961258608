"""docs/tutorial: the site that its pages make, used on a phone and on a desktop at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.chromium import NOTE_VIOLATIONS, SIZES, Browser
from tests.browser.serving import address, serving
from tests.docs.walkthrough import PAGES, write_files
from tests.servers.processes import Running


@pytest.fixture
def site(server: str, tmp_path: Path) -> Iterator[Running]:
    """The tutorial's application as its last page leaves it, without polls."""
    for page in PAGES:
        write_files(page.read_text(encoding="utf-8"), tmp_path)
    with serving(server, "app:app", home=tmp_path) as started:
        yield started


@pytest.fixture
def phone(browser: Browser) -> Iterator[Browser]:
    yield from sized(browser, "phone")


@pytest.fixture
def desktop(second: Browser) -> Iterator[Browser]:
    yield from sized(second, "desktop")


def sized(browser: Browser, size: str) -> Iterator[Browser]:
    """Give a browser the size of a device, and have its pages take note of what breaks their policy."""
    width, height = SIZES[size]
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    noting = browser.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": NOTE_VIOLATIONS})
    browser.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
    yield browser
    browser.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", noting)
    browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def votes(browser: Browser) -> list[str]:
    return browser.texts("#results output")


def fits(browser: Browser) -> bool:
    wide, screen = browser.run("return [document.documentElement.scrollWidth, innerWidth]")
    return wide <= screen


def test_a_vote_that_is_cast_on_a_phone_is_seen_on_a_desktop_at_once(
    server: str, site: Running, phone: Browser, desktop: Browser
):
    # The owner asks; who has no password cannot.
    desktop.open(address(site).replace("//", "//owner:tea%20for%20two@", 1) + "polls/new")
    desktop.picture(f"tutorial-{server}-new")
    assert fits(desktop)
    desktop.fill("question", "Where shall we meet, if there is tea?")
    desktop.fill("choices", "In the garden\nBy the sea\nAt the <b>library</b>")
    desktop.click("create")
    desktop.until(lambda: votes(desktop) == ["0", "0", "0"])
    assert desktop.texts("#results li:last-child button") == ["At the <b>library</b>"]

    phone.open(address(site))
    assert fits(phone)
    phone.picture(f"tutorial-{server}-home")
    phone.driver.find_element("css selector", ".polls a").click()
    phone.until(lambda: votes(phone) == ["0", "0", "0"])
    assert fits(phone)
    phone.driver.find_element("css selector", "#results li:nth-child(2) button").click()
    phone.until(lambda: phone.texts("[role=status]") == ["Thank you: your vote is counted."])
    desktop.until(lambda: votes(desktop) == ["0", "1", "0"])
    assert desktop.run("return [...document.querySelectorAll('progress')].map(bar => bar.position)") == [0, 1, 0]
    assert fits(phone)
    phone.picture(f"tutorial-{server}-phone")

    desktop.driver.find_element("css selector", "#results li:nth-child(1) button").click()
    desktop.until(lambda: desktop.texts("[role=status]"))
    phone.until(lambda: votes(phone) == ["1", "1", "0"])
    assert fits(desktop)
    desktop.picture(f"tutorial-{server}-desktop")

    for each in (phone, desktop):
        assert each.run("return JSON.parse(sessionStorage.getItem('violations') ?? '[]')") == []
        assert each.complaints() == []
