"""The same bytes to all of them: each difference has a rule, and each rule a difference."""

from __future__ import annotations

import gc
import logging
import warnings
from collections.abc import Iterator

import pytest
from hypothesis import settings

pytest.importorskip("werkzeug")
pytest.importorskip("starlette")
pytest.importorskip("python_multipart")

from tests.differential.differences import DIFFERENCES, Difference, explained
from tests.differential.exchange import Sent
from tests.differential.inputs import SUBJECTS, query
from tests.differential.judging import GATEWAYS, PEERS, Panel, Seen, inputs_of, panel
from tests.differential.page import PAGE, page, without_versions

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # of files that others leave open where they refuse a form
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def asked() -> Iterator[Panel]:
    logging.disable(logging.CRITICAL)  # a crash is an answer here
    try:
        with panel() as found:
            yield found
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()
        logging.disable(logging.NOTSET)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_every_difference_has_a_rule(asked: Panel, subject: str) -> None:
    unexplained: list[tuple[str, Sent, Seen, Seen]] = []
    sent_to_all = inputs_of(subject, settings.default.max_examples)
    assert len(sent_to_all) > 100
    for sent in sent_to_all:
        ours = asked.ours(sent)
        for peer in PEERS:
            theirs = asked.theirs(peer, sent)
            if theirs != ours and not explained(subject, peer, sent, ours, theirs):
                unexplained.append((peer, sent, ours, theirs))
    assert unexplained == []


@pytest.mark.parametrize("subject", SUBJECTS)
def test_both_gateways_answer_the_same(asked: Panel, subject: str) -> None:
    differing = []
    for sent in inputs_of(subject, settings.default.max_examples):
        answers = [asked.ours(sent, gateway) for gateway in GATEWAYS]
        if answers[0] != answers[1]:
            differing.append((sent, *answers))
    assert differing == []


@pytest.mark.parametrize("rule", DIFFERENCES, ids=lambda rule: rule.what[:50])
def test_every_rule_explains_what_is_seen_of_each_that_it_names(asked: Panel, rule: Difference) -> None:
    ours = asked.ours(rule.example)
    for peer in rule.peers:
        theirs = asked.theirs(peer, rule.example)
        assert theirs != ours, peer
        assert rule in explained(rule.subjects[0], peer, rule.example, ours, theirs), peer


def test_an_answer_that_nobody_gives_has_no_rule(asked: Panel) -> None:
    """The rules are not so wide that they explain everything: an answer of ours to another request, for one."""
    for subject in SUBJECTS:
        sent = inputs_of(subject, 1)[0]
        for peer in PEERS:
            theirs = asked.theirs(peer, sent)
            if theirs == asked.ours(sent):
                other = theirs._replace(status=299, read=None)
                assert explained(subject, peer, sent, other, theirs) == []
                other = theirs._replace(told=(*theirs.told, ("content-type", "x/y")))
                assert explained(subject, peer, sent, other, theirs) == []
    ours = asked.ours(query("a=1"))
    assert explained("query", "Werkzeug", query("a=1"), ours, asked.theirs("Werkzeug", query("a=2"))) == []


def test_the_page_tells_what_is_seen(asked: Panel) -> None:
    """`python -m tests.differential` writes it."""
    assert without_versions(PAGE.read_text("utf-8")) == without_versions(page(asked))
