"""The acceptance application as a browser sees it: a form, an event stream, a slow body, cookies, the cache, WebSockets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.chromium import Browser
from tests.browser.serving import SERVERS, address, serving

EVENTS = """
return new Promise((resolve, reject) => {
  const seen = [], source = new EventSource("/b/events");
  const note = event => seen.push([event.type, event.data, event.lastEventId]);
  source.onmessage = note;
  source.addEventListener("tick", note);
  source.addEventListener("back", event => { note(event); source.close(); resolve(seen); });
  source.onerror = () => { if (source.readyState === EventSource.CLOSED) reject("it was not an event stream"); };
})
"""
SLOW = """
const reader = (await fetch("/b/slow")).body.getReader(), decoder = new TextDecoder(), seen = [];
for (;;) {
  const {done, value} = await reader.read();
  if (done) return seen;
  seen.push([decoder.decode(value), performance.now()]);
}
"""
COOKIES = """
document.cookie = "gone=soon; path=/";
document.cookie = "kept=3; path=/";
const status = (await fetch("/b/set")).status;
return [status, document.cookie.split("; ").sort(), await (await fetch("/b/cookies")).json()];
"""
CACHE = """
const before = await (await fetch("/b/static-count", {cache: "no-store"})).json();
const bodies = [], statuses = [];
for (let round = 0; round < 3; round++) {
  const response = await fetch("/b/static");
  statuses.push(response.status);
  bodies.push(await response.text());
}
return [before, await (await fetch("/b/static-count", {cache: "no-store"})).json(), statuses, bodies];
"""
WEBSOCKET = """
return new Promise((resolve, reject) => {
  const seen = [], socket = new WebSocket(location.origin.replace("http", "ws") + "/b/ws", ["other", "chat"]);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => { socket.send("grüße"); socket.send(new Uint8Array([0, 255])); socket.send("bye"); };
  socket.onmessage = ({data}) => seen.push(typeof data === "string" ? data : Array.from(new Uint8Array(data)));
  socket.onclose = ({code, reason, wasClean}) => resolve([socket.protocol, seen, code, reason, wasClean]);
})
"""


@pytest.fixture(scope="module", params=SERVERS)
def site(request: pytest.FixtureRequest) -> Iterator[str]:
    """The application's address, under both servers."""
    with serving(request.param, "tests.acceptance.app:app") as started:
        yield address(started, "")


@pytest.fixture
def page(site: str, browser: Browser) -> Browser:
    """A browser with a page of the application."""
    browser.open(f"{site}/b/page")
    return browser


def test_a_form_with_a_file_leads_to_what_was_sent(page: Browser, tmp_path: Path):
    file = tmp_path / "naïve “quotes” & 漢字.bin"
    file.write_bytes(bytes(range(256)) * 1000)
    page.driver.find_element("name", "t").send_keys("Ünïcode & <b>")
    page.driver.find_element("name", "u").send_keys(str(file))
    page.element("f").submit()
    page.until(lambda: "/b/done?" in page.driver.current_url)
    shown = json.loads(page.driver.find_element("tag name", "body").text)
    assert shown == {"name": file.name, "size": "256000", "t": "Ünïcode & <b>"}


def test_a_form_without_a_file_leads_there_too(page: Browser):
    page.element("f").submit()
    page.until(lambda: "/b/done?" in page.driver.current_url)
    assert json.loads(page.driver.find_element("tag name", "body").text) == {"name": "", "size": "0", "t": ""}


def test_an_event_source_comes_back_with_the_last_id(page: Browser):
    seen = page.run(EVENTS)
    assert seen[:3] == [["message", "one", ""], ["tick", "a\nb", "7"], ["back", "7", "7"]]


def test_a_slow_body_arrives_as_it_is_made(page: Browser):
    (first, then), (second, later) = page.run(SLOW)
    assert (first, second) == ("a", "b")
    assert later - then > 300


def test_cookies_are_set_kept_from_scripts_and_deleted(page: Browser):
    status, of_scripts, sent = page.run(COOKIES)
    assert status == 204
    assert of_scripts == ["kept=3", "plain=1"]
    assert sent == {"kept": "3", "plain": "1", "http": "2"}


def test_the_cache_asks_again_and_is_answered_without_a_body(page: Browser):
    before, after, statuses, bodies = page.run(CACHE)
    assert statuses == [200, 200, 200]  # what a page sees of a 304 is the copy that the browser has
    assert len(set(bodies)) == 1
    assert (after["200"] - before["200"], after["304"] - before["304"]) == (1, 2)


def test_a_websocket_echoes_and_closes_with_a_code(page: Browser):
    assert page.run(WEBSOCKET) == ["chat", ["grüße", [0, 255]], 4001, "done", True]
