"""examples/chat.py: two browsers in a room hear each other."""

from __future__ import annotations

import signal

from tests.browser.chromium import Browser
from tests.browser.serving import address, on_different_workers, serving
from tests.servers.processes import Running

APP = "examples.chat:app"


def enter(browser: Browser, started: Running, name: str, room: str = "lobby") -> str:
    """Enter a room under a name; give the process that the page is connected to."""
    browser.open(address(started, f"/rooms/{room}"))
    browser.run("localStorage.setItem('name', arguments[0])", name)
    browser.reload()
    return connected(browser)


def connected(browser: Browser) -> str:
    return browser.until(lambda: browser.text("status") == "Connected." and browser.text("worker").strip("…"))


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


def test_two_browsers_in_a_room_hear_each_other(server: str, browser: Browser, second: Browser):
    with serving(server, APP) as started:
        enter(browser, started, "Ada")
        enter(second, started, "Grace")
        converse(browser, second)
        browser.picture(f"chat-{server}")
        assert not browser.complaints() + second.complaints()


def test_what_strangers_say_is_text_and_never_markup(server: str, browser: Browser, second: Browser):
    markup = "<img src=x onerror=document.title='injected'>"
    with serving(server, APP) as started:
        enter(browser, started, markup[:40])
        enter(second, started, "Grace")
        say(browser, markup)
        await_said(second, f"{markup[:40]}: {markup}")
        assert second.run("return document.images.length") == 0
        assert second.driver.title == "Chat"


def test_a_room_hears_nothing_of_another(server: str, browser: Browser, second: Browser):
    with serving(server, APP) as started:
        enter(browser, started, "Ada", "garden")
        enter(second, started, "Grace", "k%C3%BCche")
        say(browser, "in the garden")
        say(second, "in the kitchen")
        await_said(second, "Grace: in the kitchen")
        await_said(browser, "Ada: in the garden")
        assert second.text("room") == "küche"


def test_who_comes_later_sees_what_was_said(server: str, browser: Browser, second: Browser):
    with serving(server, APP) as started:
        enter(browser, started, "Ada")
        say(browser, "first")
        await_said(browser, "Ada: first")
        enter(second, started, "Grace")
        await_said(second, "Ada: first")


def test_two_workers_and_a_redis_are_one_room(server: str, browser: Browser, second: Browser, redis_url: str):
    with serving(server, APP, workers=2, BROADCAST_URL=redis_url) as started:
        room = f"shared-{server}"
        pids = on_different_workers(
            lambda: enter(browser, started, "Ada", room), lambda: enter(second, started, "Grace", room)
        )
        assert pids[0] != pids[1]
        converse(browser, second)
        browser.picture(f"chat-two-workers-{server}")


def test_a_restart_of_all_workers_costs_nothing(server: str, browser: Browser, second: Browser, redis_url: str):
    with serving(server, APP, workers=2, BROADCAST_URL=redis_url) as started:
        before = {enter(browser, started, "Ada"), enter(second, started, "Grace")}
        say(browser, "before")
        await_said(second, "Ada: before")
        started.process.send_signal(signal.SIGHUP)
        for each in (browser, second):
            assert each.until(lambda: connected_anew(each, before)) not in before  # noqa: B023
        say(second, "after")
        for each in (browser, second):
            await_said(each, "Ada: before", "Grace: after")


def connected_anew(browser: Browser, before: set[str]) -> str | None:
    pid = connected(browser)
    return None if pid in before else pid
