"""The page of a description: it shows all operations and asks them, under a policy that lets nothing else in."""

from __future__ import annotations

import pytest

from tests.browser.chromium import Browser
from tests.browser.serving import address, serving

APP = "tests.browser.described_app:app"


def click(browser: Browser, selector: str) -> None:
    browser.until(lambda: browser.run("return document.querySelector(arguments[0])", selector))
    browser.run("document.querySelector(arguments[0]).click()", selector)


def test_an_operation_can_be_tried(browser: Browser, server: str) -> None:
    pytest.importorskip("msgspec", reason="it comes with the extra typed")
    with serving(server, APP) as started:
        browser.open(address(started, "/docs"))
        paths = browser.until(lambda: browser.texts(".opblock-summary-path"))
        assert {path.replace("\u200b", "") for path in paths} == {"/items", "/me", "/upload"}
        assert browser.texts(".info .title")[0].startswith("Shop")
        browser.picture(f"openapi-{server}")
        item = "#operations-items-add_item"
        click(browser, f"{item} .opblock-summary-control")
        click(browser, f"{item} .try-out__btn")
        click(browser, f"{item} .execute")
        status = browser.until(lambda: browser.texts(f"{item} .live-responses-table td.response-col_status"))
        assert [text[:3] for text in status] == ["Cod", "201"]
        browser.picture(f"openapi-tried-{server}")
        upload = "#operations-default-upload"
        click(browser, f"{upload} .opblock-summary-control")
        click(browser, f"{upload} .try-out__btn")
        browser.until(lambda: len(browser.run("return document.querySelectorAll('input[type=file]')")) >= 2)
        browser.picture(f"openapi-upload-{server}")
        assert browser.complaints() == []
        browser.leave()
