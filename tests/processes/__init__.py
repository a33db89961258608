"""Processes under load: signals, killed and stopped workers, recycled ones; and no acknowledged write is lost.

`python -m tests.processes` starts gunicorn (gthread and sync) and uvicorn with two workers each, puts load on them, does
one thing to them, and looks at what is left. A status that nobody asked for is a fault. `nox -s processes` runs it with
all that it needs. Words after it choose: `python -m tests.processes gthread HUP`.

app.py         what is served: writes to SQLite through the transaction of examples/guestbook
ledger.py      clients that note what was acknowledged, and the comparison with what is in the database
readers.py     wrk, which reads meanwhile, and what it says of that
live.py        a server with its processes, its temporary folder, and what must be gone when it has ended
scenarios.py   what is done to a server, and what it must do then
__main__.py    runs them and prints the table
"""
