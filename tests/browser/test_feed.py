"""examples/feed.py: what is posted is seen everywhere, and a page that is loaded anew misses nothing."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlencode
from urllib.request import urlopen

from tests.browser.chromium import Browser
from tests.browser.serving import address, on_different_workers, serving
from tests.servers.processes import Running

APP = "examples.feed:app"
POSTS = 90
PACE_S = 0.02


def publish(started: Running, text: str) -> None:
    with urlopen(address(started, "/posts"), urlencode({"text": text}).encode(), timeout=10) as answer:
        assert answer.status == 204


@contextmanager
def posts_in_the_background(started: Running) -> Iterator[list[str]]:
    """Post numbered texts while the block runs, and to the last of them; give those that are posted so far."""
    posted: list[str] = []

    def post() -> None:
        for number in range(POSTS):
            publish(started, f"post {number}")
            posted.append(f"post {number}")
            time.sleep(PACE_S)

    with ThreadPoolExecutor(1) as thread:
        outcome = thread.submit(post)
        yield posted
        outcome.result(60)


def shown(browser: Browser) -> list[str]:
    """Give what the page shows, in the order in which it came."""
    return browser.texts("#posts li")[::-1]


def open_live(browser: Browser, started: Running) -> str:
    """Open the page, wait until it is live, and give the process that sends to it."""
    browser.open(address(started))
    return browser.until(lambda: browser.text("status") == "Live." and browser.text("worker").strip("…"))


def await_posts(browser: Browser, posted: list[str]) -> None:
    browser.until(lambda: len(shown(browser)) >= len(posted))
    assert shown(browser) == posted


def reload_while_posts_come(browser: Browser, posted: list[str]) -> None:
    """Reload three times in the midst of it."""
    for count in (15, 35, 60):
        browser.until(lambda: len(posted) > count)  # noqa: B023 - it is called before the next round
        browser.reload()


def test_a_post_is_seen_by_both_browsers_and_is_never_markup(server: str, browser: Browser, second: Browser):
    markup = "<img src=x onerror=document.title='injected'>"
    with serving(server, APP) as started:
        open_live(browser, started)
        open_live(second, started)
        browser.fill("text", "first")
        browser.click("post")
        second.until(lambda: shown(second) == ["first"])
        second.fill("text", markup)
        second.click("post")
        for each in (browser, second):
            await_posts(each, ["first", markup])
            assert each.driver.title == "Feed"
            assert not each.complaints()
        browser.picture(f"feed-{server}")


def test_a_page_that_is_reloaded_in_the_midst_of_it_misses_nothing_and_shows_nothing_twice(
    server: str, browser: Browser, second: Browser
):
    with serving(server, APP) as started:
        open_live(browser, started)
        open_live(second, started)
        with posts_in_the_background(started) as posted:
            reload_while_posts_come(browser, posted)
        for each in (browser, second):
            await_posts(each, posted)


def test_two_workers_and_a_redis_are_one_feed(server: str, browser: Browser, second: Browser, redis_url: str):
    with serving(server, APP, workers=2, BROADCAST_URL=redis_url) as started:
        pids = on_different_workers(lambda: open_live(browser, started), lambda: open_live(second, started))
        assert pids[0] != pids[1]
        with posts_in_the_background(started) as posted:
            reload_while_posts_come(browser, posted)
        for each in (browser, second):
            await_posts(each, posted)
        browser.picture(f"feed-two-workers-{server}")


def test_a_restart_of_all_workers_costs_nothing(server: str, browser: Browser, redis_url: str):
    with serving(server, APP, workers=2, BROADCAST_URL=redis_url) as started:
        before = open_live(browser, started)
        with posts_in_the_background(started) as posted:
            browser.until(lambda: len(posted) > POSTS // 4)
            started.process.send_signal(signal.SIGHUP)
            browser.until(lambda: browser.text("worker") != before)
        await_posts(browser, posted)


def test_a_post_that_is_too_long_is_told_to_the_user(server: str, browser: Browser):
    with serving(server, APP) as started:
        open_live(browser, started)
        browser.run("document.getElementById('text').removeAttribute('maxlength')")
        browser.fill("text", 501 * "a")
        browser.click("post")
        browser.until(lambda: browser.text("status") == "A post has 1 to 500 characters.")
        assert shown(browser) == []
