"""Load and large bodies through the mount, at full size.

python -m tests.interop load                  10,000 requests, a tenth of the clients leaving, for each pair
python -m tests.interop load --count 2000
python -m tests.interop upload                200 MiB through ours and through other adapters, as a table
"""

from __future__ import annotations

import argparse
import sys

from tests.interop.load import BodySeen, large_bodies, load

LOADS = [
    ("gunicorn gthread", "starlette"),
    ("gunicorn gthread", "flask"),
    ("uvicorn h11", "starlette"),
    ("uvicorn h11", "flask"),
]
BODIES = [
    ("uvicorn h11", "wsgi", "ambi", "`app.mount`"),
    ("uvicorn h11", "wsgi", "a2wsgi", "a2wsgi"),
    ("uvicorn h11", "wsgi", "starlette", "Starlette's `WSGIMiddleware`"),
    ("gunicorn gthread", "asgi", "ambi", "`app.mount`"),
    ("gunicorn gthread", "asgi", "a2wsgi", "a2wsgi"),
    ("uvicorn h11", "asgi", "ambi", "`app.mount`"),
    ("uvicorn h11", "asgi", "none", "nothing"),
    ("gunicorn gthread", "wsgi", "ambi", "`app.mount`"),
    ("gunicorn gthread", "wsgi", "none", "nothing"),
]


def run_loads(count: int) -> int:
    failed = 0
    for server, guest in LOADS:
        seen = load(server, guest, count)
        failed += not seen.left_behind.is_nothing
        print(f"{server}, {guest}: {seen}{'' if seen.left_behind.is_nothing else '   LEFT BEHIND'}", flush=True)
    return failed


def run_uploads(mebibytes: int) -> int:
    print(f"| server, guest | through | upload of {mebibytes} MiB | download | download, not read |")
    print("| --- | --- | ---: | ---: | ---: |")
    failed = 0
    for server, guest, adapter, name in BODIES:
        seen = dict(large_bodies(server, guest, adapter, mebibytes))
        stalled = seen["stalled"]
        if isinstance(stalled, BodySeen):
            stalled = f"{stalled.growth_mib:.1f} MiB"
        row = [f"{server}, {guest.upper()}", name, seen["upload"], seen["download"], stalled]
        print(f"| {' | '.join(map(str, row))} |", flush=True)
        if adapter == "ambi":
            failed += sum(not isinstance(one, BodySeen) or one.growth_mib >= 8 for one in seen.values())
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.interop", description=__doc__)
    parser.add_argument("what", choices=["load", "upload"])
    parser.add_argument("--count", type=int, default=10_000, help="of requests (default 10000)")
    parser.add_argument("--mebibytes", type=int, default=200, help="of a body (default 200)")
    words = parser.parse_args()
    return min(run_loads(words.count) if words.what == "load" else run_uploads(words.mebibytes), 1)


if __name__ == "__main__":
    sys.exit(main())
