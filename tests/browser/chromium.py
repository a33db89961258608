"""Debian's Chromium, without a screen, driven by its own driver.

Every browser has a new, empty profile in a folder of its own, and asks nobody but the pages that it is sent to.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from selenium.common.exceptions import TimeoutException
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

T = TypeVar("T")
PROGRAMS = ("chromium", "chromedriver")
WAIT_S = 15
FLAGS = (
    "--headless",
    "--no-sandbox",  # it needs what containers do not lend; these pages are our own
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",  # 64 MiB in most containers
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-features=BackForwardCache",  # a page that was left would keep its connections for a while
    "--window-size=1000,800",
)

SIZES = {"phone": (390, 844), "desktop": (1280, 800)}
"""Of a screen, in pixels."""
NOTE_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", event => {
  const noted = JSON.parse(sessionStorage.getItem("violations") ?? "[]");
  noted.push(`${event.violatedDirective} ${event.blockedURI} on ${location.pathname}`);
  sessionStorage.setItem("violations", JSON.stringify(noted));
});
"""
"""A script for every page: what breaks its policy is kept in its session storage."""

# A connection that a browser opens in case it needs one holds up a server that is asked to end.
NO_PREDICTIONS = {"net": {"network_prediction_options": 2}}


def why_missing() -> str | None:
    """Return why there can be no browser here, or None where there can."""
    absent = [program for program in PROGRAMS if shutil.which(program) is None]
    return f"{' and '.join(absent)} not found; Debian's packages are chromium and chromium-driver" if absent else None


class Browser:
    """One browser with one page.

    Attributes:
        driver: Selenium's, for what is not here.
    """

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver

    def open(self, address: str) -> None:
        self.driver.get(address)

    def reload(self) -> None:
        self.driver.refresh()

    def leave(self) -> None:
        """Leave the page; whatever it holds open is closed."""
        self.driver.get("about:blank")

    def element(self, id: str) -> WebElement:
        return self.driver.find_element("id", id)

    def text(self, id: str) -> str:
        return self.element(id).text

    def texts(self, selector: str) -> list[str]:
        """Return the texts of all elements that a CSS selector finds, as they are in this instant."""
        return self.run("return Array.from(document.querySelectorAll(arguments[0]), e => e.textContent)", selector)

    def fill(self, id: str, text: str) -> None:
        element = self.element(id)
        element.clear()
        element.send_keys(text)

    def click(self, id: str) -> None:
        self.element(id).click()

    def run(self, script: str, *arguments: object):
        """Run a script in the page and return what it returns; a promise is waited for."""
        return self.driver.execute_script(script, *arguments)

    def until(self, condition: Callable[[], T], wait_s: float = WAIT_S) -> T:
        """Wait for something to be true of the page, and return it.

        Raises:
            AssertionError: it did not come true; the message shows the page.
        """
        try:
            return WebDriverWait(self.driver, wait_s, poll_frequency=0.05).until(lambda _: condition())
        except TimeoutException:
            shown = self.driver.find_element("tag name", "body").text
            raise AssertionError(f"not within {wait_s:.0f} s; the page shows:\n{shown}") from None

    def picture(self, name: str) -> None:
        """Keep a picture of the page in the folder that AMBI_PICTURES names, if it names one."""
        if folder := os.environ.get("AMBI_PICTURES"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.driver.save_screenshot(str(Path(folder, f"{name}.png")))

    def complaints(self) -> list[str]:
        """Return what the browser has written to the page's console since the last call: errors of any kind."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Start a browser; end it and its driver whatever happens."""
    with TemporaryDirectory(prefix="ambi-chromium-", ignore_cleanup_errors=True) as profile:
        options = ChromeOptions()
        options.binary_location = str(shutil.which("chromium"))
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        options.add_experimental_option("prefs", NO_PREDICTIONS)
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        # With its path given, Selenium looks for no driver elsewhere, and downloads none.
        driver = Chrome(options=options, service=Service(str(shutil.which("chromedriver"))))
        try:
            driver.set_page_load_timeout(WAIT_S)
            driver.set_script_timeout(WAIT_S)
            yield Browser(driver)
        finally:
            driver.quit()
