"""The first page of each example, as it looks on a phone and on a desktop: nothing in the console, nothing cut off."""

from __future__ import annotations

import os
from importlib.util import find_spec
from itertools import cycle
from pathlib import Path

import pytest

from tests.browser.chromium import Browser
from tests.browser.serving import SERVERS, address, serving

SIZES = {"phone": (390, 844), "desktop": (1280, 800)}
PAGES = {
    "chat": ("examples.chat:app", "/", ()),
    "conduit": ("examples.conduit.app:app", "/api/docs", ("sqlalchemy", "jwt", "msgspec")),
    "feed": ("examples.feed:app", "/", ()),
    "guestbook": ("examples.guestbook.app:app", "/", ("sqlalchemy",)),
    "hello": ("examples.hello:app", "/", ()),
    "httpbin": ("examples.httpbin.app:app", "/", ()),
    "mcp_anywhere": ("examples.mcp_anywhere:app", "/", ("mcp",)),
    "techempower": ("examples.techempower:app", "/fortunes", ("jinja2", "msgspec")),
    "upload": ("examples.upload:app", "/", ()),
}
"""Example -> application, path, and the packages that it needs."""
WITHOUT_A_PAGE = {"todo_backend": "an API for pages of others", "testing": "tests"}
WIDTHS = "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"


def test_every_example_is_here() -> None:
    import examples

    (folder,) = examples.__path__
    found = {name.removesuffix(".py") for name in os.listdir(folder) if not name.startswith(("_", "."))}
    assert found == set(PAGES) | set(WITHOUT_A_PAGE)


@pytest.mark.parametrize(("example", "server"), list(zip(PAGES, cycle(SERVERS), strict=False)))
def test_the_first_page_is_tidy(browser: Browser, server: str, example: str, tmp_path: Path) -> None:
    """Under one of the servers: that both send the same is tested elsewhere."""
    app, path, packages = PAGES[example]
    if absent := [package for package in packages if find_spec(package) is None]:
        pytest.skip(f"{' and '.join(absent)} not installed")
    with serving(server, app, GUESTBOOK_FOLDER=str(tmp_path), CONDUIT_FOLDER=str(tmp_path)) as started:
        for size, (width, height) in SIZES.items():
            metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == "phone"}
            browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
            browser.open(address(started, path))
            browser.until(lambda: browser.run("return document.readyState") == "complete")
            browser.until(lambda: browser.driver.find_element("tag name", "body").text.strip())
            wide, screen = browser.run(WIDTHS)
            assert wide <= screen, f"the page is {wide} px wide, the screen {screen}"
            for scheme in ("dark", "light"):
                media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
                browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
                browser.picture(f"{example}-{server}-{size}-{scheme}")
        browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        # The rules of the benchmark say what that page is: it names no icon.
        complaints = [text for text in browser.complaints() if not (example == "techempower" and "favicon" in text)]
        assert complaints == []
        browser.leave()
