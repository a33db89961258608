"""What must hold in whatever way Python was started: with `-O` there are no asserts, so nothing here is checked by one.

    python -O -m tests.interpreters
    PYTHONASYNCIODEBUG=1 python -X dev -W error -m tests.interpreters

What people send (`tests.soak`) and what attackers send (`tests.corpus`) goes to both gateways, to handlers of both
colours: each status is the right one, answers are the same everywhere, and what the framework refuses with an error of
its own it still refuses. It is no part of the suite: `nox -s interpreters`.
"""
