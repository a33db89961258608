"""Compare two answers to one request, and lay them out side by side in 100 columns."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

# The server's clock and name (RFC 9110, sections 6.6.1 and 10.2.4), and how it uses the connection (section
# 7.6.1, RFC 9112). The app has no say in them: they are shown, and not compared.
SERVERS_OWN = ["server", "connection", "keep-alive", "transfer-encoding", "date"]

WIDTH, LABEL, CELL, BODY_LINES = 100, 26, 35, 3


@dataclass(frozen=True)
class Answer:
    """What came back: the status line's end ("200 OK"), the header lines in order, the decoded body."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes

    def of_the_app(self) -> list[tuple[str, str]]:
        """Return the headers that the app answers for; names are in lower case, since case says nothing."""
        return [(name, value) for name, value in self.headers if name not in SERVERS_OWN]

    def of_the_server(self, *names: str) -> str:
        """Return the values of some of the other headers, in one line."""
        values = dict(self.headers)
        return ", ".join(values[name] for name in names if name in values)


@dataclass(frozen=True)
class Row:
    """One line of the table: a label and what each side has there, None where it has nothing."""

    label: str
    left: str | None
    right: str | None
    compared: bool = True

    @property
    def differs(self) -> bool:
        return self.compared and self.left != self.right


def rows(left: Answer, right: Answer) -> list[Row]:
    """Return the table's lines for two answers."""
    found = [Row("status", left.status, right.status)]
    ours, theirs = left.of_the_app(), right.of_the_app()
    names = list(dict.fromkeys(name for name, _ in [*ours, *theirs]))
    for name in names:
        # A field may come several times (Set-Cookie): pair them in order.
        one, other = ([value for key, value in side if key == name] for side in (ours, theirs))
        found += [Row(name, mine, yours) for mine, yours in zip_longest(one, other)]
    orders = [" ".join(name for name, _ in side) for side in (ours, theirs)]
    if not any(row.differs for row in found) and orders[0] != orders[1]:
        found.append(Row("order of headers", orders[0], orders[1]))
    found.append(body_row(left.body, right.body))
    *others, date = SERVERS_OWN
    found.append(Row("server", left.of_the_server(*others), right.of_the_server(*others), compared=False))
    found.append(Row("date", left.of_the_server(date), right.of_the_server(date), compared=False))
    return found


def body_row(left: bytes, right: bytes) -> Row:
    """Return the line for the bodies; where they differ, from shortly before the place where they part."""
    if left == right:
        return Row("body", shown(left), shown(right))
    shorter = min(len(left), len(right))
    at = next((n for n in range(shorter) if left[n] != right[n]), shorter)
    start = max(0, at - 20)
    return Row(f"body at byte {at}", shown(left[start:]), shown(right[start:]))


def shown(body: bytes) -> str:
    """Return a body's beginning as one line of text, with its size where not all of it is shown."""
    if not body:
        return "(empty)"
    room = BODY_LINES * CELL
    line = body[: 2 * room].decode(errors="backslashreplace").replace("\n", "⏎").replace("\r", "␍")
    if len(line) <= room and len(body) <= 2 * room:
        return line
    size = f"… {len(body):,} bytes"
    return line[: room - len(size)] + size


# ------------------------------------------------------------------------------------------- on a terminal


class Terminal:
    """Writes lines, with colour where a person reads them (and NO_COLOR is not set)."""

    def __init__(self) -> None:
        self._colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self._encoding = sys.stdout.encoding or "ascii"

    def paint(self, text: str, *styles: str) -> str:
        codes = {"bold": "1", "dim": "2", "red": "31", "green": "32"}
        if not self._colour or not styles:
            return text
        return f"\x1b[{';'.join(codes[style] for style in styles)}m{text}\x1b[0m"

    def line(self, text: str = "") -> None:
        # A terminal that cannot write an ellipsis gets a question mark, not a traceback.
        print(text.encode(self._encoding, "replace").decode(self._encoding), flush=True)

    def table(self, title: str, names: tuple[str, str], found: list[Row]) -> bool:
        """Write the table of one exchange; return whether the two sides agree."""
        agree = not any(row.differs for row in found)
        verdict = "same" if agree else "DIFFERENT"
        heading = f"{names[0]:<{CELL}}   {names[1]}"
        room = WIDTH - LABEL - 1 - len(heading)
        self.line(
            self.paint(f"{title:<{LABEL}} ", "bold")
            + self.paint(heading, "dim")
            + self.paint(f"{verdict:>{room}}", *(["green"] if agree else ["red", "bold"]))
        )
        for row in found:
            for label, one, mark, other in cells(row):
                text = f"  {label:<{LABEL - 2}} {one:<{CELL}} {mark} {other}".rstrip()
                self.line(self.paint(text, *(["red"] if row.differs else [] if row.compared else ["dim"])))
        self.line()
        return agree


def cells(row: Row) -> Iterator[tuple[str, str, str, str]]:
    """Return the row's lines: as many as a body or a difference needs, one for all others, cut to its width."""
    left, right = ("(none)" if side is None else side for side in (row.left, row.right))
    if not row.differs and row.label != "body":
        left, right = (side if len(side) <= CELL else f"{side[: CELL - 1]}…" for side in (left, right))
    mark = "≠" if row.differs else "=" if row.compared else " "
    for at in range(0, max(len(left), len(right), 1), CELL):
        yield ("" if at else row.label), left[at : at + CELL], mark, right[at : at + CELL]
