"""examples/chat.py: two browsers in a room hear each other."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.browser.chromium import Browser
from tests.browser.serving import SERVERS, address, on_different_workers, serving
from tests.servers.processes import Running

APP = "examples.chat:app"


@pytest.fixture(scope="module", params=SERVERS)
def chat(request: pytest.FixtureRequest) -> Iterator[Running]:
    """One process under each of the servers; every test has a room of its own."""
    with serving(request.param, APP) as started:
        yield started


def enter(browser: Browser, started: Running, name: str, room: str) -> str:
    """Enter a room under a name; give the process that the page is connected to."""
    browser.open(address(started, f"/rooms/{room}"))
    browser.run("localStorage.setItem('name', arguments[0])", name)
    browser.reload()
    return connected(browser)


def connected(browser: Browser) -> str:
    return browser.until(lambda: browser.text("status") == "Connected." and browser.text("worker").strip("…"))


def await_other_worker(browser: Browser, before: set[str]) -> None:
    browser.until(lambda: connected(browser) not in before)


def say(browser: Browser, text: str) -> None:
    browser.fill("text", text)
    browser.click("send")


def heard(browser: Browser) -> list[str]:
    """Give what the page shows, as `name: text`."""
    return browser.run(
        "return Array.from(said.children, p => p.firstChild.textContent + ': ' + p.lastChild.textContent)"
    )


def await_said(browser: Browser, *said: str) -> None:
    browser.until(lambda: len(heard(browser)) >= len(said))
    assert heard(browser) == list(said)


def converse(browser: Browser, second: Browser) -> None:
    say(browser, "Is anybody there?")
    await_said(second, "Ada: Is anybody there?")
    say(second, "Yes, I am.")
    await_said(browser, "Ada: Is anybody there?", "Grace: Yes, I am.")


def test_two_browsers_in_a_room_hear_each_other(chat: Running, browser: Browser, second: Browser):
    enter(browser, chat, "Ada", "lobby")
    enter(second, chat, "Grace", "lobby")
    converse(browser, second)
    browser.picture(f"chat-{chat.server.name}")
    assert not browser.complaints() + second.complaints()


def test_what_strangers_say_is_text_and_never_markup(chat: Running, browser: Browser, second: Browser):
    markup = "<img src=x onerror=document.title='injected'>"
    enter(browser, chat, markup[:40], "markup")
    enter(second, chat, "Grace", "markup")
    say(browser, markup)
    await_said(second, f"{markup[:40]}: {markup}")
    assert second.run("return document.images.length") == 0
    assert second.driver.title == "Chat"


def test_a_room_hears_nothing_of_another(chat: Running, browser: Browser, second: Browser):
    enter(browser, chat, "Ada", "garden")
    enter(second, chat, "Grace", "k%C3%BCche")
    say(browser, "in the garden")
    say(second, "in the kitchen")
    await_said(second, "Grace: in the kitchen")
    await_said(browser, "Ada: in the garden")
    assert second.text("room") == "küche"


def test_who_comes_later_sees_what_was_said(chat: Running, browser: Browser, second: Browser):
    enter(browser, chat, "Ada", "later")
    say(browser, "first")
    await_said(browser, "Ada: first")
    enter(second, chat, "Grace", "later")
    await_said(second, "Ada: first")


def test_two_workers_and_a_redis_are_one_room(server: str, browser: Browser, second: Browser, redis_url: str):
    with serving(server, APP, workers=2, BROADCAST_URL=redis_url) as started:
        pids = on_different_workers(
            lambda: enter(browser, started, "Ada", "lobby"), lambda: enter(second, started, "Grace", "lobby")
        )
        assert pids[0] != pids[1]
        converse(browser, second)
        browser.picture(f"chat-two-workers-{server}")


def test_a_restart_of_all_workers_costs_nothing(server: str, browser: Browser, second: Browser, redis_url: str):
    with serving(server, APP, workers=2, BROADCAST_URL=redis_url) as started:
        before = {enter(browser, started, "Ada", "lobby"), enter(second, started, "Grace", "lobby")}
        say(browser, "before")
        await_said(second, "Ada: before")
        started.process.send_signal(signal.SIGHUP)
        for each in (browser, second):
            await_other_worker(each, before)
        say(second, "after")
        for each in (browser, second):
            await_said(each, "Ada: before", "Grace: after")
