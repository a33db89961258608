"""Hostile requests, replayed: in process in every cell, and over sockets against real servers.

fixture_app.py   the application that they are sent to; `app` can be served
cases.py         a case as it stands in tests/data/corpus/, or in the file that AMBI_CORPUS names
checks.py        what holds after every case, and what one case asks for besides
ledger.py        where each case is tested, and why not all are here
"""
