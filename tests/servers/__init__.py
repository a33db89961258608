"""Real servers, started as a user starts them, and asked over real sockets.

- `app.py`        the one application that all of them serve
- `catalogue.py`  the servers: how each is started
- `differences.py` what servers are known to do differently, with the reasons
- `wire.py`       HTTP/1.1 by hand: the bytes as written, the answer as it came
- `processes.py`  a server's life: start, log, stop
- `probing.py`    what a probe is
- `probes/`       the questions, a file for each section of the table
- `judging.py`    probes put to a server, and their outcomes beside what is documented
- `table.py`      the tables of docs/parity.md
- `__main__.py`   `python -m tests.servers`: every probe over every server, and the table written anew
- `test_servers.py` the same under pytest, a few servers unless `AMBI_SERVERS` names others
"""
