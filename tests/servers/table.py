"""What docs/parity.md says of the servers: the tables, and the differences to which their cells refer by number.

The page is written only from a run in which every server did under every probe what is documented of it. So what is
documented is what was seen, and the page can be checked against it without a server.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tests.servers.catalogue import SERVERS, Gateway, Server
from tests.servers.differences import DIFFERENCES, Difference, documented
from tests.servers.judging import AS_ASKED
from tests.servers.probes import SECTIONS
from tests.servers.probing import Probe

PAGE = Path(__file__).parents[2] / "docs" / "parity.md"
BEGIN = "<!-- servers: written by python -m tests.servers -->"
END = "<!-- servers: end -->"

HEADINGS: dict[Gateway, str] = {"wsgi": "Over WSGI", "asgi": "Over ASGI"}
NOT_CONCERNED = "–"


def row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def cell(probe: Probe, server: Server) -> str:
    if not probe.concerns(server):
        return NOT_CONCERNED
    difference = documented(probe.name, server.name)
    return f"no ({DIFFERENCES.index(difference) + 1})" if difference else AS_ASKED


def table(servers: Sequence[Server]) -> Iterator[str]:
    yield row(["", *(server.name for server in servers)])
    yield row(["---"] * (len(servers) + 1))
    for section in SECTIONS:
        yield row([f"**{section.heading}**", *("" for _ in servers)])
        for probe in section.probes:
            yield row([probe.sentence, *(cell(probe, server) for server in servers)])


def commands(servers: Sequence[Server]) -> Iterator[str]:
    yield row(["", "started by"])
    yield row(["---", "---"])
    for server in servers:
        yield row([server.name, f"`{server.command.format(port=8000)}`"])


def list_item(number: int, difference: Difference) -> str:
    """Say what is different, where, why, and which probe shows it."""
    servers = ", ".join(difference.servers)
    seen = f"{difference.seen}, or not: a race decides" if difference.sometimes else difference.seen
    probes = ", ".join(f"`{probe}`" for probe in difference.probes)
    return f"{number}. **{servers}**: {seen} ({probes}). {difference.because}"


def written_part() -> str:
    """Return what stands in the page between the two marks."""
    lines = ["## The differences", ""]
    lines += [list_item(number, difference) for number, difference in enumerate(DIFFERENCES, start=1)]
    for gateway, heading in HEADINGS.items():
        servers = [server for server in SERVERS if server.gateway == gateway]
        lines += ["", f"## {heading}", "", *table(servers), "", *commands(servers)]
    return "\n".join(lines)


def page_as_it_should_be() -> str:
    page = PAGE.read_text("utf-8")
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE.name} lacks one of the marks {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}\n\n{written_part()}\n\n{END}{after}"


def write_page() -> None:
    PAGE.write_text(page_as_it_should_be(), "utf-8")
