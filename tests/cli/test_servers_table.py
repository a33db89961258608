"""What is said of servers is what docs/parity.md says. Nothing is served here, so there is no cell."""

import re
from pathlib import Path

import pytest

from ambi.cli.servers import DIFFERENCES, FEATURES, NEEDS, Difference

PARITY = (Path(__file__).parents[2] / "docs" / "parity.md").read_text(encoding="utf-8")
ROWS = [
    (seen.strip(), re.sub(r" \(\d+\)", "", where).strip())
    for seen, where in re.findall(
        r"^\| (.+?) \| (.+?) \| .+ \|$",
        PARITY.partition("## Streams, events")[2].partition("<!-- servers")[0],
        re.MULTILINE,
    )
    if seen != "what is seen"
]
NUMBERED = re.findall(r"^\d+\. \*\*(.+?)\*\*: .*?\(((?:`\w+`(?:, )?)+)\)", PARITY, re.MULTILINE)
FROM_THE_LIST = [one for one in DIFFERENCES if one.probe]


def test_every_row_of_the_table_is_here_and_no_other() -> None:
    assert len(ROWS) > 15
    assert [(one.seen, one.where) for one in DIFFERENCES if not one.probe] == ROWS


@pytest.mark.parametrize("one", FROM_THE_LIST, ids=lambda one: f"{one.where}: {one.seen}")
def test_what_is_numbered_there_is_of_the_same_servers_and_the_same_probe(one: Difference) -> None:
    assert any(servers == one.where and f"`{one.probe}`" in probes for servers, probes in NUMBERED)


@pytest.mark.parametrize("one", DIFFERENCES, ids=lambda one: f"{one.where}: {one.seen}")
def test_the_gateways_of_a_row_are_those_of_its_servers(one: Difference) -> None:
    """As the headings of the two tables name them, so far as a server stands in one table alone."""
    wsgi, asgi = (
        {name.split()[0] for name in heading.split(" | ")}
        for heading in re.findall(r"^\|  \| (gunicorn .+) \|$", PARITY, re.MULTILINE)
    )
    assert "cheroot" in wsgi - asgi
    assert "daphne" in asgi - wsgi
    for gateway, names in (("wsgi", wsgi - asgi), ("asgi", asgi - wsgi)):
        named = [name for name in names if re.search(rf"(?<![\w.]){re.escape(name)}\b(?!'s)", one.where)]
        assert not named or gateway in one.gateways


def test_every_feature_named_is_one() -> None:
    named = {feature for one in DIFFERENCES for feature in one.features} | {need.feature for need in NEEDS}
    assert named <= FEATURES.keys()
    assert set(FEATURES) == named


@pytest.mark.parametrize("server", ["gunicorn", "Werkzeug"])
def test_the_servers_that_lend_their_socket_are_those_of_the_page(server: str) -> None:
    row = next(where for seen, where in ROWS if seen == "A WebSocket is answered with 501")
    need = next(need.text for need in NEEDS if (need.feature, need.gateway) == ("websocket", "wsgi"))
    assert server in row.partition(" but ")[2]
    assert server in need
