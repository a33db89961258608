"""What servers do in place of what a probe asks for, each with the reason why no framework can mend it.

An entry is as strict as the probe: when a server stops to do what stands here, the run fails, and the entry goes.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """What some servers do when a probe is put to them; one footnote of the table.

    Args:
        probe: the name of the probe's function.
        servers: names in the catalogue.
        seen: the words of the probe's `Differs`.
        because: what the server does, and why a framework cannot change that.
    """

    probe: str
    servers: tuple[str, ...]
    seen: str
    because: str


DIFFERENCES: tuple[Difference, ...] = ()


def documented(probe: str, server: str) -> Difference | None:
    """Return what is documented of a server under a probe, None where it does as it is asked."""
    return next((one for one in DIFFERENCES if one.probe == probe and server in one.servers), None)
