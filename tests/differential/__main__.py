"""Show the differences that nobody has explained, and write docs/explanation/differences.md.

`--generated 5000` sends more.
"""

from __future__ import annotations

import argparse
import logging
import sys

from tests.differential.differences import explained
from tests.differential.inputs import SUBJECTS
from tests.differential.judging import PEERS, Panel, inputs_of, panel
from tests.differential.page import PAGE, page


def show(asked: Panel, subject: str, generated: int) -> int:
    """Print what is not explained of a subject; give how many there are."""
    count = 0
    for sent in inputs_of(subject, generated):
        ours = asked.ours(sent)
        if (otherwise := asked.ours(sent, "asgi")) != ours:
            count += 1
            print(f"{subject}: {sent}\n    WSGI: {ours}\n    ASGI: {otherwise}")
        for peer in PEERS:
            theirs = asked.theirs(peer, sent)
            if theirs != ours and not explained(subject, peer, sent, ours, theirs):
                count += 1
                print(f"{subject}: {sent}\n    ambi: {ours}\n    {peer}: {theirs}")
    return count


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.differential", description=__doc__)
    parser.add_argument("--generated", type=int, default=100, help="how many requests of each subject are generated")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    with panel() as asked:
        unexplained = sum(show(asked, subject, options.generated) for subject in SUBJECTS)
        PAGE.write_text(page(asked), "utf-8")
    print(f"{unexplained} differences without an explanation; {PAGE} is written")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
