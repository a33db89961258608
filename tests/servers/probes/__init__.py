"""Questions to a server that serves `app.py`, in the sections of the table of docs/parity.md.

Each probe leaves the server as it found it, and the next request must be served after it. Where a route stands in both
colours, both are asked.
"""

from tests.servers.probes import answers, bodies, files, lifecycle, mounts, one_object, requests, trouble

SECTIONS = tuple(
    module.section for module in (one_object, requests, bodies, answers, files, mounts, trouble, lifecycle)
)
PROBES = tuple(probe for section in SECTIONS for probe in section.probes)
