"""Slow, broken and rude clients: what they get, what they leave behind, and what others notice of them.

`python -m tests.slow` starts gunicorn (gthread) and uvicorn (h11, httptools), treats each to every scenario, and prints a
table; then it does some of it from behind a real nginx and a real haproxy, where they are installed. `nox -s slow` runs
it with all that it needs. Words after it choose: `python -m tests.slow gthread reset`; `--real` sends a byte a second
where otherwise it is one each 50 ms, and takes some ten minutes a server.

While a scenario goes on, another client asks for a page all the time and must get it, within four seconds; and in the
application a task measures how late the event loop is, which must be under 50 ms 999 times of 1000: the server's, and
with gunicorn the one for `async def` handlers. After it, memory, threads, tasks and descriptors of the server are level.

app.py         what is served               ticker.py     how late an event loop is, in the application and beside it
proxy.py       our own faulty proxy         fronts.py     nginx and haproxy
clients.py     requests, byte by byte       scenarios.py  what is done
__main__.py    runs them and prints the table
watching.py    what else is looked at meanwhile, with test_watching.py
test_proxy.py  that the proxy does what it is asked for
"""
